"""Each signal moves its metrics, and each metric is moved by something."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import count
from typing import Any, Final

import pytest
from structlog.testing import capture_logs

from app import signals
from app.observability import metrics
from app.observability.children import OTHER, Children
from app.observability.labels import Names, initialise
from app.observability.measuring import measuring
from app.observability.metrics import REGISTRY
from app.signals import sampled
from app.signals.signal import Signal
from tests.observability.series import series, value
from tests.observability.told import LOOKED_AT, TOLD, UNKNOWN_BEFORE

_SUFFIXES: Final = ("_total", "_bucket", "_sum", "_count")
# Names that no other test of this process counts.
_NAMES: Final = Names(
    agents=["unheard agent"],
    models=["unheard model", "unheard other"],
    tools=["unheard tool"],
    tiers=["unheard tier"],
    tasks=["unheard task"],
)
_ALL: Final = {one.name: one for module in (signals, sampled) for one in vars(module).values() if isinstance(one, Signal)}


@pytest.fixture(autouse=True)
def _measuring() -> Iterator[None]:
    with measuring(lambda tool: tool == "walked"):
        yield


def _family(sample: str) -> str:
    return next((sample.removesuffix(suffix) for suffix in _SUFFIXES if sample.endswith(suffix)), sample)


def _moved(before: Mapping[Any, float]) -> set[str]:
    after = series()
    return {_family(name) for (name, pairs), amount in after.items() if amount != before.get((name, pairs), 0)}


@pytest.mark.parametrize(("signal", "said", "moves"), TOLD, ids=[f"{signal.name}-{place}" for place, (signal, _, _) in enumerate(TOLD)])
def test_a_signal_moves_its_metrics_and_no_others(signal: Signal[...], said: Mapping[str, Any], moves: Sequence[str]) -> None:
    metrics.SHARED_LIMITS_UP.set(1)
    metrics.SCHEMA.clear()
    metrics.SCHEMA_DRIFT.set(0)
    metrics.BREAKER_STATE.labels("walked", "closed").set(said.get("state") != "closed")
    metrics.MCP_UP.labels("walked").set(0)
    before = series()
    signal(**said)
    assert _moved(before) == set(moves)


def test_every_signal_is_walked_and_every_metric_is_moved() -> None:
    assert {signal.name for signal, _, _ in TOLD} == _ALL.keys()
    ours = {metric.name for metric in REGISTRY.collect() if not metric.name.startswith(("process_", "python_"))}
    moved = {name for _, _, moves in TOLD for name in moves}
    assert ours == moved | LOOKED_AT
    assert moved.isdisjoint(LOOKED_AT)


def test_every_signal_is_heard_once_by_however_many_and_then_by_nobody() -> None:
    with measuring(lambda _: False), measuring(lambda _: False):
        before = value("milepost_mails_total", outcome="ok")
        signals.mail_sent("ok")
        assert value("milepost_mails_total", outcome="ok") == before + 1
    assert all(signal._hearers for signal in _ALL.values())


def test_whoever_stops_first_leaves_the_others_counting() -> None:
    first, second = measuring(lambda _: False), measuring(lambda _: False)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    before = value("milepost_mails_total", outcome="ok")
    signals.mail_sent("ok")
    assert value("milepost_mails_total", outcome="ok") == before + 1
    second.__exit__(None, None, None)


def test_a_hearer_with_a_bug_harms_nobody_and_is_told_of_once() -> None:
    with capture_logs() as logs:
        for wrong in ("words", None, "words"):
            signals.events_flushed(wrong, 0.1)  # type: ignore[arg-type]  # a bug in who tells, say
    assert [(line["event"], line["signal"]) for line in logs] == [("metric_not_moved", "events_flushed")]
    signals.events_flushed(1, 0.1)
    signals.mail_sent("ok")


def test_what_a_model_makes_up_has_no_series_of_its_own() -> None:
    names = (f"made_up_{number}" for number in count())
    signals.tool_called(next(names), "unknown", 0)
    signals.approval_asked(next(names))
    signals.request_ended("BREW", "unmatched", 405, 0)
    before = len(series())
    for _ in range(100):
        signals.tool_called(next(names), "unknown", 0)
        signals.approval_asked(next(names))
        signals.request_ended(next(names).upper(), "unmatched", 405, 0)
    assert len(series()) == before
    assert value("milepost_tool_calls_total", tool=OTHER, outcome="unknown") >= 101


def test_no_metric_has_more_series_than_is_good_for_it() -> None:
    few = Children(metrics.JOBS, most=3)
    before = len(series())
    for number in range(50):
        few(f"overflowing_{number}", "ok").inc()
    assert len(series()) == before + 4
    assert value("milepost_jobs_total", task=OTHER, outcome=OTHER) == 47


def test_rates_begin_at_nought() -> None:
    initialise(_NAMES)
    before = series()
    initialise(_NAMES)
    assert series() == before, "a second server of the process changes nothing"
    there = {
        ("milepost_runs_finished_total", (("agent", "unheard agent"), ("error", "run_timeout"), ("outcome", "failed"))),
        (
            "milepost_model_fallbacks_total",
            (("error", "model_timeout"), ("model", "unheard model"), ("next_model", "unheard other")),
        ),
        ("milepost_breaker_state", (("model", "unheard other"), ("state", "half_open"))),
        ("milepost_tool_calls_total", (("outcome", "timeout"), ("tool", "unheard tool"))),
        ("milepost_limited_total", (("limit", "tokens_per_day"), ("tier", "unheard tier"))),
        ("milepost_jobs_total", (("outcome", "failed"), ("task", "unheard task"))),
    }
    assert {(name, frozenset(pairs)): 0.0 for name, pairs in there}.items() <= before.items()
    assert ("milepost_logins_total", frozenset({("method", "oidc"), ("outcome", "locked")})) in before  # others may have counted it


def test_every_metric_with_labels_has_series_before_anything_happens() -> None:
    """But for those whose labels only what happens can tell."""
    initialise(_NAMES)
    empty = {metric.name for metric in REGISTRY.collect() if not metric.samples}
    assert empty <= UNKNOWN_BEFORE
