"""A breaker opens after failures in a row, and closes when a trial call succeeds."""

import asyncio

import pytest
from structlog.testing import capture_logs

from app import signals
from app.errors import ModelAuthFailed, ModelBadAnswer, ModelError, ModelRateLimited, ModelRejected, ModelTimeout, ModelUnavailable
from app.llm.breaker import Breaker, BreakerState
from tests.told import hearing


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("app.llm.breaker.time", clock)
    return clock


def breaker() -> Breaker:
    return Breaker("first", failures=3, seconds=30)


def fails(breaker: Breaker, times: int = 1, error: type[BaseException] = ModelUnavailable) -> None:
    for _ in range(times):
        with pytest.raises(error), breaker.watching():
            raise error


def succeeds(breaker: Breaker) -> None:
    with breaker.watching():
        pass


@pytest.mark.parametrize("fault", [ModelUnavailable, ModelTimeout, ModelRateLimited, ModelBadAnswer])
def test_it_opens_after_so_many_faults_in_a_row(fault: type[ModelError], clock: Clock) -> None:
    one = breaker()
    fails(one, 2, fault)
    succeeds(one)
    fails(one, 2, fault)
    assert (one.state, one.admits) == (BreakerState.CLOSED, True)
    fails(one, 1, fault)
    clock.now += 29.9
    assert (one.state, one.admits) == (BreakerState.OPEN, False)


@pytest.mark.parametrize("error", [ModelRejected, ModelAuthFailed, asyncio.CancelledError, RuntimeError])
def test_what_is_not_the_providers_fault_neither_opens_nor_mends_it(error: type[BaseException]) -> None:
    one = breaker()
    fails(one, 10, error)
    assert one.admits
    fails(one, 2)
    fails(one, 1, error)
    fails(one, 1)
    assert one.state is BreakerState.OPEN


def test_after_a_while_one_call_at_a_time_is_let_through(clock: Clock) -> None:
    one = breaker()
    fails(one, 3)
    clock.now += 30
    assert (one.state, one.admits) == (BreakerState.HALF_OPEN, True)
    with one.watching():
        assert (one.state, one.admits) == (BreakerState.HALF_OPEN, False)
    assert (one.state, one.admits) == (BreakerState.CLOSED, True)
    fails(one, 2)
    assert one.state is BreakerState.CLOSED, "what was before the trial is forgotten"


def test_a_trial_that_fails_opens_it_for_as_long_again(clock: Clock) -> None:
    one = breaker()
    fails(one, 3)
    clock.now += 30
    fails(one)
    clock.now += 29.9
    assert one.state is BreakerState.OPEN
    clock.now += 0.1
    assert one.admits


@pytest.mark.parametrize("error", [ModelRejected, asyncio.CancelledError])
def test_a_trial_that_tells_nothing_leaves_room_for_the_next(error: type[BaseException], clock: Clock) -> None:
    one = breaker()
    fails(one, 3)
    clock.now += 30
    fails(one, 1, error)
    assert (one.state, one.admits) == (BreakerState.HALF_OPEN, True)


def test_a_call_in_spite_of_an_open_breaker_closes_it_when_it_succeeds() -> None:
    one = breaker()
    fails(one, 3)
    succeeds(one)
    assert one.state is BreakerState.CLOSED


def test_calls_that_began_before_it_opened_change_nothing(clock: Clock) -> None:
    one = breaker()
    late_failure, late_success = one.watching(), one.watching()
    late_failure.__enter__()
    late_success.__enter__()
    fails(one, 3)
    clock.now += 29
    late_success.__exit__(None, None, None)
    assert not one.admits
    error = ModelUnavailable()
    assert not late_failure.__exit__(type(error), error, None)
    clock.now += 1
    assert one.state is BreakerState.HALF_OPEN, "the time counts from when it opened"


def test_each_change_is_logged_once_with_the_models_name(clock: Clock) -> None:
    one = breaker()
    with capture_logs() as logged:
        fails(one, 5)
        clock.now += 30
        succeeds(one)
        succeeds(one)
    assert [(entry["event"], entry["model"]) for entry in logged] == [
        ("model_breaker_open", "first"),
        ("model_breaker_half_open", "first"),
        ("model_breaker_closed", "first"),
    ]


def test_each_move_is_told(clock: Clock) -> None:
    one = breaker()
    with hearing(signals.breaker_moved) as told:
        fails(one, 4)
        clock.now += 30
        fails(one)
        clock.now += 30
        succeeds(one)
        succeeds(one)
    assert [state for _, model, state in told if model == "first"] == ["open", "half_open", "open", "half_open", "closed"]
