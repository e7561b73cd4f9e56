"""Security and limits: does somebody guess, steal or overdo it, and whom do our limits stop?"""

from typing import Final

from app.observability import metrics as m
from grafana.boards.kinds import bars, number, series, table
from grafana.boards.panels import OUTCOMES, Board, Limits, Query, Row
from grafana.boards.promql import calls, increase, lowest, per_minute, share

_REFUSED: Final = 'http_response_status_code=~"401|403|404|409|413|415|422|429"'


_NOW: Final = (
    number(
        "Refresh tokens reused",
        "In the time that is shown. One that comes a second time was stolen, or its user was: each ends its login.",
        Query(increase(m.REFRESH_REUSED), "reused"),
        limits=Limits(1, 5),
        decimals=0,
        runbook="stolen-tokens",
    ),
    number(
        "Lock-outs",
        "Accounts and addresses that were shut after wrong passwords, in the time that is shown.",
        Query(increase(m.LOCKOUTS), "shut"),
        limits=Limits(5, 50),
        decimals=0,
        runbook="password-guessing",
    ),
    number(
        "Sign-ins that fail",
        "The share of tries, over an hour.",
        Query(
            f"{increase(m.LOGINS, where='outcome!="ok"', window='1h')} / ({increase(m.LOGINS, window='1h')} > 0)",
            "failed",
        ),
        unit="percentunit",
        limits=Limits(0.3, 0.6),
        runbook="password-guessing",
    ),
    number("429s", "Requests that limits stopped, in the time that is shown.", Query(increase(m.LIMITED), "stopped"), decimals=0),
    number(
        "Shared limits",
        "Whether limits hold over all servers: through a Redis that answers, or because none is needed.",
        Query(lowest(m.SHARED_LIMITS_UP), "shared"),
        words={0: ("down", "red"), 1: ("up", "green")},
        runbook="shared-limits",
    ),
    number(
        "Quotas refused",
        "Turns that were stopped by somebody's quota, in the time that is shown.",
        Query(increase(m.QUOTA_RESERVATIONS, where='result="refused"'), "refused"),
        decimals=0,
    ),
)


_SIGNING_IN: Final = (
    series(
        "Tries to sign in, a minute",
        "By what came of them. A wall of wrong ones is a list of passwords being tried.",
        Query(per_minute(m.LOGINS, "outcome"), "{{outcome}}"),
        unit="cpm",
        stacked=True,
        colours=OUTCOMES,
        runbook="password-guessing",
    ),
    bars(
        "Ways in",
        "Who signed in by what, in the time that is shown.",
        Query(increase(m.LOGINS, "method", where='outcome="ok"'), "{{method}}"),
    ),
    series(
        "Tokens refused, a minute",
        "Expired ones are everyday; revoked and invalid ones are somebody who tries.",
        Query(per_minute(m.TOKENS_REFUSED, "reason"), "{{reason}}"),
        unit="cpm",
        stacked=True,
    ),
    series(
        "Lock-outs and reuse",
        "In five minutes: accounts and addresses shut, refresh tokens that came twice.",
        Query(increase(m.LOCKOUTS, "by", window="5m"), "shut by {{by}}"),
        Query(increase(m.REFRESH_REUSED, window="5m"), "refresh token reused"),
        colours={"refresh token reused": "red"},
        runbook="stolen-tokens",
    ),
)


_LIMITS: Final = (
    series(
        "429s a minute, by limit",
        "Which limit stops people.",
        Query(per_minute(m.LIMITED, "limit"), "{{limit}}"),
        unit="cpm",
        stacked=True,
    ),
    table(
        "429s, by limit and tier",
        "In the time that is shown. A paid tier here is a customer who waits.",
        Query(f"{increase(m.LIMITED, 'limit', 'tier')} > 0"),
        columns={"limit": "Limit", "tier": "Tier", "Value": "Times"},
    ),
    series(
        "Quota reservations, a minute",
        "Set aside, and what became of it. Reserved and never settled or released is a leak.",
        Query(per_minute(m.QUOTA_RESERVATIONS, "result"), "{{result}}"),
        unit="cpm",
    ),
)


_REQUESTS: Final = (
    series(
        "Requests refused, a second",
        "By status: 401 no or bad token, 403 not allowed, 404 not there or not theirs, 422 not sound, 429 too many.",
        Query(calls(m.REQUEST_SECONDS, "http_response_status_code", where=_REFUSED), "{{http_response_status_code}}"),
        unit="reqps",
        stacked=True,
    ),
    series(
        "Share of requests refused",
        "Of all requests.",
        Query(share(calls(m.REQUEST_SECONDS, where=_REFUSED), calls(m.REQUEST_SECONDS)), "refused"),
        unit="percentunit",
        limits=Limits(0.2, 0.5),
    ),
    table(
        "Where they were refused",
        "Routes and statuses with most refusals, a second. `unmatched` is somebody who looks for what we do not have.",
        Query(f"topk(10, {calls(m.REQUEST_SECONDS, 'http_request_method', 'http_route', 'http_response_status_code', where=_REFUSED)})"),
        columns={"http_request_method": "Method", "http_route": "Route", "http_response_status_code": "Status", "Value": "A second"},
        unit="reqps",
    ),
)


BOARD: Final = Board(
    uid="milepost-security",
    title="Milepost · Security and limits",
    description="Does somebody guess, steal or overdo it, and whom do our limits stop?",
    rows=(
        Row("In the time that is shown", _NOW),
        Row("Signing in", _SIGNING_IN),
        Row("Limits and quotas", _LIMITS),
        Row("Requests refused", _REQUESTS),
    ),
)
