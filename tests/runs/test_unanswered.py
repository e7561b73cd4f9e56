"""Questions that nobody answers, or whose run ends in the middle: the model is told what is known of the call, and it is not made twice."""

import asyncio
from datetime import UTC, datetime
from typing import Final

import pytest

from app.agent.approval import WITHDRAWN
from app.agent.marks import once_only
from app.errors import InterruptExpired, InterruptNotFound
from app.persistence.values import RunStatus
from app.runs.asking import OnBusy
from tests.fakes import says
from tests.runs.conftest import Scenery
from tests.runs.deeds import YES, Deeds, ids_of, told, wants
from tests.runs.reading import kinds, text_of, until
from tests.runs.tables import Tables

SOON: Final = 0.02 / 3600


async def test_it_can_be_too_late_to_answer(scenery: Scenery) -> None:
    async with scenery(wants("send"), tools=Deeds().tools, QUESTION_EXPIRY_HOURS=SOON) as scene:
        events = await scene.reads(await scene.asks())
        question = events[-2][1]
        await until(lambda: datetime.now(UTC) > datetime.fromisoformat(question["expires_at"]))
        with pytest.raises(InterruptExpired):
            await scene.answers({question["id"]: YES})
        assert (await scene.questions.open(scene.session), scene.live()) == ([], [])


async def test_the_model_is_told_when_nobody_has_answered_in_time(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("look", "send"), says("Nobody?"), tools=deeds.tools, QUESTION_EXPIRY_HOURS=SOON) as scene:
        events = await scene.reads(await scene.asks())
        await until(lambda: datetime.now(UTC) > datetime.fromisoformat(events[-2][1]["expires_at"]))
        await scene.questions.expire()
        await scene.questions.expire()
        [run] = scene.store.jobs
        assert scene.store.status(run) is RunStatus.QUEUED, "a worker makes it"
        await asyncio.wait_for(scene.office.runs.make(run), 5)
        assert text_of(await scene.reads(run)) == "Nobody?"
        assert "Nobody answered in time" in told(scene)["send"]
        assert told(scene)["look"] == deeds.done[0] == "looked at it"
        assert len(deeds.begun) == 1


async def test_a_question_whose_time_has_not_come_is_not_expired(scenery: Scenery) -> None:
    async with scenery(wants("send"), tools=Deeds().tools) as scene:
        await scene.reads(await scene.asks())
        await scene.questions.expire()
        assert scene.store.jobs == []
        assert len(await ids_of(scene)) == 1


async def test_a_new_message_instead_of_an_answer_withdraws_the_question(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("look", "send", "burn"), says("As you like."), says("Yes."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks("Send it."))
        ids = await ids_of(scene)
        await scene.reads(await scene.asks("Never mind."))
        assert told(scene) == {"look": "looked at it", "send": WITHDRAWN, "burn": WITHDRAWN}
        assert [message.type for message in scene.heard()] == ["human", "ai", "tool", "tool", "tool", "human"]
        with pytest.raises(InterruptNotFound):
            await scene.answers({ids["send"]: YES})
        await scene.reads(await scene.asks("Really?"))
        assert told(scene) == {"look": "looked at it", "send": WITHDRAWN, "burn": WITHDRAWN}, "and it is kept"
        assert deeds.done == ["looked at it"]


async def test_a_message_that_waited_withdraws_the_question_of_the_run_before_it(scenery: Scenery) -> None:
    deeds = Deeds()
    deeds.held.clear()
    async with scenery(wants("look", "send"), says("As you like."), tools=deeds.tools) as scene:
        await scene.asks("Send it.")
        await until(lambda: deeds.begun != [])
        waiting = await scene.asks("Never mind.", on_busy=OnBusy.ENQUEUE)
        deeds.held.set()
        assert text_of(await scene.reads(waiting)) == "As you like."
        assert told(scene) == {"look": "looked at it", "send": WITHDRAWN}
        assert await ids_of(scene) == {}


async def test_a_question_is_asked_again_by_the_next_process_when_one_dies_before_it_could(scenery: Scenery) -> None:
    store, deeds = Tables(), Deeds()
    async with scenery(wants("look", "send"), store=store, tools=deeds.tools) as dying:
        store.finishing.clear()
        run = await dying.asks()
        await until(lambda: store.ending == 1)
        store.dies(run)
        async with scenery(says("Done."), store=store, session=dying.session, tools=deeds.tools) as living:
            await until(lambda: store.rows[run].run.attempt > 1)
            store.finishing.set()
            events = await living.reads(run)
            assert (kinds(events).count("interrupt"), events[-1][1]["status"]) == (1, "interrupted")
            await living.reads(await living.answers({(await ids_of(living))["send"]: YES}))
            assert told(living) == {"look": "looked at it", "send": "sent to Bob"}
    assert sorted(deeds.done) == ["looked at it", "sent to Bob"]


async def test_a_call_that_was_allowed_and_stopped_in_the_middle_is_not_said_to_be_not_made(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), says("Who knows."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks("Send it."))
        deeds.held.clear()
        run = await scene.answers({(await ids_of(scene))["send"]: YES})
        await until(lambda: deeds.begun == ["sent to Bob"])
        await scene.office.runs.stop(run)
        assert (await scene.reads(run))[-1][1]["status"] == "cancelled"
        await scene.reads(await scene.asks("And?"))
        assert told(scene)["send"] != WITHDRAWN, "it was begun: whether it did anything is not known"


async def test_a_call_that_was_allowed_and_must_not_be_repeated_is_not_when_the_server_dies_in_it(scenery: Scenery) -> None:
    store, deeds = Tables(), Deeds()
    tools = [once_only(deed) for deed in deeds.tools]
    async with scenery(wants("send", "burn"), store=store, tools=tools) as dying:
        await dying.reads(await dying.asks())
        deeds.held.clear()
        ids = await ids_of(dying)
        run = await dying.answers({ids["send"]: YES, ids["burn"]: {"approved": False}})
        await until(lambda: deeds.begun == ["sent to Bob"])
        store.dies(run)
        async with scenery(says("Who knows."), store=store, session=dying.session, tools=tools) as living:
            assert (await living.reads(run))[-1][1]["status"] == "completed"
            assert "not repeated" in told(living)["send"]
            assert "refused" in told(living)["burn"]
    assert deeds.begun == ["sent to Bob"]
