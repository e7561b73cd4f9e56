"""Conversations and runs: do messages become answers, do they wait, and does what is done in the background get done?"""

from typing import Final

from app.observability import metrics as m
from grafana.boards.kinds import heat, number, series, spread, table
from grafana.boards.panels import OUTCOMES, Board, Limits, Query, Row
from grafana.boards.promql import ago, buckets, highest, increase, mean, per_minute, quantile, rate, total

_NOW: Final = (
    number("Live", "Runs that are being made.", Query(total(m.RUNS_LIVE), "live")),
    number(
        "Room used",
        "Live runs as a share of what the servers take at once. Above it they wait.",
        Query(f"{total(m.RUNS_LIVE)} / {total(m.RUNS_MOST)}", "used"),
        unit="percentunit",
        limits=Limits(0.8, 0.95),
    ),
    number("Waiting", "Runs that no server has taken up yet.", Query(highest(m.RUNS_PENDING), "waiting"), limits=Limits(5, 50)),
    number(
        "Oldest waits",
        "How long the oldest of these waits already.",
        Query(highest(m.RUNS_PENDING_OLDEST_SECONDS), "oldest"),
        unit="s",
        limits=Limits(30, 120),
        runbook="runs-wait",
    ),
    number("Questions open", "Answers that wait for a person's yes or no.", Query(highest(m.INTERRUPTS_OPEN), "open")),
    number("Oldest question", "How long the oldest of these waits.", Query(highest(m.INTERRUPTS_OLDEST_SECONDS), "oldest"), unit="s"),
)


_MESSAGES: Final = (
    series(
        "Runs begun and ended, a minute",
        "They should keep step: more begun than ended for long is a jam.",
        Query(per_minute(m.RUNS_STARTED, "agent"), "{{agent}} begun"),
        Query(per_minute(m.RUNS_FINISHED, "agent"), "{{agent}} ended"),
        unit="cpm",
    ),
    series(
        "Ends, by outcome",
        "What became of messages, a minute.",
        Query(per_minute(m.RUNS_FINISHED, "outcome"), "{{outcome}}"),
        unit="cpm",
        stacked=True,
        colours=OUTCOMES,
    ),
    series(
        "Faults, by agent and code",
        "What stopped runs, a minute.",
        Query(f"{per_minute(m.RUNS_FINISHED, 'agent', 'error', where='error!=""')} > 0", "{{agent}} {{error}}"),
        unit="cpm",
        stacked=True,
    ),
    heat("How long turns take", "From a message that was accepted to its end: darker is more.", Query(buckets(m.RUN_SECONDS), "{{le}}")),
    series(
        "First token, by agent",
        "95 % of first tokens come sooner.",
        Query(quantile(0.95, m.RUN_FIRST_TOKEN_SECONDS, "agent"), "{{agent}}"),
        unit="s",
        limits=Limits(3, 10),
        runbook="first-tokens-slow",
    ),
    series(
        "Wait for a server",
        "From a run that was accepted, or given back, to an attempt at it.",
        *spread(m.RUN_QUEUE_SECONDS),
        unit="s",
    ),
)


_SURVIVAL: Final = (
    series(
        "Runs that outlived their process",
        "In five minutes. Recovered: it died. Handed back: it stopped, as in a deploy. Given up: it died of them again and again.",
        *(
            Query(increase(metric, window="5m"), name)
            for metric, name in (
                (m.RUNS_RECOVERED, "recovered"),
                (m.RUNS_HANDED_BACK, "handed back"),
                (m.RUNS_EXHAUSTED, "given up"),
            )
        ),
        runbook="processes-die",
    ),
    series(
        "Streams closed, a minute",
        "Ended with the run is as it should be; hung up is a reader who left; failed is ours.",
        Query(per_minute(m.STREAMS, "reason"), "{{reason}}"),
        unit="cpm",
        stacked=True,
        colours={"ended": "green", "hung_up": "yellow", "login_over": "orange", "closing": "blue", "failed": "red"},
    ),
    series(
        "Events to and from Postgres",
        "Appended is what answers write; replayed is what readers got from there, after a lost connection as a rule.",
        Query(rate(m.EVENTS_APPENDED), "appended"),
        Query(rate(m.EVENTS_REPLAYED), "replayed"),
        unit="ops",
    ),
    series(
        "Write of events",
        "One statement for all runs of a process. Slow writes hold up nobody, but what was not written dies with the process.",
        *spread(m.EVENT_FLUSH_SECONDS),
        unit="s",
        limits=Limits(0.25, 1),
    ),
    series(
        "Events refused or missed",
        "In five minutes. Writes that the database did not take are tried again; gaps are readers who came back too late.",
        Query(increase(m.EVENT_FLUSHES_FAILED, window="5m"), "writes failed"),
        Query(increase(m.EVENT_GAPS, window="5m"), "gaps"),
    ),
)


_BACKGROUND: Final = (
    series(
        "Jobs waiting",
        "Jobs that could be done now and are not.",
        Query(highest(m.JOBS_WAITING), "waiting"),
        runbook="background-work",
    ),
    series(
        "Oldest job",
        "How long the oldest of them waits.",
        Query(highest(m.JOBS_OLDEST_SECONDS), "oldest"),
        unit="s",
        limits=Limits(60, 600),
    ),
    series(
        "Jobs and chores done, a minute",
        "By task and what became of it.",
        Query(f"{per_minute(m.JOBS, 'task', 'outcome')} > 0", "{{task}} {{outcome}}"),
        unit="cpm",
        stacked=True,
    ),
    series("How long jobs take", "The mean, by task.", Query(mean(m.JOB_SECONDS, "task"), "{{task}}"), unit="s"),
    table(
        "Chores, since they were last done well",
        "Each comes by the clock and is done by any worker; one that is long overdue lets something grow.",
        Query(ago(m.CHORE_DONE, "chore")),
        columns={"chore": "Chore", "Value": "Ago"},
        words={0: ("not yet", "text")},
        unit="s",
        limits=Limits(7_200, 90_000),
        runbook="background-work",
    ),
    series(
        "Webhooks and mail, a minute",
        "Tries, by what became of them. Given up or switched off is news that somebody never got.",
        Query(per_minute(m.WEBHOOK_DELIVERIES, "outcome"), "webhook {{outcome}}"),
        Query(per_minute(m.WEBHOOKS_OFF), "webhook switched off"),
        Query(per_minute(m.MAILS, "outcome"), "mail {{outcome}}"),
        unit="cpm",
    ),
)


BOARD: Final = Board(
    uid="milepost-runs",
    title="Milepost · Conversations and runs",
    description="Do messages become answers, do they wait, and does what is done in the background get done?",
    rows=(
        Row("Now", _NOW),
        Row("Messages", _MESSAGES),
        Row("What survives", _SURVIVAL),
        Row("In the background", _BACKGROUND),
    ),
)
