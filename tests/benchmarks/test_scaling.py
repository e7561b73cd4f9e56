"""The arithmetic from what was measured to what a number of users takes."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from app.settings import ROOT
from benchmarks.figures import percentiles
from benchmarks.orders import Turn
from benchmarks.report import write_into
from benchmarks.scaling.figures import CLIENTS, POSTGRES, PROXY, SERVERS, STUB, Measured, full_first
from benchmarks.scaling.measuring import at_once
from benchmarks.scaling.report import measured_tables, sizing_table
from benchmarks.scaling.sizing import Assumptions, size_for

# A hundred turns in ten seconds: 40 ms of the servers each, 10 of Postgres, 2 of the proxy.
MEASURED = Measured(
    servers=2,
    is_pooled=False,
    scenario="paced",
    seconds=10,
    good=100,
    failed=0,
    streams_at_once=30,
    first_token_ms=percentiles([10, 20]),
    cpu_seconds={SERVERS: [2, 2], POSTGRES: [1], PROXY: [0.2], STUB: [0.5], CLIENTS: [0.5]},
    rss_mb_per_server=250,
    connections=[9, 8],
    connections_in_all=18,
    commits=500,
    wal_syncs=300,
    wal_bytes=2_000_000,
    event_bytes=100_000,
    checkpoint_bytes=200_000,
    other_bytes=300_000,
)
ASSUMED = Assumptions(daily_share=0.5, turns_a_day=8.64, peak_factor=2, answer_seconds=5, most_busy=0.5, disk_factor=2, event_hours=48)


def test_a_size_is_the_turns_of_the_peak_times_what_one_takes() -> None:
    size = size_for(100_000, MEASURED, ASSUMED)  # 432,000 turns a day, 5 a second, 10 at the peak
    assert (size.turns_per_second, size.streams) == pytest.approx((10, 50))
    assert size.server_processes == math.ceil(10 * 0.040 / 0.5) + 1 == 2
    assert (size.postgres_cores, size.proxy_cores) == pytest.approx((0.2, 0.04))
    assert size.server_gb == pytest.approx(0.5)
    assert (size.commits_per_second, size.wal_syncs_per_second) == pytest.approx((50, 30))
    assert size.wal_mb_per_second == pytest.approx(0.2)


def test_storage_is_what_stays_and_the_log_only_its_days() -> None:
    size = size_for(100_000, MEASURED, ASSUMED)
    assert size.gb_per_month == pytest.approx(432_000 * 30 * 5_000 * 2 / 1e9)
    assert size.event_gb == pytest.approx(432_000 * 2 * 1_000 * 2 / 1e9)


def test_connections_are_those_that_each_process_may_open_or_the_poolers() -> None:
    size = size_for(1_000_000, MEASURED, ASSUMED)
    assert size.connections == 9 * (20 + 1)
    assert size.pooled_connections == 9 + 20


def test_ten_times_the_users_are_ten_times_the_load() -> None:
    small, large = (size_for(users, MEASURED, ASSUMED) for users in (100_000, 1_000_000))
    assert large.turns_per_second == pytest.approx(10 * small.turns_per_second)
    assert large.gb_per_month == pytest.approx(10 * small.gb_per_month)
    assert large.server_processes == 8 + 1


def test_what_is_full_is_named() -> None:
    assert full_first(MEASURED, cores=8) == "nothing"
    busy = replace(MEASURED, cpu_seconds={**MEASURED.cpu_seconds, SERVERS: [9, 2]})
    assert full_first(busy, cores=8) == "one core of servers"
    assert full_first(busy, cores=1) == "the machine's cores, and one core of servers"
    # Postgres is many processes, and has no one core.
    assert full_first(replace(MEASURED, cpu_seconds={**MEASURED.cpu_seconds, POSTGRES: [12]}), cores=32) == "nothing"


def test_answers_under_way_in_one_moment_are_counted() -> None:
    turns = [Turn(question="", began_at=began, ended_at=ended) for began, ended in ((0, 4), (1, 2), (2, 3), (3, 5))]
    assert at_once(turns) == 2


def test_the_tables_have_a_place_in_the_document(tmp_path: Path) -> None:
    copy = tmp_path / "scaling.md"
    copy.write_text((ROOT / "docs" / "scaling.md").read_text())
    write_into(copy, "scaling", measured_tables([MEASURED, replace(MEASURED, is_pooled=True)], cores=2))
    write_into(copy, "sizing", sizing_table(MEASURED, ASSUMED))
    written = copy.read_text()
    assert "| 2 through pgbouncer | 10.0 | 30 |" in written
    assert "| cores for Postgres | 0.0 | 0.2 | 2.0 |" in written
    assert "daily_share 0.5, turns_a_day 8.64" in written
