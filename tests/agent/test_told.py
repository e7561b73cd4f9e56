"""What watchers are told of calls of tools: by the tool's name, never by one that a model has made up, and what became of each."""

import asyncio
import json
from typing import Any

import pytest
from langchain_core.tools import ToolException, tool

from app import signals
from app.agent.config import Limits
from app.agent.marks import ToolGone, needs_approval, once_only, safe_to_repeat
from tests.agent.turn import Turn
from tests.fakes import StartsInMemory, calls, says
from tests.told import Told, between, hearing


@tool
async def act(how: str) -> str:
    """Act as it is told to."""
    match how:
        case "hang":
            await asyncio.Event().wait()
        case "complain":
            raise ToolException("Not so.")
        case "break":
            raise RuntimeError
        case "vanish":
            raise ToolGone("The tool is not available now.")
    return "done"


async def _told(*wanted: tuple[str, str], tools: Any = (act,), **more: Any) -> Told:
    turn = Turn(calls(*wanted), says("Well."), tools=[*tools], **more)
    with hearing(signals.tool_called) as told:
        await turn.takes("Please.")
    return [one[1:] for one in told]


def _how(how: str) -> tuple[str, str]:
    return "act", json.dumps({"how": how})


@pytest.mark.parametrize(
    ("how", "outcome"), [("well", "ok"), ("complain", "error"), ("break", "failed"), ("vanish", "failed"), ("hang", "timeout")]
)
async def test_what_a_call_came_to_is_told_with_the_time_it_took(how: str, outcome: str) -> None:
    least = 0.19 if outcome == "timeout" else 0
    assert await _told(_how(how), tool_seconds=0.2) == [("act", outcome, between(least, 5))]


async def test_a_name_that_the_model_made_up_is_told_as_unknown() -> None:
    assert await _told(("made_up_by_a_model", "{}")) == [("unknown", "unknown", between(0, 1))]


async def test_arguments_that_do_not_fit_are_told_as_such() -> None:
    assert await _told(("act", "{}")) == [("act", "unfit", between(0, 1))]


async def test_a_tool_that_the_user_may_not_have_is_told_by_its_name() -> None:
    assert await _told(_how("well"), allowed=frozenset({"calculate"})) == [("act", "not_allowed", between(0, 1))]


async def test_a_call_too_many_is_told_as_looping() -> None:
    told = await _told(_how("well"), _how("better"), limits=Limits(tool_calls=1))
    assert sorted(told) == [("act", "looping", between(0, 1)), ("act", "ok", between())]


async def test_a_call_that_finds_no_room_is_told_as_such() -> None:
    room = asyncio.Semaphore(1)
    async with room:
        assert await _told(_how("well"), room=room, tool_seconds=0.1) == [("act", "no_room", between(0.09, 5))]


async def test_a_call_that_is_tried_again_is_told_once() -> None:
    failures = [RuntimeError(), RuntimeError()]

    @safe_to_repeat
    @tool
    async def look() -> str:
        """Look there."""
        if failures:
            raise failures.pop()
        return "there"

    assert await _told(("look", "{}"), tools=[look]) == [("look", "ok", between())]


@pytest.mark.parametrize(("answer", "outcome"), [({"approved": True}, "ok"), ({"approved": False}, "rejected")])
async def test_a_call_that_people_are_asked_about_is_told_once_they_have_answered(answer: Any, outcome: str) -> None:
    turn = Turn(calls(_how("well")), says("Well."), tools=[needs_approval(act)])
    with hearing(signals.tool_called) as told:
        await turn.takes("Please.")
        assert told == []
        await turn.hears(answer)
    assert told == [("tool_called", "act", outcome, between())]


async def test_a_call_that_is_not_repeated_is_told_as_such() -> None:
    starts, begun = StartsInMemory(), asyncio.Event()

    @once_only
    @tool
    async def pay() -> str:
        """Pay."""
        begun.set()
        await asyncio.Event().wait()
        return "paid"

    turn = Turn(calls(("pay", "{}")), says("Well."), tools=[pay], starts=starts)
    with hearing(signals.tool_called) as told:
        dying = asyncio.create_task(turn.takes("Pay."))
        await begun.wait()
        dying.cancel()
        await asyncio.wait([dying])
        assert told == [], "nobody knows what became of it"
        await turn.goes_on()
    assert told == [("tool_called", "pay", "not_repeated", between())]
