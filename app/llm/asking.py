"""Ask a model by name, and give an account of the call."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool
from uuid_utils.compat import uuid7

from app.errors import ModelError
from app.llm.calls import Hearer, ModelCall, Purpose, note
from app.llm.models import Model, Models
from app.llm.money import counted
from app.llm.response_cache import CacheOfUser
from app.llm.streaming import streamed


class Asker:
    """Asks the models for one run or job, beginning with the one that it names."""

    def __init__(self, models: Models, name: str | None, hearer: Hearer, cache: CacheOfUser | None = None) -> None:
        self._models = models
        self.name = name or models.choice.default
        self._hearer = hearer
        self._cache = cache

    async def ask(
        self,
        prompt: Sequence[BaseMessage],
        *,
        tools: Sequence[BaseTool] = (),
        purpose: Purpose = Purpose.ANSWER,
        options: Mapping[str, Any] | None = None,
    ) -> AIMessage:
        """The model's whole answer, heard as it is made when it is one to the user; `options` are the model's own, `max_tokens` say.

        Raise a ModelError.
        """
        if purpose is not Purpose.ANSWER:
            return await self._ask_model(prompt, tools, purpose, options, Accountant(self._hearer.called))
        ask = partial(self._ask_model, prompt, tools, purpose, options)
        if self._cache is None:
            return await ask(self._hearer)
        return await self._cache.answer(self._models.get(self.name).spec, prompt, tools, options, hearer=self._hearer, ask=ask)

    async def _ask_model(
        self,
        prompt: Sequence[BaseMessage],
        tools: Sequence[BaseTool],
        purpose: Purpose,
        options: Mapping[str, Any] | None,
        hearer: Hearer,
    ) -> AIMessage:
        model = self._models.get(self.name)
        chat = model.with_tools(tools)
        timed = _Timed(hearer)
        timed.answer_begins()
        try:
            answer = await streamed(chat.bind(**options) if options else chat, prompt, timed)
        except ModelError as error:
            hearer.called(timed.call(model, purpose, None, error_code=error.code))
            raise
        call = timed.call(model, purpose, answer)
        note(answer, call)
        hearer.called(call)
        return answer


class _Timed:
    """A hearer that notes when the call began, and when it said something first."""

    def __init__(self, hearer: Hearer) -> None:
        self._hearer = hearer
        self._started_at = datetime.now(UTC)
        self._started = time.perf_counter()
        self._first_token_ms: int | None = None
        self.answer_begins, self.answer_taken_back, self.called = hearer.answer_begins, hearer.answer_taken_back, hearer.called

    def token(self, content: str) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()
        self._hearer.token(content)

    def reasoning(self, content: str) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()
        self._hearer.reasoning(content)

    def call(self, model: Model, purpose: Purpose, answer: AIMessage | None, *, error_code: str | None = None) -> ModelCall:
        return ModelCall(
            id=uuid7(),
            model=model.spec.name,
            purpose=purpose,
            started_at=self._started_at,
            latency_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            error_code=error_code,
            **counted(model.spec, answer.usage_metadata if answer else None),
        )

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self._started) * 1_000)


class Accountant:
    """Hears what calls cost and nothing that they say."""

    def __init__(self, called: Callable[[ModelCall], None]) -> None:
        self.called = called

    def token(self, content: str) -> None: ...
    def reasoning(self, content: str) -> None: ...
    def answer_begins(self) -> None: ...
    def answer_taken_back(self, reason: str) -> None: ...
