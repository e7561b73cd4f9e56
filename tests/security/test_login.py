"""Logging in tells nobody who has an account: not in words, and not in how much work it is."""

import statistics
import time
from typing import Final
from uuid import uuid4

import httpx
import psycopg
import pytest
from argon2 import extract_parameters

from app.accounts.passwords import Passwords
from tests.conftest import Server
from tests.visitor import PASSWORD, Visitor

_ROUNDS: Final = 4
_WRONG: Final = "Wrong-password-1"


async def _work(visitor: Visitor, email: str) -> float:
    """The processor's seconds that a failed login takes, in whichever thread: a clock would measure what else the machine does."""
    begun = time.process_time()
    refused = await visitor.http.post("/auth/login", data={"username": email, "password": _WRONG})
    assert refused.status_code == httpx.codes.UNAUTHORIZED
    return time.process_time() - begun


@pytest.mark.variables(HASH_MEMORY_KIB="65536")
async def test_a_failed_login_is_the_same_work_whether_or_not_there_is_an_account(server: Server, stranger: Visitor) -> None:
    known = [f"{uuid4().hex}@example.com" for _ in range(_ROUNDS)]
    for email in known:  # one failure each: who fails again and again is made to wait
        async with Visitor(server.url) as visitor:
            await visitor.register(email)
    await _work(stranger, f"{uuid4().hex}@example.com")
    seconds: dict[str, list[float]] = {"known": [], "unknown": [], "none": []}
    for email in known:
        seconds["known"].append(await _work(stranger, email))
        seconds["unknown"].append(await _work(stranger, f"{uuid4().hex}@example.com"))
        seconds["none"].append(await _work(stranger, "no address"))
    middle = {kind: statistics.median(measured) for kind, measured in seconds.items()}
    # A hash is nearly all of it; one that was left out, or a cheaper one, would be a tenth or a half.
    assert min(middle.values()) > 0.02, middle
    assert max(middle.values()) < 1.5 * min(middle.values()), middle


@pytest.mark.parametrize("kib", [pytest.param(kib, marks=pytest.mark.variables(HASH_MEMORY_KIB=str(kib))) for kib in (128, 65_536)])
async def test_the_hash_of_nobody_has_the_parameters_of_everybodys(ada: Visitor, database_url: str, kib: int) -> None:
    assert ada
    with psycopg.connect(database_url) as connection:
        [(kept,)] = connection.execute("""SELECT password_hash FROM "user" """).fetchall()
    with Passwords(1, 1, memory_kib=kib) as passwords:
        assert extract_parameters(kept) == extract_parameters(passwords._nobody)
    assert extract_parameters(kept).memory_cost == kib
    assert PASSWORD not in kept
