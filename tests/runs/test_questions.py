"""The agent asks a person: the run ends with the question, and another goes on with the answer, wherever that was left."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from langchain_core.messages import ToolMessage
from langchain_core.tools import tool

from app.agent.approval import EXPIRED, WITHDRAWN
from app.agent.marks import needs_approval, once_only
from app.errors import IdempotencyKeyReused, InterruptExpired, InterruptNotFound, InvalidAnswer, SessionBusy
from app.persistence.values import RunStatus
from app.runs.answer import whole_answer
from app.runs.asking import OnBusy
from tests.fakes import Piece, calls, says
from tests.runs.conftest import Scene, Scenery
from tests.runs.reading import kinds, text_of, until
from tests.runs.tables import Tables

YES: Final = {"approved": True}
SOON: Final = 0.02 / 3600


class Deeds:
    """Three tools, two of which ask first, and what they have done; each waits as long as `held` is not set."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.done: list[str] = []
        self.held = asyncio.Event()
        self.held.set()

        @needs_approval
        @tool
        async def send(to: str) -> str:
            """Send a letter."""
            return await self._do(f"sent to {to}")

        @needs_approval
        @tool
        async def burn(what: str) -> str:
            """Burn a thing."""
            return await self._do(f"burnt {what}")

        @tool
        async def look(at: str) -> str:
            """Look at a thing, which nobody need allow."""
            return await self._do(f"looked at {at}")

        self.tools = [send, burn, look]

    async def _do(self, deed: str) -> str:
        self.begun.append(deed)
        await self.held.wait()
        self.done.append(deed)
        return deed


def wants(*names: str) -> list[Piece]:
    arguments = {"send": '{"to": "Bob"}', "burn": '{"what": "it"}', "look": '{"at": "it"}'}
    return calls(*((name, arguments[name]) for name in names))


async def ids_of(scene: Scene) -> dict[str, str]:
    """The open questions' ids by the tool each asks about."""
    return {question.value["tool"]: question.id for question in await scene.questions.open(scene.session)}


def told(scene: Scene) -> dict[str, str]:
    """What the model was last told by its tools, each of which is heard once."""
    answers = [message for message in scene.heard() if isinstance(message, ToolMessage)]
    assert len({message.tool_call_id for message in answers}) == len(answers)
    return {message.name or "": message.text for message in answers}


async def test_a_question_ends_the_run_and_is_told_before_its_end(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), tools=deeds.tools, QUESTION_EXPIRY_HOURS=2) as scene:
        run, asked_at = await scene.asks(), datetime.now(UTC)
        events = await scene.reads(run)
        assert kinds(events) == ["start", "tool_call", "usage", "interrupt", "end"]
        asked = events[-2][1]
        assert asked["value"] == {"kind": "approval", "call_id": "call-1", "tool": "send", "args": {"to": "Bob"}}
        assert asked["schema"]["required"] == ["approved"]
        assert asked_at + timedelta(hours=2) <= datetime.fromisoformat(asked["expires_at"]) <= datetime.now(UTC) + timedelta(hours=2)
        assert (events[-1][1]["status"], scene.store.status(run)) == ("interrupted", RunStatus.INTERRUPTED)
        [question] = await scene.questions.open(scene.session)
        assert (question.id, question.run_id, question.value, question.schema) == (asked["id"], run, asked["value"], asked["schema"])
        assert question.expires_at == datetime.fromisoformat(asked["expires_at"])
        whole = await whole_answer(scene.office.tails, run, silence_seconds=0.05)
        assert (whole.questions, whole.error) == ([asked], None)
        assert deeds.begun == []


async def test_an_answer_goes_on_in_a_run_of_its_own(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), says("I have sent it."), tools=deeds.tools) as scene:
        asking = await scene.asks("Send it.")
        await scene.reads(asking)
        run = await scene.answers({(await ids_of(scene))["send"]: YES})
        events = await scene.reads(run)
        assert kinds(events)[:3] == ["start", "tool_call", "tool_result"]
        assert events[1][1] == {"id": "call-1", "name": "send", "args": {"to": "Bob"}}
        assert (text_of(events), events[-1][1]["status"]) == ("I have sent it.", "completed")
        assert (run != asking, scene.store.rows[run].run.parent_id) == (True, asking)
        assert (deeds.done, told(scene)) == (["sent to Bob"], {"send": "sent to Bob"})
        assert await ids_of(scene) == {}
        [call] = scene.store.finished[1].tool_calls
        assert call == {"id": "call-1", "name": "send", "args": {"to": "Bob"}, "content": "sent to Bob", "is_error": False}


async def test_what_was_asked_and_answered_is_remembered_by_the_next_message(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), says("I have sent it."), says("To Bob."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks("Send it."))
        await scene.reads(await scene.answers({(await ids_of(scene))["send"]: YES}))
        await scene.reads(await scene.asks("To whom?"))
        assert [message.text for message in scene.heard()] == ["Send it.", "", "sent to Bob", "I have sent it.", "To whom?"]


