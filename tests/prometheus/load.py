"""A little of everything that metrics tell of: answers, a tool, a stand-in, failures, and somebody with a stolen token."""

from typing import Any, Final

import httpx

from app import signals
from tests.observability.told import CALL
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor, types_of

WHO: Final = "grace@example.com"


async def some_of_everything(url: str, provider: ProviderStub, second_provider: ProviderStub) -> None:
    """The server's default model is at the first provider, and the one at the second stands in for it."""
    async with Visitor(url) as visitor:
        await visitor.register(WHO)
        session = await visitor.open_session()
        await provider.script(ToolCalls([ToolCall("current_time", {"timezone": "UTC"})]), Text("It is late."))
        assert "tool_result" in types_of(await visitor.stream(session, "What time is it?"))
        await provider.script(HttpError(401))
        await second_provider.script(Text("I am the other one."))
        assert (await visitor.ask(session, "Who is there?")).json()["status"] == "completed"
        await provider.script(HttpError(400))
        assert (await visitor.ask(session, "What is not taken?")).status_code == httpx.codes.BAD_GATEWAY
        await _steal(visitor)


def judge() -> None:
    """Tell what a worker tells of answers that it had judged; it does so once a minute, which `tests/faults/test_judging.py` waits for."""
    signals.judged("helpfulness", "ok", 0.8)
    signals.judged("safety", "error", None)
    call: dict[str, Any] = {**CALL, "model": "first", "purpose": "judge"}
    signals.model_called(**call)


async def _steal(visitor: Visitor) -> None:
    """A wrong password, and a refresh token that is used twice."""
    wrong = await visitor.http.post("/auth/login", data={"username": WHO, "password": "Wrong-password-1"})
    assert wrong.status_code == httpx.codes.UNAUTHORIZED
    tokens = (await visitor.http.post("/auth/login", data={"username": WHO, "password": PASSWORD})).json()
    used = [await visitor.http.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]}) for _ in range(2)]
    assert [answer.status_code for answer in used] == [httpx.codes.OK, httpx.codes.UNAUTHORIZED]
