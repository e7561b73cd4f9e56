"""A process that leaves: what it can end in time it ends, and the rest goes on in the next, told and counted as no fault."""

import asyncio
from typing import Final
from uuid import uuid4

import pytest
from langchain_core.tools import tool

from app.errors import ServerStopping
from tests.fakes import calls, says
from tests.runs.conftest import Scenery
from tests.runs.reading import kinds, never, text_of, until, until_said, written
from tests.runs.tables import Tables

SUM: Final = calls(("calculate", '{"expression": "12*7"}'))


async def test_a_run_that_was_handed_back_is_not_counted_as_one_in_which_a_process_died(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as scene:
        run = await scene.asks()
        await scene.until_asked()
    for _ in range(3):
        async with scenery(never(), store=store, RUN_MAX_ATTEMPTS=1) as scene:
            await scene.until_asked()
    async with scenery(says("Whole."), store=store, RUN_MAX_ATTEMPTS=1) as scene:
        assert (await scene.reads(run))[-1][1]["status"] == "completed"
    assert store.released == [run] * 4
    assert [(end.attempt, end.content) for end in store.finished] == [(5, "Whole.")]


async def test_leaving_hands_the_live_runs_back_and_takes_no_new_ones(scenery: Scenery) -> None:
    async with scenery(never(), never()) as scene:
        live = [await scene.asks(session_id=uuid4()) for _ in range(2)]
        await scene.until_asked(2)
        await until_said(scene, live[0], "Half ")
        reading = asyncio.create_task(scene.reads(live[0]))
        await asyncio.wait_for(scene.office.runs.close(), 5)
        with pytest.raises(ServerStopping):
            await scene.asks()
        assert kinds(await reading) == ["start", "token"], "a reader is let go, and told no end"
    assert sorted(scene.store.released) == sorted(live)
    assert scene.store.finished == []
    assert b"Half" in written(scene.store, live[0])


async def test_a_turn_that_is_being_claimed_when_the_process_leaves_is_handed_back(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        scene.store.claiming.clear()
        asking = asyncio.create_task(scene.asks())
        await until(lambda: scene.store.claims == 1)
        await asyncio.wait_for(scene.office.runs.close(), 5)
        scene.store.claiming.set()
        run = await asking
        await until(lambda: scene.store.released == [run])
        assert (scene.live(), scene.store.finished) == ([], [])


async def test_a_run_that_is_handed_back_goes_on_at_its_last_checkpoint_in_the_next_process(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(SUM, never(), store=store) as leaving:
        run = await leaving.asks()
        await until_said(leaving, run, "Half ")
        async with scenery(says("It is 84."), store=store) as coming:
            await asyncio.wait_for(leaving.office.runs.close(), 5)
            events = await coming.reads(run)
    told_again = events[kinds(events).index("reset") :]
    assert kinds(told_again) == ["reset", "tool_call", "tool_result", "token", "token", "token", "usage", "end"]
    assert text_of(told_again) == "It is 84."
    assert [call["content"] for call in store.finished[0].tool_calls] == ["84"]


async def test_draining_waits_for_a_step_and_hands_back_what_does_not_end_in_it(scenery: Scenery) -> None:
    begun, more, store = asyncio.Event(), asyncio.Event(), Tables()

    @tool
    async def weigh() -> str:
        """Take a while."""
        begun.set()
        await more.wait()
        return "Two pounds."

    async with scenery(calls(("weigh", "{}")), store=store, tools=[weigh]) as scene:
        run = await scene.asks()
        await asyncio.wait_for(begun.wait(), 5)
        [live] = scene.office.attempts
        draining = asyncio.create_task(scene.office.runs.drain(5))
        asyncio.get_running_loop().call_soon(live.control.request_drain)
        await until(lambda: live.control.drain_requested)
        with pytest.raises(ServerStopping):
            await scene.asks(session_id=uuid4())
        assert scene.live() == [run], "its step goes on"
        more.set()
        await asyncio.wait_for(draining, 5)
        assert (store.released, store.finished, len(scene.chat.asked)) == ([run], [], 1)
    async with scenery(says("Two."), store=store, tools=[weigh]) as coming:
        assert (await coming.reads(run))[-1][1]["status"] == "completed"
        assert coming.heard()[-1].text == "Two pounds.", "the step that was waited for is kept"
    assert [end.attempt for end in store.finished] == [2]


async def test_draining_asks_for_the_end_of_a_step_when_most_of_the_time_is_over(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        run = await scene.asks()
        await scene.until_asked()
        [live] = scene.office.attempts
        await asyncio.wait_for(scene.office.runs.drain(0.2), 5)
        assert live.control.drain_requested
        assert scene.live() == [run], "what does not come to the end of a step is left to close"


async def test_draining_lets_a_run_end_that_can(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([*says("Half an ")[:1], more, *says("hour.")]) as scene:
        run = await scene.asks()
        await until_said(scene, run, "Half ")
        draining = asyncio.create_task(scene.office.runs.drain(5))
        more.set()
        await asyncio.wait_for(draining, 5)
        assert (await scene.reads(run))[-1][1]["status"] == "completed"
        assert scene.store.released == []


async def test_a_connection_that_the_leaving_server_drops_stops_nothing(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        run = await scene.asks()
        await scene.until_asked()
        await scene.office.runs.drain(0.01)
        scene.office.runs.stop_soon(run)
        assert not scene.office.runs._stops
    assert (scene.store.released, scene.store.finished) == ([run], [])


async def test_leaving_without_a_database_leaves_all_the_same(scenery: Scenery) -> None:
    async with asyncio.timeout(5), scenery(never(), never()) as scene:
        for _ in range(2):
            await scene.asks(session_id=uuid4())
        await scene.until_asked(2)
        scene.store.down = True
    assert scene.live() == []
