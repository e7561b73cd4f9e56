"""The gauges show the last sample, and while there is none they show nothing that could be untrue."""

import math
import time
from collections.abc import Iterator
from typing import Final

import pytest
from prometheus_client import generate_latest

from app import signals
from app.observability.metrics import REGISTRY
from app.observability.sampled import showing_samples
from app.signals import sampled
from app.signals.sample import Sample, TableSize, Waiting, Work
from tests.told import between

DONE: Final = 1_780_000_000.0
WORK: Final = Work(
    runs=Waiting(count=3, oldest_seconds=40),
    questions=Waiting(count=2, oldest_seconds=3_600),
    jobs=Waiting(count=5, oldest_seconds=7.5),
    unread=4,
    done={"prune_checkpoints": DONE, "forget_events": 0.0},
    backup=DONE + 1,
)
SAMPLE: Final = Sample(schema_found="a", schema_needed="a", work=WORK, tables={"run": TableSize(rows=12, bytes=8_192)})
MOMENTS: Final = (
    *("milepost_runs_pending", "milepost_runs_pending_oldest_seconds", "milepost_interrupts_open", "milepost_interrupts_oldest_seconds"),
    *("milepost_jobs_waiting", "milepost_jobs_oldest_seconds", "milepost_remember_backlog", "milepost_schema_drift"),
)


@pytest.fixture(autouse=True)
def _showing() -> Iterator[None]:
    with showing_samples():
        yield


def _value(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


def _moments() -> list[float | None]:
    return [_value(name) for name in MOMENTS]


def _is_nothing(value: float | None) -> bool:
    return value is None or math.isnan(value)


def test_a_sample_is_shown() -> None:
    signals.database_sampled(SAMPLE)
    assert _moments() == [3, 40, 2, 3_600, 5, 7.5, 4, 0]
    assert _value("milepost_chore_last_success_timestamp_seconds", chore="prune_checkpoints") == DONE
    assert _value("milepost_chore_last_success_timestamp_seconds", chore="forget_events") == 0
    assert _value("milepost_backup_last_success_timestamp_seconds") == DONE + 1
    assert (_value("milepost_table_rows", table="run"), _value("milepost_table_bytes", table="run")) == (12, 8_192)
    assert _value("milepost_schema_info", found="a", needed="a") == 1
    assert _value("milepost_sampled_timestamp_seconds") == between(time.time() - 5, time.time())


def test_before_the_first_sample_nothing_is_known_not_even_that_there_was_no_backup() -> None:
    assert all(map(_is_nothing, _moments()))
    assert _is_nothing(_value("milepost_backup_last_success_timestamp_seconds"))
    assert _is_nothing(_value("milepost_sampled_timestamp_seconds"))


def test_while_the_database_is_away_no_count_stands_still_and_what_was_done_stays_done() -> None:
    signals.database_sampled(SAMPLE)
    sampled_at = _value("milepost_sampled_timestamp_seconds")
    signals.database_sampled(None)
    assert all(map(_is_nothing, _moments()))
    assert (_value("milepost_table_rows", table="run"), _value("milepost_schema_info", found="a", needed="a")) == (None, None)
    assert _value("milepost_chore_last_success_timestamp_seconds", chore="prune_checkpoints") == DONE
    assert _value("milepost_backup_last_success_timestamp_seconds") == DONE + 1
    assert _value("milepost_sampled_timestamp_seconds") == sampled_at
    assert b"milepost_runs_pending NaN" in generate_latest(REGISTRY)
    signals.database_sampled(SAMPLE)
    assert _moments()[0] == 3


def test_a_server_that_samples_nothing_shows_the_schema_that_its_probes_see() -> None:
    sampled.schema_seen("a", "b")
    assert (_value("milepost_schema_drift"), _value("milepost_schema_info", found="a", needed="b")) == (1, 1)
    sampled.schema_seen("b", "b")
    assert (_value("milepost_schema_drift"), _value("milepost_schema_info", found="a", needed="b")) == (0, None)
    assert _is_nothing(_value("milepost_sampled_timestamp_seconds"))


def test_another_schema_is_told_as_drift_and_the_one_before_is_not_told_beside_it() -> None:
    signals.database_sampled(SAMPLE)
    signals.database_sampled(Sample(schema_found="", schema_needed="a"))
    assert _value("milepost_schema_drift") == 1
    assert (_value("milepost_schema_info", found="", needed="a"), _value("milepost_schema_info", found="a", needed="a")) == (1, None)
    assert _is_nothing(_value("milepost_runs_pending"))
    signals.database_sampled(Sample(schema_found="b", schema_needed="a"))
    assert _value("milepost_schema_drift") == 1, "a schema that is ahead differs too"
