"""Run one scenario against one target, stage by stage, with the books closed at each stage's end."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from benchmarks.orders import Conversation, Order
from benchmarks.processes import quiet_cpu_seconds, rss_bytes
from benchmarks.provider import Provider
from benchmarks.rows import Books, Row, Stage, row_of
from benchmarks.scenario import Scenario
from benchmarks.targets import Target

_WARM_UP_USERS: Final = 50
_WARM_UP_SECONDS: Final = 60
# Of all users together.
_REHEARSED_TURNS: Final = 200


def measure(target: Target, scenario: Scenario, provider: Provider) -> Row:
    """Let everybody, or fifty of more, rehearse a few turns elsewhere and have one that does not count, then measure."""
    _warm_up(target, scenario, target.rehearsals, min(scenario.stages[0], _REHEARSED_TURNS // min(scenario.users, _WARM_UP_USERS)))
    _warm_up(target, scenario, target.conversations, 1)
    quiet_cpu_seconds([target.process, provider.process])
    provider.account()
    stages = [*_stages(target, scenario, provider)]
    return row_of(
        target.name,
        target.how,
        scenario,
        stages,
        provider.account(),
        has_database=target.database is not None,
        has_clients=not _is_own_client(target),
    )


def _warm_up(target: Target, scenario: Scenario, conversations: Sequence[Conversation], turns: int) -> None:
    at_once, users = replace(scenario, spread=False), conversations[:_WARM_UP_USERS]
    target.driver.obey(Order(scenario=at_once, conversations=users, first_turn=1 - turns, turns=turns, seconds=_WARM_UP_SECONDS))


def _stages(target: Target, scenario: Scenario, provider: Provider) -> Iterator[Stage]:
    first_turn, seconds_left = 1, scenario.seconds
    for turns in scenario.stages:
        if seconds_left <= 0:
            return  # the rest counts as failed
        order = Order(scenario=scenario, conversations=target.conversations, first_turn=first_turn, turns=turns, seconds=seconds_left)
        stage = _stage(target, order, provider)
        yield stage
        first_turn += turns
        seconds_left -= stage.books.seconds


def _stage(target: Target, order: Order, provider: Provider) -> Stage:
    """Bytes are counted before the first and after the last look at the clocks: counting them is no turn's work."""
    processes = [target.process, target.driver.process, provider.process, *([target.database.process] if target.database else [])]
    bytes_before, cpu_before, began = _bytes(target), quiet_cpu_seconds(processes), time.monotonic()
    reply = target.driver.obey(order)
    seconds = max(turn.ended_at for turn in reply.turns) - began
    cpu = [late - early for early, late in zip(cpu_before, quiet_cpu_seconds(processes), strict=True)]
    rss, bytes_after = rss_bytes(target.process), _bytes(target)
    books = Books(
        target_cpu=cpu[0] - (reply.judging_cpu_seconds if _is_own_client(target) else 0),
        driver_cpu=cpu[1] - reply.judging_cpu_seconds,
        provider_cpu=cpu[2],
        postgres_cpu=sum(cpu[3:]),
        seconds=seconds,
        kept_bytes=bytes_after[0] - bytes_before[0],
        written_bytes=bytes_after[1] - bytes_before[1],
    )
    return Stage(first_turn=order.first_turn, last_turn=order.first_turn + order.turns - 1, turns=reply.turns, books=books, rss_bytes=rss)


def _is_own_client(target: Target) -> bool:
    return target.driver.process == target.process


def _bytes(target: Target) -> tuple[float, float]:
    return target.database.kept_and_written_bytes() if target.database else (0, 0)
