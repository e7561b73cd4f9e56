"""Ask a model by name, or another in its stead, and give an account of each call."""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool
from uuid_utils.compat import uuid7

from app import signals
from app.errors import AppError, RunCancelled
from app.llm.attachments import Attached
from app.llm.budget import CALL_IS_OVER, TURN_IS_OVER, MoneyBudget, TurnBudget, within
from app.llm.calls import CallWatch, Hearer, ModelCall, Purpose, note, noted, tell
from app.llm.catalog import ModelSpec
from app.llm.characters import with_whole_characters
from app.llm.hooks import Hook, Hooks
from app.llm.models import Model, Models
from app.llm.money import counted
from app.llm.origin import readable_by, sign
from app.llm.reservation import Reservation
from app.llm.response_cache import CacheOfUser
from app.llm.streaming import check_refusal, streamed
from app.llm.trying import Trying

# What the cache may tell again: a name goes with the answer that it was made from.
_KEPT: Final = (Purpose.ANSWER, Purpose.NAMING)

_UNRESERVED: Final = nullcontext()

log = structlog.get_logger()


class Asker:
    """Asks the models for one run or job, beginning with the one that it names."""

    def __init__(
        self,
        models: Models,
        name: str | None,
        hearer: Hearer,
        cache: CacheOfUser | None = None,
        attached: Attached | None = None,
        *,
        most_usd: float | None = None,
        hooks: Sequence[Hook] = (),
        reservation: Reservation | None = None,
        allowed: frozenset[str] | None = None,
        watch: CallWatch | None = None,
    ) -> None:
        """`hooks` follow those of the server. Of the models those are `allowed` that are named, None for all; what is called is taken
        out of the `reservation`, and seen by the `watch`.
        """
        self._models = models
        self.name = name or models.choice.default
        self._hearer = hearer
        self._cache = cache
        self._attached = attached or Attached()
        self._budget = TurnBudget(models.settings.turn_seconds)
        self._money = MoneyBudget(most_usd)
        self._hooks = models.hooks.followed_by(hooks)
        self._reservation = reservation
        self._allowed = allowed
        self._watch = watch

    def paid(self, calls: Iterable[ModelCall]) -> None:
        """Count what earlier attempts at the run have paid: a process that dies must not make it cheaper."""
        for call in calls:
            self._money.spend(call.cost_usd)
            if self._reservation:
                self._reservation.spend(call)

    def spec(self, purpose: Purpose = Purpose.ANSWER) -> ModelSpec:
        """What the catalog says of the model that is asked first for this purpose."""
        return self._models.get(self._name_for(purpose)).spec

    async def ask(
        self,
        prompt: Sequence[BaseMessage],
        *,
        tools: Sequence[BaseTool] = (),
        purpose: Purpose = Purpose.ANSWER,
        options: Mapping[str, Any] | None = None,
        hearer: Hearer | None = None,
    ) -> AIMessage:
        """The model's whole answer, heard as it is made when it is one to the user; `options` are the model's own, `max_tokens` say.

        `hearer` takes the place of the run's own, to tell where it comes from.

        What was heard of a try that failed is taken back before the next. Raise a ModelError, CostLimitReached, AnswerWithheld or
        ContentHookFailed.
        """
        self._money.check()
        ask = partial(self._ask_models, prompt, tools, purpose, options)
        hearer = hearer or self._hearer
        hearer = hearer if purpose is Purpose.ANSWER else Accountant(hearer.called)
        cache = self._cache if purpose in _KEPT else None

        async def answer(hearer: Hearer) -> AIMessage:
            if cache is None:
                return await ask(hearer)
            told = await cache.answer(self.spec(purpose), purpose, prompt, tools, options, hearer=hearer, ask=ask)
            if self._watch and (call := noted(told)) and call.from_cache:  # which no model was asked for
                self._watch.called(call, prompt, told)
            return told

        # Around the cache: what it kept before a rule was made is looked at, too.
        return await (self._hooks.answer(answer, hearer, purpose) if self._hooks else answer(hearer))

    async def _ask_models(
        self,
        prompt: Sequence[BaseMessage],
        tools: Sequence[BaseTool],
        purpose: Purpose,
        options: Mapping[str, Any] | None,
        hearer: Hearer,
    ) -> AIMessage:
        call = _Call(
            prompt=prompt,
            tools=tools,
            purpose=purpose,
            options=options or {},
            hearer=hearer,
            attached=self._attached,
            models=self._models,
            budget=self._budget,
            money=self._money,
            hooks=self._hooks,
            reservation=self._reservation,
            watch=self._watch,
        )
        async with self._reservation.calling() if self._reservation else _UNRESERVED:
            with self._budget.passing():
                return await Trying(call, self._models, self._budget, self._allowed).answer(self._name_for(purpose))

    def _name_for(self, purpose: Purpose) -> str:
        return (self._models.choice.summary if purpose is Purpose.SUMMARY else "") or self.name


