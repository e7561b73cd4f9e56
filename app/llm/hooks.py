"""Content hooks: what sees each prompt before a model does, and each answer before it counts."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

from langchain_core.messages import AIMessage, BaseMessage

from app.crashes import log_crash
from app.errors import AnswerWithheld, AppError, ContentHookFailed
from app.llm.calls import Hearer, Purpose


class Hook(Protocol):
    """An AppError that it raises ends the run with its code; whatever else it raises is its own failure.

    Called for every try at a model, so it bears being called again. It waits for others and does not block the loop.
    """

    async def before(self, prompt: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """What the model is told instead; the messages that are given stay as they are."""
        ...

    async def after(self, answer: AIMessage, purpose: Purpose) -> None:
        """Raise AnswerWithheld for one that nobody is to see."""
        ...


class Hooks:
    """Some hooks in their order, each bounded in time; when one fails, the call does too, unless they `fail_open`.

    With `holds_answers` nothing of an answer is shown before the hooks have seen all of it.
    """

    def __init__(self, hooks: Sequence[Hook] = (), *, seconds: float = 5, fail_open: bool = False, holds_answers: bool = False) -> None:
        self._hooks = [*hooks]
        self._seconds = seconds
        self._fail_open = fail_open
        self._holds = holds_answers

    def __bool__(self) -> bool:
        return bool(self._hooks)

    def followed_by(self, more: Sequence[Hook]) -> "Hooks":
        """These, and then an agent's own."""
        if not more:
            return self
        return Hooks([*self._hooks, *more], seconds=self._seconds, fail_open=self._fail_open, holds_answers=self._holds)

    async def before(self, prompt: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        """Raise ContentHookFailed, or what a hook means to raise."""
        for hook in self._hooks:
            prompt = await self._bounded(hook, partial(hook.before, prompt), prompt)
        return prompt

    async def answer(self, ask: Callable[[Hearer], Awaitable[AIMessage]], hearer: Hearer, purpose: Purpose) -> AIMessage:
        """What `ask` answers, once the hooks have let it pass; what was shown of another is taken back.

        Raise AnswerWithheld, ContentHookFailed, or what `ask` raises.
        """
        held = _Held(hearer) if self._holds else None
        answer = await ask(held or hearer)
        try:
            for hook in self._hooks:
                await self._bounded(hook, partial(hook.after, answer, purpose), None)
        except AppError as error:
            (held or hearer).answer_taken_back(error.title)
            if isinstance(error, AnswerWithheld):
                hearer.token(error.notice)
            raise
        if held:
            held.release()
        return answer

    async def _bounded[T](self, hook: Hook, see: Callable[[], Awaitable[T]], unseen: T) -> T:
        try:
            async with asyncio.timeout(self._seconds):
                return await see()
        except AppError:
            raise
        except Exception as error:  # the boundary of what others wrote
            log_crash("content_hook_failed", error, hook=type(hook).__name__)
            if self._fail_open:
                return unseen
            raise ContentHookFailed from error


class _Held:
    """A hearer that keeps what a model says until it may be shown."""

    def __init__(self, hearer: Hearer) -> None:
        self._hearer = hearer
        self._said: list[tuple[Callable[[str], None], str]] = []
        self.answer_begins, self.called = hearer.answer_begins, hearer.called

    def token(self, content: str) -> None:
        self._said.append((self._hearer.token, content))

    def reasoning(self, content: str) -> None:
        self._said.append((self._hearer.reasoning, content))

    def answer_taken_back(self, reason: str) -> None:
        self._said.clear()
        self._hearer.answer_taken_back(reason)

    def release(self) -> None:
        for tell, content in self._said:
            tell(content)
