"""When the database, the process or the run itself goes away: nothing hangs, and the run ends once."""

import asyncio

from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from app.agent.marks import once_only
from tests.fakes import calls, says
from tests.runs.conftest import Scenery
from tests.runs.reading import kinds, never, text_of, until, until_said, written
from tests.runs.tables import Tables


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


async def test_what_a_run_that_is_given_up_had_said_and_cost_is_kept(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(calls(("calculate", '{"expression": "12*7"}')), never(), store=store) as dying:
        run = await dying.asks()
        await until_said(dying, run, "Half ")
        store.dies(run)
        async with scenery(store=store, RUN_MAX_ATTEMPTS=1) as living:
            await living.reads(run)
    (end,) = store.finished
    assert (end.attempt, end.error_code) == (2, "attempts_exhausted")
    assert [call["content"] for call in end.tool_calls] == ["84"]
    assert [call.purpose for call in end.calls] == ["answer"]


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
