"""Passwords: hashes of any kind there was, in a queue that has an end."""

import asyncio
import os
import threading
from typing import Final

import bcrypt
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from app.accounts.passwords import Passwords
from app.errors import ServerBusy

PASSWORD: Final = "Analytical-1"
LONG: Final = "Längst-vergangen-1" * 6


def _bcrypt(password: str, prefix: bytes = b"2b") -> str:
    return bcrypt.hashpw(password.encode()[:72], bcrypt.gensalt(4, b"2b")).replace(b"2b", prefix, 1).decode()


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
@pytest.mark.parametrize("password", [PASSWORD, LONG])
async def test_a_bcrypt_hash_is_matched_and_taken_for_argon2(password: str, prefix: bytes) -> None:
    with Passwords(1, 1) as passwords:
        match = await passwords.match(password, _bcrypt(password, prefix))
        assert match.matches
        assert match.new_hash
        assert match.new_hash.startswith("$argon2id$")
        assert (await passwords.match(password, match.new_hash)).matches
        wrong = await passwords.match("Wrong-12", _bcrypt(password, prefix))
        assert (wrong.matches, wrong.new_hash) == (False, None)


async def test_a_hash_with_other_parameters_is_made_anew_and_one_of_today_is_not() -> None:
    with Passwords(1, 1) as passwords:
        weak = Argon2Hasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
        match = await passwords.match(PASSWORD, weak)
        assert match.new_hash
        assert "m=65536,t=3,p=4" in match.new_hash
        again = await passwords.match(PASSWORD, match.new_hash)
        assert (again.matches, again.new_hash) == (True, None)
        assert (await passwords.match("Wrong-12", weak)).new_hash is None


@pytest.mark.parametrize("known", [None, "", "not-a-hash", "$2b$12$short", "$argon2id$v=19$m=65536,t=3,p=4$x$y", "$2b$99$" + "a" * 53])
async def test_what_is_no_hash_matches_nothing(known: str | None) -> None:
    with Passwords(1, 1) as passwords:
        assert not (await passwords.match(PASSWORD, known)).matches


async def test_more_than_may_wait_are_told_to_come_back_and_the_others_are_served() -> None:
    with Passwords(2, 3) as passwords:
        hashes = [asyncio.ensure_future(passwords.hash(PASSWORD)) for _ in range(8)]
        ended = await asyncio.gather(*hashes, return_exceptions=True)
        busy = [error for error in ended if isinstance(error, ServerBusy)]
        assert (len(busy), busy[0].extra) == (3, {"retry_after": 5})
        assert len([made for made in ended if isinstance(made, str)]) == 5
        assert (await passwords.match(PASSWORD, await passwords.hash(PASSWORD))).matches


async def test_hashing_gives_way_to_the_event_loop() -> None:
    with Passwords(1, 1) as passwords:
        nice = await passwords._in_turn(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
    assert nice > os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
