"""Logins in the table: of two that come at once one is first, and what ends stays ended."""

import asyncio
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from uuid_utils.compat import uuid7

from app.persistence.accounts import Origin, User
from app.persistence.audit import Actor, AuditTable
from app.persistence.database import Database, execute, fetch_all
from app.persistence.erasing import Erasing
from app.persistence.logins import LoginTable, Opening, Outcome, Rotation
from app.persistence.pages import PageTable
from app.persistence.users import PasswordChange, UserTable
from tests.persistence.moments import once, until_waiting

HERE: Final = Origin(address="192.0.2.1", user_agent="A browser")


def _logins(database: Database, *, grace_seconds: float = 10) -> LoginTable:
    return LoginTable(database.pool, login_days=90, idle_days=14, grace_seconds=grace_seconds)


async def _opened(database: Database, user: User, refresh_hash: bytes = b"1") -> UUID:
    login_id = uuid7()
    assert await _logins(database).open(Opening(user_id=user.id, login_id=login_id, refresh_hash=refresh_hash), HERE)
    return login_id


def _rotation(login_id: UUID, name: bytes, following: bytes, *, is_genuine: bool = True) -> Rotation:
    return Rotation(login_id=login_id, hash=name, is_genuine=is_genuine, next_hash=following, successor=b"to " + following)


async def _events(database: Database) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in await fetch_all(database.pool, "SELECT event, user_id, address FROM audit ORDER BY id", {})]


async def test_of_two_that_refresh_at_once_one_is_first_and_the_other_is_given_the_same(
    database: Database, user: User, database_url: str
) -> None:
    login_id, logins = await _opened(database, user), _logins(database)
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM login FOR UPDATE")
        both = [asyncio.create_task(logins.rotate(_rotation(login_id, b"1", following), None)) for following in (b"2", b"3")]
        await once(until_waiting(database_url, 2))
        connection.rollback()
    first, second = sorted(await asyncio.gather(*both), key=lambda rotated: rotated.outcome, reverse=True)
    assert (first.outcome, second.outcome) == (Outcome.ROTATED, Outcome.REPEATED)
    [row] = await fetch_all(database.pool, "SELECT refresh_hash, successor FROM login", {})
    assert second.successor == row["successor"] == b"to " + row["refresh_hash"]
    assert second.user_id == user.id


async def test_what_is_neither_good_nor_ever_was_ends_nothing(database: Database, user: User) -> None:
    login_id, logins = await _opened(database, user), _logins(database)
    for rotation in (_rotation(login_id, b"x", b"2", is_genuine=False), _rotation(uuid7(), b"1", b"2")):
        assert (await logins.rotate(rotation, None)).outcome is Outcome.REFUSED
    assert (await logins.rotate(_rotation(login_id, b"1", b"2"), None)).outcome is Outcome.ROTATED


async def test_one_from_before_the_last_is_a_theft_at_once(database: Database, user: User) -> None:
    login_id, logins = await _opened(database, user), _logins(database)
    for name, following in ((b"1", b"2"), (b"2", b"3")):
        await logins.rotate(_rotation(login_id, name, following), None)
    outcomes = [(await logins.rotate(_rotation(login_id, name, b"4"), "192.0.2.2")).outcome for name in (b"1", b"1", b"3")]
    assert outcomes == [Outcome.REUSED, Outcome.REFUSED, Outcome.REFUSED]
    assert await logins.ended([login_id]) == {login_id}
    assert (await _events(database))[1:] == [("refresh_reused", user.id, "192.0.2.2")]


async def test_who_logs_in_with_a_password_that_is_changed_at_this_moment_does_not_stay(
    database: Database, user: User, database_url: str
) -> None:
    users, logins = UserTable(database), _logins(database)
    opening = Opening(user_id=user.id, login_id=uuid7(), refresh_hash=b"1", password_hash="not-a-hash")
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE \"user\" SET password_hash = 'another'")
        entering = asyncio.create_task(logins.open(opening, HERE))
        await once(until_waiting(database_url, 1))
        connection.commit()
    assert await entering is False
    with psycopg.connect(database_url) as connection:
        connection.execute(
            'INSERT INTO login (id, user_id, created_at) SELECT gen_random_uuid(), id, now() FROM (SELECT id FROM "user" FOR SHARE) AS one'
        )
        changing = asyncio.create_task(users.change_password(PasswordChange(user_id=user.id, old_hash="another", new_hash="third"), None))
        await once(until_waiting(database_url, 1))
        connection.commit()
    assert await changing
    assert await fetch_all(database.pool, "SELECT FROM login WHERE revoked_at IS NULL", {}) == []