async def test_what_is_refused_is_not_done_and_the_model_hears_why(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), says("Then not."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks())
        refused = {"approved": False, "comment": "Not to Bob."}
        events = await scene.reads(await scene.answers({(await ids_of(scene))["send"]: refused}))
        assert "Not to Bob." in told(scene)["send"]
        assert next(data["is_error"] for kind, data in events if kind == "tool_result")
        assert deeds.begun == []


async def test_tools_that_have_answered_before_the_question_are_not_used_again(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("look", "send"), says("Done."), tools=deeds.tools) as scene:
        before = await scene.reads(await scene.asks())
        after = await scene.reads(await scene.answers({(await ids_of(scene))["send"]: YES}))
        assert deeds.done == ["looked at it", "sent to Bob"]
        assert told(scene) == {"look": "looked at it", "send": "sent to Bob"}
        assert [data["name"] for kind, data in before if kind == "tool_result"] == ["look"]
        assert [data["name"] for kind, data in after if kind == "tool_result"] == ["send"]


async def test_several_questions_are_answered_at_once(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send", "burn"), says("Done."), tools=deeds.tools) as scene:
        assert kinds(await scene.reads(await scene.asks())).count("interrupt") == 2
        ids = await ids_of(scene)
        events = await scene.reads(await scene.answers({ids["send"]: YES, ids["burn"]: {"approved": False}}))
        assert (deeds.done, kinds(events).count("tool_call"), kinds(events).count("tool_result")) == (["sent to Bob"], 2, 2)
        assert "refused" in told(scene)["burn"]


async def test_an_answer_to_some_questions_asks_the_others_again(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send", "burn"), says("Done."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks())
        first = await ids_of(scene)
        again = await scene.answers({first["send"]: YES})
        events = await scene.reads(again)
        assert kinds(events) == ["start", "tool_call", "tool_result", "usage", "interrupt", "end"]
        assert (events[-1][1]["status"], events[-2][1]["id"]) == ("interrupted", first["burn"])
        [open_still] = await scene.questions.open(scene.session)
        assert (open_still.id, open_still.run_id) == (first["burn"], again)
        with pytest.raises(InterruptNotFound):
            await scene.answers({first["send"]: YES})
        last = await scene.reads(await scene.answers({first["burn"]: YES}))
        assert [data["name"] for kind, data in last if kind in {"tool_call", "tool_result"}] == ["burn", "burn"]
        assert (deeds.done, last[-1][1]["status"]) == (["sent to Bob", "burnt it"], "completed")
        assert told(scene) == {"send": "sent to Bob", "burn": "burnt it"}


@pytest.mark.parametrize("value", [None, "yes", {}, {"approved": "yes"}, {"approved": True, "more": 1}, EXPIRED])
async def test_what_is_no_answer_to_the_question_is_refused_and_the_question_stays(scenery: Scenery, value: Any) -> None:
    async with scenery(wants("send", "burn"), tools=Deeds().tools) as scene:
        await scene.reads(await scene.asks())
        ids = await ids_of(scene)
        with pytest.raises(InvalidAnswer):
            await scene.answers({ids["burn"]: YES, ids["send"]: value})
        assert await ids_of(scene) == ids
        assert scene.live() == []


async def test_a_question_that_nobody_asked_cannot_be_answered(scenery: Scenery) -> None:
    async with scenery(wants("send"), tools=Deeds().tools) as scene:
        with pytest.raises(InterruptNotFound):
            await scene.answers({"unheard-of": YES})
        await scene.reads(await scene.asks())
        ids = await ids_of(scene)
        with pytest.raises(InterruptNotFound):
            await scene.answers({ids["send"]: YES, "unheard-of": YES})
        assert (await ids_of(scene), scene.live()) == (ids, [])


async def test_the_same_answer_sent_twice_is_one_run(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), says("Done."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks())
        question = (await ids_of(scene))["send"]
        both = await asyncio.gather(*(scene.answers({question: YES}, idempotency_key="k") for _ in range(2)))
        assert both[0] == both[1]
        await scene.reads(both[0])
        assert await scene.answers({question: YES}, idempotency_key="k") == both[0]
        with pytest.raises(IdempotencyKeyReused):
            await scene.answers({question: {"approved": False}}, idempotency_key="k")
        assert deeds.done == ["sent to Bob"]


async def test_of_two_who_answer_one_goes_on_and_the_other_is_told_the_session_is_busy(scenery: Scenery) -> None:
    deeds = Deeds()
    async with scenery(wants("send"), says("Done."), tools=deeds.tools) as scene:
        await scene.reads(await scene.asks())
        question = (await ids_of(scene))["send"]
        both = await asyncio.gather(*(scene.answers({question: YES}) for _ in range(2)), return_exceptions=True)
        [run], [busy] = [one for one in both if isinstance(one, UUID)], [one for one in both if isinstance(one, SessionBusy)]
        assert busy.extra["active_run_id"] == str(run)
        await scene.reads(run)
        assert deeds.done == ["sent to Bob"]


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
