"""A message may be said again or otherwise: the conversation goes on from before it, and what followed is another branch."""

from uuid import UUID, uuid4

import pytest
from langchain_core.tools import tool

from app.agent.marks import needs_approval
from app.errors import IdempotencyKeyReused, MessageNotFound, SessionBusy
from app.persistence.values import Role
from app.runs.asking import OnBusy
from tests.fakes import calls, says
from tests.runs.conftest import Scene, Scenery
from tests.runs.reading import never, text_of


async def said(scene: Scene, *texts: str) -> list[UUID]:
    """Hold a conversation; return its runs."""
    runs = []
    for text in texts:
        runs.append(await scene.asks(text))
        await scene.reads(runs[-1])
    return runs


def message_of(scene: Scene, run: UUID, role: Role = Role.USER) -> UUID:
    return next(said.id for said in scene.store.messages if (said.run_id, said.role) == (run, role))


def heard(scene: Scene) -> list[str]:
    return [message.text for message in scene.heard()]


@pytest.mark.parametrize("role", [Role.USER, Role.ASSISTANT])
async def test_an_edited_message_goes_on_from_before_the_one_it_replaces(scenery: Scenery, role: Role) -> None:
    async with scenery(says("a"), says("b"), says("c"), says("d"), says("e")) as scene:
        first, second, _ = await said(scene, "A", "B", "C")
        edited = await scene.asks("D", again=True, instead_of=message_of(scene, second, role))
        assert text_of(await scene.reads(edited)) == "d"
        assert heard(scene) == ["A", "a", "D"]
        forked = scene.store.rows[edited]
        assert (forked.run.parent_id, forked.from_checkpoint) == (first, scene.store.rows[first].checkpoint)
        await said(scene, "E")
        assert heard(scene) == ["A", "a", "D", "d", "E"], "what follows goes on from the new branch"


async def test_the_first_message_can_be_edited_too(scenery: Scenery) -> None:
    async with scenery(says("a"), says("b"), says("c")) as scene:
        first, _ = await said(scene, "A", "B")
        edited = await scene.asks("C", again=True, instead_of=message_of(scene, first))
        await scene.reads(edited)
        assert heard(scene) == ["C"]
        assert scene.store.rows[edited].run.parent_id is None


async def test_without_a_message_the_last_one_is_answered_again(scenery: Scenery) -> None:
    async with scenery(says("a"), says("b"), says("c"), says("d")) as scene:
        first, _ = await said(scene, "A", "B")
        for answer in ("c", "d"):
            again = await scene.asks(None, again=True)
            assert text_of(await scene.reads(again)) == answer
            assert heard(scene) == ["A", "a", "B"], "without the answers that it had before"
            assert scene.store.rows[again].run.parent_id == first


async def test_a_message_is_answered_again_after_a_failure(scenery: Scenery) -> None:
    async with scenery(says("a"), [RuntimeError("nobody's business")], says("b")) as scene:
        await said(scene, "A", "B")
        assert text_of(await scene.reads(await scene.asks(None, again=True))) == "b"
        assert heard(scene) == ["A", "a", "B"]


async def test_to_answer_again_after_a_question_forgets_that_it_was_asked(scenery: Scenery) -> None:
    @needs_approval
    @tool
    async def send() -> str:
        """Send a letter."""
        return "Sent."

    wanted = calls(("send", "{}"))
    async with scenery(says("a"), wanted, says("b"), says("c"), tools=[send]) as scene:
        first, asking = await said(scene, "A", "Send it.")
        [question] = await scene.questions.open(scene.session)
        answering = await scene.answers({question.id: {"approved": True}})
        await scene.reads(answering)
        again = await scene.asks(None, again=True, instead_of=message_of(scene, answering, Role.ASSISTANT))
        await scene.reads(again)
        assert heard(scene) == ["A", "a", "Send it."]
        assert [scene.store.rows[run].run.parent_id for run in (asking, answering, again)] == [first, asking, first]


async def test_there_must_be_such_a_message_in_this_conversation(scenery: Scenery) -> None:
    async with scenery(says("a"), says("b")) as scene:
        with pytest.raises(MessageNotFound):
            await scene.asks(None, again=True)
        [run] = await said(scene, "A")
        for text in (None, "B"):
            with pytest.raises(MessageNotFound):
                await scene.asks(text, again=True, instead_of=uuid4())
            with pytest.raises(MessageNotFound):
                await scene.asks(text, again=True, instead_of=message_of(scene, run), session_id=uuid4())
        assert [*scene.store.rows] == [run]


async def test_an_edited_message_sent_twice_is_one_run(scenery: Scenery) -> None:
    async with scenery(says("a"), says("b")) as scene:
        [first] = await said(scene, "A")
        place = message_of(scene, first)
        edited = await scene.asks("B", again=True, instead_of=place, idempotency_key="k")
        await scene.reads(edited)
        assert await scene.asks("B", again=True, instead_of=place, idempotency_key="k") == edited
        for other in ({"again": True}, {}):
            with pytest.raises(IdempotencyKeyReused):
                await scene.asks("B", idempotency_key="k", **other)
        assert len(scene.chat.asked) == 2


async def test_an_answer_is_asked_again_while_it_is_given(scenery: Scenery) -> None:
    async with scenery(says("a"), never(), says("b")) as scene:
        [first] = await said(scene, "A")
        slow = await scene.asks("B")
        await scene.until_asked(2)
        with pytest.raises(SessionBusy):
            await scene.asks(None, again=True)
        again = await scene.asks(None, again=True, on_busy=OnBusy.INTERRUPT)
        assert text_of(await scene.reads(again)) == "b"
        assert (heard(scene), (await scene.reads(slow))[-1][1]["status"]) == (["A", "a", "B"], "cancelled")
        assert scene.store.rows[again].run.parent_id == first
