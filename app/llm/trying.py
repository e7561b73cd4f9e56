"""Try until a model answers: the same one a few times, then the next."""

from collections.abc import Container, Iterator, Sequence
from functools import partial
from typing import Final, Protocol

import structlog
from langchain_core.messages import AIMessage
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_random_exponential

from app import signals
from app.errors import ModelError, ModelRefused, ModelRejected, ModelTimeout, ModelUnavailable
from app.llm.budget import TURN_IS_OVER, TurnBudget
from app.llm.models import Model, Models

# Nobody waits longer for one model while another could answer.
_LONGEST_WAIT_SECONDS: Final = 10
_LEFT_ALONE: Final = "The model has failed of late and is left alone for a moment, and no other answered."
_backoff: Final = wait_random_exponential(multiplier=0.5, max=8)

log = structlog.get_logger()


class Call(Protocol):
    """What is asked, of whichever model."""

    @property
    def heard(self) -> bool:
        """Whether the last try said anything."""
        ...

    async def once(self, model: Model) -> AIMessage:
        """Raise a ModelError."""
        ...

    def take_back(self, reason: str) -> None:
        """Another try follows the last one."""
        ...


class Trying:
    """The tries of one call, which share nothing with other calls but the models' breakers and the run's budget."""

    def __init__(self, call: Call, models: Models, budget: TurnBudget, allowed: Container[str] | None = None) -> None:
        """In a model's stead those are asked that are `allowed`, None for all."""
        self._call = call
        self._allowed = allowed
        self._models = models
        self._budget = budget
        self._others: Sequence[Model] = ()
        self._failed: ModelError | None = None
        self._first_error: ModelError | None = None

    async def answer(self, name: str) -> AIMessage:
        """What the named model answers, or one in its stead; raise the named one's error when none does, or that it was not asked."""
        if self._budget.left_seconds <= 0:
            raise ModelTimeout(TURN_IS_OVER)
        named, *others = self._models.circle(name)
        circle = [named, *(one for one in others if self._allowed is None or one.spec.name in self._allowed)]
        before = named
        last: ModelError | None = None
        told: ModelError = ModelUnavailable(_LEFT_ALONE)
        for model in self._worth_asking(circle):
            self._move_on(before, last, model)
            try:
                return await self._patiently(model)
            except ModelError as error:
                if self._is_final(error, is_named=model is named):
                    raise
                before, last, told = model, error, error if model is named else told
        raise told

    def _move_on(self, before: Model, error: ModelError | None, model: Model) -> None:
        """From one model to the next; there is no error where the one before was not asked."""
        if model is not before:
            signals.model_fell_back(before.spec.name, model.spec.name, error.code if error else "")
            log.warning("model_fallback", model=before.spec.name, error=error.code if error else None, next_model=model.spec.name)
        if error:
            self._call.take_back(error.detail)

    def _worth_asking(self, circle: Sequence[Model]) -> Iterator[Model]:
        """Those whose breaker admits them when it is their turn; where there is none, the first in spite of it."""
        asked = False
        for place, model in enumerate(circle):
            if self._models.breaker(model).admits:
                asked, self._others = True, circle[place + 1 :]
                yield model
        if not asked:
            yield circle[0]

    async def _patiently(self, model: Model) -> AIMessage:
        self._failed = None
        try:
            return await self._once(model)  # as a rule, and then without the cost of being ready to try again
        except ModelError as error:
            self._first_error = error
        retrying = AsyncRetrying(
            retry=retry_if_exception(partial(self._is_worth_a_retry, model)),
            wait=_wait_seconds,
            stop=self._gives_up,
            before_sleep=self._take_back,
            reraise=True,
        )
        return await retrying(self._again, model)

    def _is_worth_a_retry(self, model: Model, error: BaseException) -> bool:
        if not isinstance(error, ModelError) or not error.retryable:
            return False
        # Who has heard half an answer has waited enough.
        return self._models.breaker(model).admits and not (self._call.heard and self._has_other)

    async def _again(self, model: Model) -> AIMessage:
        """What became of the first try, and then others."""
        if error := self._first_error:
            self._first_error = None
            raise error
        return await self._once(model)

    async def _once(self, model: Model) -> AIMessage:
        # While this one waited, others may have found that the model is down.
        if self._failed:
            if self._has_other and not self._models.breaker(model).admits:
                raise self._failed
            signals.model_retried(model.spec.name, self._failed.code)
        return await self._call.once(model)

    def _is_final(self, error: ModelError, *, is_named: bool) -> bool:
        """Whether no other model is asked; a request that the named one takes may still be more than another does."""
        return isinstance(error, ModelRefused) or (isinstance(error, ModelRejected) and is_named) or self._budget.left_seconds <= 0

    @property
    def _has_other(self) -> bool:
        return any(self._models.breaker(model).admits for model in self._others)

    def _gives_up(self, state: RetryCallState) -> bool:
        """Whether there were enough tries, or the wait for the next one is too long."""
        wait_seconds = state.upcoming_sleep
        is_too_long = wait_seconds >= self._budget.left_seconds or (wait_seconds > _LONGEST_WAIT_SECONDS and self._has_other)
        return is_too_long or state.attempt_number > self._models.settings.max_retries

    def _take_back(self, state: RetryCallState) -> None:
        error = _error_of(state)
        if isinstance(error, ModelError):
            self._failed = error
            self._call.take_back(error.detail)


def _wait_seconds(state: RetryCallState) -> float:
    """At least as long as the provider asks for, and not at the same moment as all others."""
    error = _error_of(state)
    asked = error.extra.get("retry_after", 0) if isinstance(error, ModelError) else 0
    return float(asked) + _backoff(state)


def _error_of(state: RetryCallState) -> BaseException | None:
    return state.outcome.exception() if state.outcome else None
