"""The agent asks a person: the run ends with the question, and another goes on with the answer, wherever that was left."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from langchain_core.tools import tool
from langgraph.types import interrupt

from app.agent.approval import EXPIRED
from app.errors import IdempotencyKeyReused, InterruptNotFound, InvalidAnswer, SessionBusy
from app.persistence.values import RunStatus
from app.runs.answer import whole_answer
from tests.fakes import calls, says
from tests.runs.conftest import Scenery
from tests.runs.deeds import YES, Deeds, ids_of, told, wants
from tests.runs.reading import kinds, text_of


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


async def test_a_tool_may_ask_in_its_own_words(scenery: Scenery) -> None:
    @tool
    async def paint() -> str:
        """Paint the house."""
        colour = interrupt("Which colour?", response_schema={"type": "string"})
        return f"It is {colour} now."

    async with scenery(calls(("paint", "{}")), says("Done."), tools=[paint]) as scene:
        asked = (await scene.reads(await scene.asks()))[-2][1]
        assert (asked["value"], asked["schema"]) == ("Which colour?", {"type": "string"})
        for value in (EXPIRED, 3):
            with pytest.raises(InvalidAnswer):
                await scene.answers({asked["id"]: value})
        await scene.reads(await scene.answers({asked["id"]: "blue"}))
        assert told(scene) == {"paint": "It is blue now."}
