"""Hooks around a call: what they change, what they stop, and what becomes of a call when they fail."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from structlog.testing import capture_logs

from app.errors import AnswerWithheld, AppError, ContentHookFailed, InvalidInput
from app.llm.asking import Asker
from app.llm.calls import Purpose
from app.llm.hooks import Hook, Hooks
from app.llm.models import Models
from tests.fakes import HeardAll, Piece, ScriptedChat, models_of, says

PROMPT = [HumanMessage("Hello")]


class Both:
    """Fails on either side as it is told."""

    def __init__(self, *, before: Exception | None = None, after: Exception | None = None, hangs: bool = False, adds: str = "") -> None:
        self.on_before, self.on_after, self.hangs, self.adds = before, after, hangs, adds
        self.seen: list[tuple[str, Purpose]] = []

    async def before(self, prompt: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        if self.on_before:
            raise self.on_before
        return [*prompt, HumanMessage(self.adds)] if self.adds else prompt

    async def after(self, answer: AIMessage, purpose: Purpose) -> None:
        self.seen.append((answer.text, purpose))
        if self.hangs:
            await asyncio.Event().wait()
        if self.on_after:
            raise self.on_after


class Scene:
    def __init__(self, *hooks: Hook, agents: Sequence[Hook] = (), answers: Sequence[Sequence[Piece]] = (), **settings: Any) -> None:
        self.chat, self.heard = ScriptedChat(*(answers or [says("One two.")])), HeardAll()
        plain = models_of(self.chat)
        with_hooks = Models([plain.get(None)], plain.choice, plain.settings, Hooks(hooks, **settings))
        self.asker = Asker(with_hooks, None, self.heard, hooks=agents)

    async def asks(self, purpose: Purpose = Purpose.ANSWER) -> str:
        return (await self.asker.ask(PROMPT, purpose=purpose)).text

    async def fails(self) -> AppError:
        with pytest.raises(AppError) as failed:
            await self.asks()
        return failed.value

    @property
    def said(self) -> list[Any]:
        return [heard[1] if heard[0] == "token" else heard[0] for heard in self.heard.heard]


async def test_without_hooks_there_is_nothing_to_go_through() -> None:
    assert not Hooks()
    scene = Scene()
    assert await scene.asks() == "One two."
    assert scene.chat.asked == [PROMPT]


async def test_each_sees_what_the_one_before_has_made_and_an_agents_own_come_last() -> None:
    own = Both(adds="own")
    scene = Scene(Both(adds="first"), Both(adds="second"), agents=[own])
    await scene.asks()
    assert [message.text for message in scene.chat.asked[0]] == ["Hello", "first", "second", "own"]
    assert own.seen == [("One two.", Purpose.ANSWER)]
    assert [message.text for message in PROMPT] == ["Hello"]


async def test_an_answer_that_is_withheld_is_taken_back_and_paid_for_and_a_notice_stands_in_its_place() -> None:
    scene = Scene(Both(after=AnswerWithheld()), answers=[says("One two.", input_tokens=3, output_tokens=2)])
    assert isinstance(await scene.fails(), AnswerWithheld)
    assert scene.said == ["One ", "two.", "taken_back", "This answer was withheld."]
    assert [(call.output_tokens, call.error_code) for call in scene.heard.calls] == [(2, None)]


async def test_one_that_is_held_is_not_shown_before_it_may_be() -> None:
    allowed, withheld = Scene(Both(), holds_answers=True), Scene(Both(after=AnswerWithheld()), holds_answers=True)
    assert await allowed.asks() == "One two."
    assert allowed.said == ["One ", "two."]
    assert isinstance(await withheld.fails(), AnswerWithheld)
    assert withheld.said == ["taken_back", "This answer was withheld."]


async def test_what_a_hook_means_to_raise_ends_the_call_and_no_model_is_asked() -> None:
    scene = Scene(Both(before=InvalidInput("Not here.")), fail_open=True)
    assert (await scene.fails()).detail == "Not here."
    assert scene.chat.asked == []


@pytest.mark.parametrize("hook", [Both(before=LookupError("canary")), Both(after=LookupError("canary")), Both(hangs=True)])
async def test_one_that_fails_or_hangs_fails_the_call_or_is_passed_over(hook: Both) -> None:
    closed = Scene(hook, seconds=0.05)
    with capture_logs() as logs:
        assert isinstance(await closed.fails(), ContentHookFailed)
    assert closed.said[-1:] == ["taken_back"] or closed.chat.asked == []
    assert await Scene(hook, seconds=0.05, fail_open=True).asks() == "One two."
    assert [(told["event"], told["hook"]) for told in logs] == [("content_hook_failed", "Both")]
    assert "canary" not in str(logs)


@pytest.mark.parametrize("purpose", [Purpose.NAMING, Purpose.STEP, Purpose.SUMMARY, Purpose.MEMORY])
async def test_whatever_a_model_is_asked_for_goes_through_them_and_nothing_of_it_is_told(purpose: Purpose) -> None:
    hook = Both(adds="seen", after=AnswerWithheld())
    scene = Scene(hook)
    with pytest.raises(AnswerWithheld):
        await scene.asks(purpose)
    assert scene.chat.asked[0][-1].text == "seen"
    assert hook.seen == [("One two.", purpose)]
    assert scene.said == []