@dataclass(slots=True, kw_only=True)
class _Call:
    """What one `ask` asks, and an account of each try."""

    prompt: Sequence[BaseMessage]
    tools: Sequence[BaseTool]
    purpose: Purpose
    options: Mapping[str, Any]
    hearer: Hearer
    attached: Attached
    models: Models
    budget: TurnBudget
    money: MoneyBudget
    hooks: Hooks
    reservation: Reservation | None = None
    watch: CallWatch | None = None
    heard: bool = field(default=False, init=False)
    asked: str = field(default="", init=False)

    async def once(self, model: Model) -> AIMessage:
        prompt = await self._prompt_for(model)
        timed, answer = _Timed(self.hearer), None
        timed.answer_begins()
        try:
            answer = with_whole_characters(await self._answer(model, prompt, timed))
            check_refusal(answer)
        except BaseException as error:  # a call that is cut off in the middle was paid for, too
            self.heard, self.asked = timed.heard, model.spec.name
            code = _code_of(error)
            self._spend(failed := timed.call(model, self.purpose, answer, error_code=code))
            self._tell(failed, prompt, answer)
            if isinstance(error, Exception):  # to be stopped is no failure
                log.warning("model_call_failed", model=model.spec.name, error=code, purpose=self.purpose)
            raise
        call = timed.call(model, self.purpose, answer)
        self.money.spend(call.cost_usd)
        self._spend(call)
        note(answer, call)
        sign(answer, model.spec)
        self._tell(call, prompt, answer)
        return answer

    def _tell(self, call: ModelCall, prompt: Sequence[BaseMessage], answer: AIMessage | None) -> None:
        tell(call)
        self.hearer.called(call)
        if self.watch:
            self.watch.called(call, prompt, answer)

    async def _prompt_for(self, model: Model) -> Sequence[BaseMessage]:
        prompt = await self.attached.put_into(readable_by(model.spec, self.prompt), model.spec)
        # After that: what a file says is as good as said.
        return await self.hooks.before(prompt) if self.hooks else prompt

    async def _answer(self, model: Model, prompt: Sequence[BaseMessage], timed: "_Timed") -> AIMessage:
        chat = model.with_tools(self.tools)
        # That a turn's time is over is not this model's fault, so its breaker must not see it.
        async with within(self.budget.left_seconds, TURN_IS_OVER):
            with self.models.breaker(model).watching():
                async with within(self.models.settings.call_seconds, CALL_IS_OVER):
                    asked = chat.bind(**self.options) if self.options else chat
                    return await streamed(asked, prompt, timed, hears=model.hears)

    def take_back(self, reason: str) -> None:
        if self.heard:
            self.heard = False
            signals.answer_reset(self.asked)
        self.hearer.answer_taken_back(reason)

    def _spend(self, call: ModelCall) -> None:
        if self.reservation:
            self.reservation.spend(call)


class _Timed:
    """A hearer that notes when the call began, and when it said something first."""

    def __init__(self, hearer: Hearer) -> None:
        self._hearer = hearer
        self._started_at = datetime.now(UTC)
        self._started = time.perf_counter()
        self._first_token_ms: int | None = None
        self.answer_begins, self.answer_taken_back, self.called = hearer.answer_begins, hearer.answer_taken_back, hearer.called

    @property
    def heard(self) -> bool:
        return self._first_token_ms is not None

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
            **counted(model.price, answer.usage_metadata if answer else None),
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


def _code_of(error: BaseException) -> str:
    if isinstance(error, asyncio.CancelledError):
        return RunCancelled.code
    return error.code if isinstance(error, AppError) else AppError.code
