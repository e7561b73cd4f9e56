"""Overview: does it work for the people who use it, since when not, and what does it cost?"""

from typing import Final

from app.observability import metrics as m
from grafana.boards import slo
from grafana.boards.kinds import dial, number, series, spread, table
from grafana.boards.panels import OUTCOMES, Board, Limits, Query, Row
from grafana.boards.promql import calls, highest, per_minute, quantile, rate, share, total

_SERVERS: Final = 'up{job=~"milepost.*", instance=~"$instance"}'
# As the alert has it: without probes and scrapes.
_PEOPLES: Final = 'http_route!~"/health.*|/metrics"'
_WENT_WRONG: Final = f'http_response_status_code=~"5..", {_PEOPLES}'

_NOW: Final = (
    dial(
        "Budget of turns, left",
        "How much of the faults that 30 days may have is still unspent. Below 0 the objective is missed: changes that can wait should.",
        Query(slo.budget_left(slo.TURNS), "left"),
        limits=Limits(0.5, 0.1, low_is_bad=True),
        runbook=slo.TURNS.runbook,
    ),
    dial(
        "Budget of first tokens, left",
        "The same for first tokens that come within 3 seconds.",
        Query(slo.budget_left(slo.FIRST_TOKENS), "left"),
        limits=Limits(0.5, 0.1, low_is_bad=True),
        runbook=slo.FIRST_TOKENS.runbook,
    ),
    number(
        "Alerts firing",
        "Alerts that want somebody, now; the table below names them.",
        Query('count(ALERTS{alertstate="firing", severity=~"page|ticket"}) or vector(0)', "alerts"),
        limits=Limits(1, 2),
    ),
    number(
        "Targets down",
        "Servers and workers that Prometheus does not reach.",
        Query(f"count({_SERVERS}) - sum({_SERVERS})", "down"),
        limits=Limits(1, 2),
        runbook="targets",
    ),
    number("Turns under way", "Runs that are being made now.", Query(total(m.RUNS_LIVE), "runs")),
    number("Streams open", "People who watch an answer come.", Query(total(m.STREAMS_OPEN), "streams")),
)

_OBJECTIVES: Final = (
    series(
        "How fast the budget of turns burns",
        "1 uses up exactly what 30 days may have. A page comes above 14.4 over an hour (2 % of it in an hour) or 6 over six hours.",
        *slo.burning(slo.TURNS),
        limits=Limits(6, 14.4),
        runbook=slo.TURNS.runbook,
    ),
    series(
        "How fast the budget of first tokens burns",
        "As beside, for first tokens that take more than 3 seconds.",
        *slo.burning(slo.FIRST_TOKENS),
        limits=Limits(6, 14.4),
        runbook=slo.FIRST_TOKENS.runbook,
    ),
    table(
        "Alerts",
        "What fires now. Each name has a runbook: see the link at the top.",
        Query('max by (alertname, severity, instance) (ALERTS{alertstate="firing"})'),
        columns={"severity": "Severity", "alertname": "Alert", "instance": "Instance"},
    ),
)


_TRAFFIC: Final = (
    series(
        "Turns a minute, by outcome",
        "What became of messages. Failed is a fault of ours or a provider's; refused is a limit at work.",
        Query(per_minute(m.RUNS_FINISHED, "outcome"), "{{outcome}}"),
        unit="cpm",
        stacked=True,
        colours=OUTCOMES,
    ),
    series(
        "Time to the first token",
        "From a message that was accepted to its first word. 95 % are to be under 3 seconds.",
        *spread(m.RUN_FIRST_TOKEN_SECONDS),
        unit="s",
        limits=Limits(3, 10),
        runbook=slo.FIRST_TOKENS.runbook,
    ),
    series(
        "Errors in turns",
        "Codes of what stopped turns, a minute: docs/errors.md explains each.",
        Query(f"{per_minute(m.RUNS_FINISHED, 'error', where='error!=""')} > 0", "{{error}}"),
        unit="cpm",
        stacked=True,
    ),
    series(
        "Requests a second, by status",
        "All of HTTP. 4xx are clients' faults and limits, 5xx ours.",
        Query(calls(m.REQUEST_SECONDS, "http_response_status_code"), "{{http_response_status_code}}"),
        unit="reqps",
        stacked=True,
    ),
    series(
        "Requests that end in 5xx",
        "The share of requests that failed by a fault of the server, probes and scrapes left out.",
        Query(share(calls(m.REQUEST_SECONDS, where=_WENT_WRONG), calls(m.REQUEST_SECONDS, where=_PEOPLES)), "5xx"),
        unit="percentunit",
        limits=Limits(0.01, 0.05),
        runbook="requests-fail",
    ),
    series(
        "Slowest routes",
        "95 % of requests are quicker; of event streams that is the time to their first byte.",
        Query(f"topk(6, {quantile(0.95, m.REQUEST_SECONDS, 'http_route')})", "{{http_route}}"),
        unit="s",
    ),
    series(
        "Requests under way",
        "What servers answer now, and streams that readers follow.",
        Query(total(m.REQUESTS_ACTIVE), "requests"),
        Query(total(m.STREAMS_OPEN), "streams"),
    ),
)


_COST: Final = (
    series(
        "Cost an hour",
        "What models came to in the last hour, and the budget for it (COST_BUDGET_USD_PER_HOUR), if one is set.",
        Query(f"{rate(m.MODEL_COST, window='1h')} * 3600", "spent"),
        Query(f"{highest(m.COST_BUDGET)} > 0", "budget"),
        unit="currencyUSD",
        runbook="cost",
    ),
    table(
        "What runs",
        "Versions by instance. Two revisions at once for long is a deploy that is stuck.",
        Query(highest(m.BUILD, "instance", "role", "version", "revision", "environment", "python")),
        columns={
            "instance": "Instance",
            "role": "Role",
            "version": "Version",
            "revision": "Revision",
            "environment": "Environment",
            "python": "Python",
        },
    ),
)

BOARD: Final = Board(
    uid="milepost-overview",
    title="Milepost · Overview",
    description="Does it work for the people who use it, since when not, and what does it cost?",
    rows=(
        Row("Now", _NOW),
        Row("Objectives and alerts", _OBJECTIVES),
        Row("Traffic and errors", _TRAFFIC),
        Row("Cost and versions", _COST),
    ),
)
