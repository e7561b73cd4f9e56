"""When the database, the process or the run itself goes away: nothing hangs, and the run ends once."""

import asyncio
from typing import Final
from uuid import UUID, uuid4

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from app.agent.marks import once_only
from app.errors import ServerStopping
from tests.fakes import calls, says
from tests.runs.conftest import Scenery
from tests.runs.reading import kinds, never, text_of, until, until_said
from tests.runs.tables import Tables

SUM: Final = calls(("calculate", '{"expression": "12*7"}'))


async def test_an_end_that_is_no_longer_ours_is_not_told(scenery: Scenery) -> None:
    async with scenery(says("Too late.")) as scene:
        scene.store.finishing.clear()
        run = await scene.asks()
        await until(lambda: scene.store.ending == 1)
        scene.store.taken_over(run)
        live = scene.office.attempts.find(run)
        scene.store.finishing.set()
        assert live
        await asyncio.wait_for(live.ended.wait(), 5)
        assert scene.store.finished == []
        assert [entry.type for entry in live.log.following(()).entries if entry.type == "end"] == []


async def test_a_run_that_was_taken_away_while_it_speaks_is_stopped(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([*says("One two")[:1], more, *says("three"), asyncio.Event()]) as scene:
        run = await scene.asks()
        await until_said(scene, run, "One ")
        live = scene.office.attempts.find(run)
        assert live
        scene.store.taken_over(run)
        more.set()
        await asyncio.wait_for(live.ended.wait(), 5)
        assert scene.store.finished == []


async def test_a_run_whose_process_died_is_told_again_and_ended(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as dying:
        run = await dying.asks()
        await until_said(dying, run, "Half ")
        await until(lambda: b"Half" in written(store, run))
        store.dies(run)
        async with scenery(says("Whole."), store=store) as living:
            events = await living.reads(run)
    told_again = events[kinds(events).index("reset") :]
    assert kinds(told_again) == ["reset", "token", "usage", "end"]
    assert text_of(told_again) == "Whole."
    assert [(end.attempt, end.content) for end in store.finished] == [(2, "Whole.")]


async def test_a_run_that_comes_back_to_the_process_that_lost_it_unknowing_ends_once(scenery: Scenery) -> None:
    async with scenery(never(), [*says("Whole.")[:1], more := asyncio.Event(), *says(" Yes.")]) as scene:
        run = await scene.asks()
        await until(lambda: b"Half" in written(scene.store, run))
        stale = scene.office.attempts.find(run)
        assert stale
        scene.office.runs.begin(scene.store.taken_over(run))
        await asyncio.wait_for(stale.ended.wait(), 5)
        assert scene.live() == [run], "the lease of the new attempt must be kept"
        more.set()
        assert text_of((await scene.reads(run))[2:]) == "Whole. Yes."
        assert [(end.attempt, end.content) for end in scene.store.finished] == [(2, "Whole. Yes.")]
        assert scene.live() == []


async def test_a_run_in_which_too_many_processes_died_is_given_up(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as first, scenery(never(), store=store, RUN_MAX_ATTEMPTS=2) as second:
        run = await first.asks()
        await until_said(first, run, "Half ")
        store.dies(run)
        second.office.work.set()
        await second.until_asked()
        store.dies(run)
        async with scenery(store=store, RUN_MAX_ATTEMPTS=2) as third:
            events = await third.reads(run)
            assert (events[-2][1]["code"], events[-1][1]["status"]) == ("attempts_exhausted", "failed")
            assert third.chat.asked == []
    assert [(end.attempt, end.error_code) for end in store.finished] == [(3, "attempts_exhausted")]


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


async def test_a_database_that_is_away_for_a_while_costs_no_event(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([*says("One two three")[:1], more, *says("two three")]) as scene:
        run = await scene.asks()
        await until_said(scene, run, "One ")
        scene.store.down = True
        await asyncio.sleep(0.02)
        scene.store.down = False
        more.set()
        live = await scene.reads(run)
        assert text_of(live) == "One two three"
        assert await scene.reads(run) == live


async def test_what_was_said_while_the_database_was_away_is_written_when_it_is_back(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([more, *says("Half an ")[:1], asyncio.Event()]) as scene:
        run = await scene.asks()
        await until(lambda: written(scene.store, run) != b"")
        scene.store.down = True
        more.set()
        await until_said(scene, run, "Half ")
        await asyncio.sleep(0.01)
        scene.store.down = False
        await until(lambda: b"Half" in written(scene.store, run))


async def test_a_run_that_ends_while_its_events_are_written_writes_each_once(scenery: Scenery) -> None:
    async with scenery(says("One two three four five")) as scene:
        scene.store.appending.clear()
        run = await scene.asks()
        await until(lambda: scene.store.under_way == 1)
        live = scene.office.attempts.find(run)
        assert live
        await until(lambda: not live.walking)
        scene.store.appending.set()
        await scene.reads(run)
        numbers = [entry.sequence for entry in scene.store.written(run)]
        assert numbers == [*range(1, len(numbers) + 1)]


async def test_leases_of_live_runs_are_renewed_and_a_wish_to_stop_is_heard(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store, LEASE_SECONDS=0.05) as scene, scenery(store=store) as other:
        run = await scene.asks()
        store.down = True
        await asyncio.sleep(0.05)
        store.down = False
        await other.office.runs.stop(run)
        assert (await scene.reads(run))[-1][1]["status"] == "cancelled"
        assert run in store.renewed


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


async def test_leaving_without_a_database_leaves_all_the_same(scenery: Scenery) -> None:
    async with asyncio.timeout(5), scenery(never(), never()) as scene:
        for _ in range(2):
            await scene.asks(session_id=uuid4())
        await scene.until_asked(2)
        scene.store.down = True
    assert scene.live() == []


async def test_a_call_that_must_not_be_repeated_is_not_and_the_model_is_told(scenery: Scenery) -> None:
    store, paid, looked = Tables(), Hung("pay"), Hung("look")
    tools = [once_only(paid.tool), looked.tool]
    async with scenery(calls(("pay", "{}"), ("look", "{}")), store=store, tools=tools) as dying:
        run = await dying.asks()
        await until(lambda: paid.times == looked.times == 1)
        store.dies(run)
        looked.returns.set()
        async with scenery(says("I do not know."), store=store, tools=tools) as living:
            events = await living.reads(run)
            told = {message.name: (message.text, message.status) for message in living.heard() if isinstance(message, ToolMessage)}
    assert (paid.times, looked.times) == (1, 2), "a call that may be repeated is"
    assert told["look"] == ("Done.", "success")
    assert told["pay"][1] == "error"
    assert "not repeated" in told["pay"][0]
    assert text_of(events[kinds(events).index("reset") :]) == "I do not know."


class Hung:
    """A tool that begins, and does not return before it may."""

    def __init__(self, name: str) -> None:
        self.times = 0
        self.returns = asyncio.Event()

        @tool(name)
        async def do() -> str:
            """Do it."""
            self.times += 1
            await self.returns.wait()
            return "Done."

        self.tool = do


def written(store: Tables, run: UUID) -> bytes:
    """What a reader in another process finds."""
    return b"".join(entry.payload for entry in store.written(run))