@pytest.mark.parametrize(("password_hash", "is_in"), [("not-a-hash", True), (None, True), ("another", False)])
async def test_a_password_lets_in_as_long_as_it_is_theirs(password_hash: str | None, is_in: bool, database: Database, user: User) -> None:
    opening = Opening(user_id=user.id, login_id=uuid7(), refresh_hash=b"1", password_hash=password_hash)
    assert await _logins(database).open(opening, HERE) is is_in
    assert await PageTable(database.pool).open(user.id, b"1", HERE, password_hash) is is_in
    assert len(await fetch_all(database.pool, "SELECT FROM login", {})) == 2 * is_in


async def test_of_two_that_change_a_password_at_once_one_does(database: Database, user: User) -> None:
    changes = [PasswordChange(user_id=user.id, old_hash="not-a-hash", new_hash=new, by_mail=True) for new in ("one", "two")]
    done = await asyncio.gather(*(UserTable(database).change_password(change, None) for change in changes))
    assert sorted(done) == [False, True]
    assert sorted(event for event, _, _ in await _events(database)) == ["email_verified", "password_reset"]


async def test_who_is_erased_while_they_come_in_is_not_in_and_named_nowhere(database: Database, user: User, database_url: str) -> None:
    audit = AuditTable(database.pool)
    with psycopg.connect(database_url) as connection:
        connection.execute('SELECT FROM "user" FOR UPDATE')
        erasing = asyncio.create_task(Erasing(database.pool).erase(user.id, {}))
        await once(until_waiting(database_url, 1))
        opening = Opening(user_id=user.id, login_id=uuid7(), refresh_hash=b"1")
        entering = asyncio.create_task(_logins(database).open(opening, HERE))
        telling = asyncio.create_task(audit.add("login_failed", user.id, Actor(user_id=None, address="192.0.2.1")))
        by_them = asyncio.create_task(audit.add("account_changed", None, Actor(user_id=user.id, address="192.0.2.1")))
        await once(until_waiting(database_url, 4))
        connection.rollback()
    assert await erasing
    assert await entering is False
    await asyncio.gather(telling, by_them)
    left = await fetch_all(database.pool, "SELECT FROM audit WHERE user_id IS NOT NULL OR actor_id IS NOT NULL OR address IS NOT NULL", {})
    assert left == []


async def test_what_is_over_is_deleted_and_the_way_to_the_next_token_closed(database: Database, user: User) -> None:
    logins = _logins(database)
    kept, *over = [await _opened(database, user) for _ in range(4)]
    await logins.rotate(_rotation(kept, b"1", b"2"), None)
    ages = {over[0]: "revoked_at", over[1]: "created_at", over[2]: "refreshed_at"}
    days = {"revoked_at": 2, "created_at": 91, "refreshed_at": 15}
    for login_id, name in ages.items():
        values = {"id": login_id, "age": timedelta(days=days[name])}
        # Nobody is refreshed before they came in.
        came = ", created_at = now() - %(age)s" if name == "refreshed_at" else ""
        await execute(database.pool, f"UPDATE login SET {name} = now() - %(age)s{came} WHERE id = %(id)s", values)  # noqa: S608  # ours
    await execute(database.pool, "UPDATE login SET refreshed_at = now() - interval '11 min' WHERE id = %(id)s", {"id": kept})
    assert [await logins.prune() for _ in range(2)] == [3, 0]
    [row] = await fetch_all(database.pool, "SELECT id, successor, refresh_hash FROM login", {})
    assert row == {"id": kept, "successor": None, "refresh_hash": b"2"}


@pytest.mark.parametrize(("idle_days", "unused_days", "is_live"), [(1, 13, True), (60, 15, False)])
async def test_a_page_that_is_not_visited_stays_logged_in_for_its_own_time(
    idle_days: int, unused_days: int, is_live: bool, database: Database, user: User
) -> None:
    assert await PageTable(database.pool).open(user.id, b"1", HERE, None)
    await execute(database.pool, "UPDATE login SET seen_at = now() - make_interval(days => %(days)s)", {"days": unused_days})
    await execute(database.pool, "UPDATE login SET created_at = seen_at", {})
    logins = LoginTable(database.pool, login_days=90, idle_days=idle_days, grace_seconds=10)
    assert len(await logins.list(user.id)) == is_live
    assert await logins.prune() == (not is_live)
