"""Counts of wrong passwords, when many are tried at once."""

import asyncio

from app.persistence.database import Database
from app.persistence.login_failures import Limit, LoginFailures, Try

LIMIT = Limit(free=1000, longest_seconds=900)


def _try(letter: str) -> Try:
    """All from one address, which by its key comes last."""
    return Try(pair=b"a" + letter.encode(), account=b"m" + letter.encode(), address=b"z", user_id=None, client="192.0.2.1")


async def _fail(failures: LoginFailures, one: Try) -> None:
    await failures.begin(one, {one.pair: LIMIT, one.account: LIMIT, one.address: LIMIT})
    await failures.fail(one, LIMIT)


async def test_any_number_at_once_are_counted_and_none_waits_for_another_for_ever(database: Database) -> None:
    failures, tries = LoginFailures(database.pool), [_try(letter) for letter in "ab"]
    for _ in range(5):
        await asyncio.gather(*(_fail(failures, one) for one in tries * 10))
    for one in tries:
        judged = await failures.begin(one, {one.pair: LIMIT, one.account: LIMIT, one.address: LIMIT})
        assert judged.failures == {one.pair: 51, one.account: 51}
    assert await failures.fail(tries[0], LIMIT) == 101


async def test_who_comes_in_and_who_guesses_at_once_are_not_in_each_others_way(database: Database) -> None:
    failures, one = LoginFailures(database.pool), _try("a")
    for _ in range(30):
        ends = [failures.clear(one), failures.take_back(one), failures.forget(-1)] * 3
        await asyncio.gather(*(_fail(failures, one) for _ in range(9)), *ends)
    await failures.clear(one)
    assert await failures.forget(-1) == 1
