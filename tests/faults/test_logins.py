"""Logins over two processes: an end is an end on both."""

import asyncio
import time
from typing import Any, Final

import httpx
import pytest

from tests.faults.server_process import ServerProcess
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

EFFECTIVE_SECONDS: Final = 5


async def _tokens(visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.http.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})
    tokens: dict[str, Any] = answer.raise_for_status().json()
    visitor.http.headers["Authorization"] = f"Bearer {tokens['access_token']}"
    return tokens


@pytest.mark.parametrize("path", ["logout", "logout-everywhere"])
async def test_who_leaves_at_one_process_is_out_of_the_other_and_of_what_is_open_there(
    path: str, first: ServerProcess, second: ServerProcess, provider: ProviderStub
) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    async with Visitor(first.url) as here, Visitor(second.url) as there:
        await here.register("ada@example.com")
        tokens = await _tokens(here)
        there.http.headers["Authorization"] = here.http.headers["Authorization"]
        session = await there.open_session()
        async with there.streaming(session, "Count") as events:
            assert (await anext(events)).type == "start"
            assert (await here.http.post(f"/auth/{path}")).status_code == httpx.codes.NO_CONTENT
            began = time.monotonic()
            assert (await there.http.get("/auth/me")).json()["code"] == "not_authenticated", "at once"
            async with asyncio.timeout(EFFECTIVE_SECONDS):
                types = [event.type async for event in events]
        assert "end" not in types
        assert time.monotonic() - began < EFFECTIVE_SECONDS
        again = await there.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert again.json()["code"] == "invalid_refresh_token"
