"""By how much each telling moves its metrics, where another number of the same telling would do as well."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest

from app import signals
from app.observability.measuring import measuring
from app.signals.signal import Signal
from tests.observability.series import value
from tests.observability.told import CALL

_MODEL: Final = {"gen_ai_request_model": "walked"}
_PER_TOKEN: Final = "gen_ai_server_time_per_output_token_seconds"
_UNPRICED: Final = "milepost_model_calls_unpriced_total"
_ENDED: Final = {"agent": "walked", "outcome": "failed", "error": "run_timeout", "seconds": 20.0, "first_token_seconds": 1.5}

type Amount = tuple[str, Mapping[str, str], float]

AMOUNTS: Final[list[tuple[Signal[...], Mapping[str, Any], list[Amount]]]] = [
    (
        signals.model_called,
        CALL,
        [
            ("gen_ai_client_operation_time_to_first_chunk_seconds_sum", _MODEL, 1),
            (f"{_PER_TOKEN}_sum", _MODEL, 0.5),  # two seconds for the four after the first
            ("milepost_model_tokens_total", {"model": "walked", "purpose": "answer", "kind": "cached"}, 3),
            ("milepost_model_tokens_total", {"model": "walked", "purpose": "answer", "kind": "output"}, 5),
            ("milepost_model_cost_usd_total", {"model": "walked", "purpose": "answer"}, 0.25),
            (_UNPRICED, {"model": "walked"}, 0),
        ],
    ),
    # An answer that broke off says nothing of how fast tokens come.
    (signals.model_called, {**CALL, "error": "model_unavailable"}, [(f"{_PER_TOKEN}_count", _MODEL, 0)]),
    (signals.model_called, {**CALL, "cost_usd": None}, [(_UNPRICED, {"model": "walked"}, 1)]),
    # One that used nothing costs nothing.
    (
        signals.model_called,
        {**CALL, "cost_usd": None, "error": "model_unavailable", "input_tokens": 0, "output_tokens": 0},
        [(_UNPRICED, {"model": "walked"}, 0)],
    ),
    (
        signals.run_ended,
        _ENDED,
        [
            ("milepost_run_duration_seconds_sum", {"agent": "walked", "outcome": "failed"}, 20),
            ("milepost_run_first_token_seconds_sum", {"agent": "walked"}, 1.5),
        ],
    ),
    (
        signals.checkpoints_written,
        {"checkpoints": 2, "bytes_": 900, "seconds": 0.25},
        [
            ("milepost_checkpoints_written_total", {}, 2),
            ("milepost_checkpoint_bytes_total", {}, 900),
            ("milepost_checkpoint_write_seconds_sum", {}, 0.25),
        ],
    ),
    (
        signals.events_flushed,
        {"events": 3, "seconds": 0.25},
        [("milepost_events_appended_total", {}, 3), ("milepost_event_flush_seconds_sum", {}, 0.25)],
    ),
    (
        signals.traces_exported,
        {"backend": "otlp", "outcome": "ok", "spans": 3},
        [("milepost_trace_spans_total", {"backend": "otlp", "outcome": "ok"}, 3)],
    ),
    (signals.stream_opened, {}, [("milepost_streams_open", {}, 1)]),
    (signals.stream_closed, {"reason": "ended"}, [("milepost_streams_open", {}, -1)]),
    (
        signals.tool_called,
        {"tool": "walked", "outcome": "no_room", "seconds": 2},
        [("milepost_tool_duration_seconds_sum", {"tool": "walked"}, 2)],
    ),
]


@pytest.fixture(autouse=True)
def _measuring() -> Iterator[None]:
    with measuring(lambda tool: tool == "walked"):
        yield


@pytest.mark.parametrize(("signal", "said", "amounts"), AMOUNTS, ids=[f"{one[0].name}-{place}" for place, one in enumerate(AMOUNTS)])
def test_a_signal_moves_its_metrics_by_what_it_says(signal: Signal[...], said: Mapping[str, Any], amounts: list[Amount]) -> None:
    before = [value(name, **labels) for name, labels, _ in amounts]
    signal(**said)
    moved = [value(name, **labels) - was for (name, labels, _), was in zip(amounts, before, strict=True)]
    assert moved == pytest.approx([amount for *_, amount in amounts])


def test_of_a_breakers_states_one_is_shown() -> None:
    signals.breaker_moved("walked", "half_open")
    states = [value("milepost_breaker_state", model="walked", state=state) for state in ("closed", "open", "half_open")]
    assert states == [0, 0, 1]
