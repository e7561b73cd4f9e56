"""How long the next try at a password waits."""

import pytest

from app.persistence.login_failures import Limit

LIMIT = Limit(free=3, longest_seconds=60)


@pytest.mark.parametrize(
    ("failures", "seconds"), [(0, 0), (2, 0), (3, 5), (4, 10), (5, 20), (6, 40), (7, 60), (8, 60), (2_000_000_000, 60)]
)
def test_the_wait_doubles_up_to_the_longest(failures: int, seconds: int) -> None:
    assert LIMIT.wait_seconds(failures, 0) == seconds


@pytest.mark.parametrize(("age", "seconds"), [(0.5, 59.5), (59, 1), (60, 0), (3600, 0)])
def test_the_wait_runs_from_the_last_failure(age: float, seconds: float) -> None:
    assert LIMIT.wait_seconds(20, age) == seconds


def test_failures_are_forgotten_after_the_longest_wait_and_an_hour() -> None:
    assert LIMIT.forgotten_seconds == 3660
    assert Limit(free=0, longest_seconds=10_000).wait_seconds(30, 9_999) == 1
