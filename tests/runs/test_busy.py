"""A message that finds its session busy: it waits, stops what is in its way, or has it undone."""

import asyncio
from dataclasses import replace
from uuid import uuid4

import pytest
from langchain_core.tools import tool

from app.agent.marks import needs_approval
from app.errors import SessionBusy
from app.persistence.values import RunStatus
from app.runs.asking import OnBusy
from tests.fakes import ADA, calls, says
from tests.runs.conftest import Scenery
from tests.runs.reading import kinds, never, text_of, until
from tests.runs.tables import Tables


async def test_messages_that_wait_are_answered_in_their_order(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([more, *says("a")], says("b"), says("c")) as scene:
        first = await scene.asks("A")
        waiting = [await scene.asks(text, on_busy=OnBusy.ENQUEUE) for text in ("B", "C")]
        assert [scene.store.status(run) for run in waiting] == [RunStatus.QUEUED] * 2
        assert (scene.live(), await scene.office.runs.live_run(scene.session)) == ([first], first)
        assert [(one.run_id, one.text) for one in await scene.office.runs.waiting(scene.session)] == [
            *zip(waiting, ("B", "C"), strict=True)
        ]
        reading = [asyncio.create_task(scene.reads(run)) for run in waiting]
        more.set()
        events = await asyncio.gather(*reading)
        assert [text_of(read) for read in events] == ["b", "c"]
        assert [kinds(read) for read in events] == [["start", "token", "usage", "end"]] * 2
        assert [message.text for message in scene.heard()] == ["A", "a", "B", "b", "C"]
        assert [end.id for end in scene.store.finished] == [first, *waiting]


async def test_a_message_that_may_wait_and_need_not_begins_at_once(scenery: Scenery) -> None:
    async with scenery(says("a")) as scene:
        run = await scene.asks(on_busy=OnBusy.ENQUEUE)
        assert scene.live() == [run]
        assert text_of(await scene.reads(run)) == "a"


async def test_of_many_that_may_wait_and_come_at_once_none_is_refused(scenery: Scenery) -> None:
    async with scenery(*[says("Yes.") for _ in range(3)]) as scene:
        runs = await asyncio.gather(*(scene.asks(on_busy=OnBusy.ENQUEUE) for _ in range(3)))
        assert [text_of(await scene.reads(run)) for run in runs] == ["Yes."] * 3
        assert sorted(end.id for end in scene.store.finished) == sorted(runs)


async def test_a_message_that_waits_and_is_sent_twice_waits_once(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        await scene.asks()
        both = [await scene.asks("B", on_busy=OnBusy.ENQUEUE, idempotency_key="k") for _ in range(2)]
        assert both[0] == both[1]
        assert len(scene.store.rows) == 2


async def test_what_is_stopped_while_it_waits_ends_without_having_run(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([more, *says("a")], says("c")) as scene:
        first = await scene.asks("A")
        stopped, next_one = [await scene.asks(text, on_busy=OnBusy.ENQUEUE) for text in ("B", "C")]
        await scene.office.runs.stop(stopped)
        events = await scene.reads(stopped)
        assert (kinds(events), events[-1][1]["status"]) == (["end"], "cancelled")
        assert (scene.live(), scene.store.status(next_one)) == ([first], RunStatus.QUEUED), "the turn is not its to give"
        more.set()
        assert text_of(await scene.reads(next_one)) == "c"
        assert [message.text for message in scene.heard()] == ["A", "a", "C"]
        assert len(scene.chat.asked) == 2


async def test_what_is_stopped_while_it_waits_ends_with_the_message_that_was_promised(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        await scene.asks()
        stopped = await scene.asks("B", on_busy=OnBusy.ENQUEUE)
        await scene.office.runs.stop(stopped)
        promised = (await scene.office.runs.read(ADA.id, stopped)).message_id
        assert (await scene.reads(stopped))[-1][1]["message_id"] == str(promised)
        assert promised in {said.id for said in scene.store.messages}


async def test_what_waits_or_is_made_elsewhere_can_be_stopped_by_who_does_not_wait(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store, LEASE_SECONDS=0.05) as other, scenery(store=store, session=other.session) as scene:
        first = await other.asks("A")
        waiting = await scene.asks("B", on_busy=OnBusy.ENQUEUE)
        scene.office.runs.stop_soon(waiting)
        assert kinds(await scene.reads(waiting)) == ["end"]
        scene.office.runs.stop_soon(first)
        assert (await scene.reads(first))[-1][1]["status"] == "cancelled"
        store.down = True
        scene.office.runs.stop_soon(uuid4())
        await until(lambda: not scene.office.runs._stops)
        store.down = False


async def test_what_waits_gets_its_turn_when_the_run_before_it_is_stopped_or_fails(scenery: Scenery) -> None:
    async with scenery(never(), [RuntimeError("nobody's business")], says("c")) as scene:
        first = await scene.asks("A")
        await scene.until_asked()
        failing, last = [await scene.asks(text, on_busy=OnBusy.ENQUEUE) for text in ("B", "C")]
        await scene.office.runs.stop(first)
        assert (await scene.reads(failing))[-1][1]["status"] == "failed"
        assert text_of(await scene.reads(last)) == "c"


async def test_a_message_that_takes_its_place_while_the_run_before_it_ends_gets_the_turn(scenery: Scenery) -> None:
    async with scenery(never(), says("b"), LEASE_SECONDS=60) as scene:
        first = await scene.asks("A")
        await scene.until_asked()
        scene.store.claiming.clear()
        asking = asyncio.create_task(scene.asks("B", on_busy=OnBusy.ENQUEUE))
        await until(lambda: scene.store.claims == 2)
        await scene.office.runs.stop(first)
        await scene.reads(first)
        scene.store.claiming.set()
        assert text_of(await scene.reads(await asking)) == "b"


async def test_a_turn_that_nobody_has_passed_on_is_found(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as other:
        first = await other.asks("A")
        async with scenery(says("b"), store=store, session=other.session, LEASE_SECONDS=0.05) as scene:
            waiting = await scene.asks("B", on_busy=OnBusy.ENQUEUE)
            store.rows[first].run = replace(store.rows[first].run, status=RunStatus.CANCELLED)  # as clearing a session does
            assert text_of(await scene.reads(waiting)) == "b"


async def test_interrupting_also_stops_what_waits(scenery: Scenery) -> None:
    async with scenery(never(), says("c")) as scene:
        first = await scene.asks("A")
        waiting = [await scene.asks(text, on_busy=OnBusy.ENQUEUE) for text in ("B", "B too")]
        await scene.until_asked()
        last = await asyncio.wait_for(scene.asks("C", on_busy=OnBusy.INTERRUPT), 5)
        assert text_of(await scene.reads(last)) == "c"
        assert [(await scene.reads(run))[-1][1]["status"] for run in (first, *waiting)] == ["cancelled"] * 3
        assert [message.text for message in scene.heard()] == ["A", "C"]
        assert len(scene.chat.asked) == 2


async def test_a_run_that_another_process_makes_is_interrupted_too(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store, LEASE_SECONDS=0.05) as other, scenery(says("b"), store=store, session=other.session) as scene:
        first = await other.asks("A")
        await other.until_asked()
        second = await asyncio.wait_for(scene.asks("B", on_busy=OnBusy.INTERRUPT), 5)
        assert text_of(await scene.reads(second)) == "b"
        assert store.status(first) is RunStatus.CANCELLED


async def test_stopping_a_session_stops_what_waits_there(scenery: Scenery) -> None:
    async with scenery(never(), never()) as scene:
        first = await scene.asks()
        await scene.until_asked()
        waiting = await scene.asks(on_busy=OnBusy.ENQUEUE)
        await asyncio.wait_for(scene.office.runs.stop_session(scene.session), 5)
        assert {scene.store.status(run) for run in (first, waiting)} == {RunStatus.CANCELLED}
        assert (scene.live(), len(scene.chat.asked)) == ([], 1)


async def test_rolling_back_undoes_the_turn_that_is_being_answered(scenery: Scenery) -> None:
    async with scenery(says("a"), never(), says("c")) as scene:
        kept = await scene.asks("A")
        await scene.reads(kept)
        undone = await scene.asks("B")
        await scene.until_asked(2)
        waiting = await scene.asks("B too", on_busy=OnBusy.ENQUEUE)
        last = await asyncio.wait_for(scene.asks("C", on_busy=OnBusy.ROLLBACK), 5)
        assert text_of(await scene.reads(last)) == "c"
        assert [message.text for message in scene.heard()] == ["A", "a", "C"]
        assert scene.store.rows[last].run.parent_id == kept
        assert undone not in {said.run_id for said in scene.store.messages}
        assert [(await scene.reads(run))[-1][1]["status"] for run in (undone, waiting)] == ["cancelled"] * 2


async def test_rolling_back_undoes_a_turn_with_its_question(scenery: Scenery) -> None:
    begun = asyncio.Event()

    @needs_approval
    @tool
    async def send() -> str:
        """Never return."""
        begun.set()
        await asyncio.Event().wait()
        return ""

    async with scenery(says("a"), calls(("send", "{}")), says("c"), tools=[send]) as scene:
        kept = await scene.asks("A")
        await scene.reads(kept)
        asking = await scene.asks("Send it.")
        await scene.reads(asking)
        [question] = await scene.questions.open(scene.session)
        answering = await scene.answers({question.id: {"approved": True}})
        await asyncio.wait_for(begun.wait(), 5)
        last = await asyncio.wait_for(scene.asks("C", on_busy=OnBusy.ROLLBACK), 5)
        await scene.reads(last)
        assert [message.text for message in scene.heard()] == ["A", "a", "C"]
        assert {said.run_id for said in scene.store.messages} == {kept, last}
        assert scene.store.status(answering) is RunStatus.CANCELLED


async def test_what_waits_in_a_process_that_leaves_is_answered_by_the_next(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(never(), store=store) as leaving:
        first = await leaving.asks("A")
        await leaving.until_asked()
        waiting = await leaving.asks("B", on_busy=OnBusy.ENQUEUE)
    async with scenery(says("a"), says("b"), store=store) as coming:
        assert text_of(await coming.reads(waiting)) == "b"
        assert kinds(await coming.reads(waiting))[0] == "start", "it was never begun before"
        assert [message.text for message in coming.heard()] == ["A", "a", "B"]
    assert [(end.id, end.attempt) for end in store.finished] == [(first, 2), (waiting, 1)]


async def test_what_is_asked_for_in_the_background_is_made_by_a_worker(scenery: Scenery) -> None:
    store = Tables()
    async with scenery(store=store, LEASE_SECONDS=0.05) as server, scenery(says("a"), store=store, LEASE_SECONDS=0.05) as worker:
        run = await server.asks("A", background=True)
        renewals = store.renewals
        await until(lambda: store.renewals > renewals + 4)
        assert (store.jobs, store.status(run)) == ([run], RunStatus.QUEUED), "nobody takes it who looks for lost runs"
        with pytest.raises(SessionBusy):
            await server.asks("B")
        reading = asyncio.create_task(server.reads(run))
        await asyncio.wait_for(worker.office.runs.make(run), 5)
        assert store.status(run) is RunStatus.COMPLETED, "the job ends with its run"
        assert text_of(await reading) == "a"
        await asyncio.wait_for(worker.office.runs.make(run), 5)
        assert (len(worker.chat.asked), len(store.finished)) == (1, 1)


async def test_a_background_run_that_must_wait_becomes_a_job_when_it_has_its_turn(scenery: Scenery) -> None:
    more = asyncio.Event()
    async with scenery([more, *says("a")], says("b")) as scene:
        first = await scene.asks("A")
        waiting = await scene.asks("B", background=True, on_busy=OnBusy.ENQUEUE)
        await asyncio.wait_for(scene.office.runs.make(waiting), 5)
        assert (scene.store.jobs, scene.live()) == ([], [first]), "it is not its turn"
        more.set()
        await scene.reads(first)
        assert (scene.store.jobs, scene.live()) == ([waiting], [])
        await asyncio.wait_for(scene.office.runs.make(waiting), 5)
        assert text_of(await scene.reads(waiting)) == "b"
