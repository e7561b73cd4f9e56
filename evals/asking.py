"""Ask a model for a verdict in a given form, through openevals; whatever goes wrong is a code, never a verdict."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from langchain_core.messages import AIMessage
from langsmith import tracing_context
from openevals.llm import create_async_llm_as_judge
from openevals.types import ChatCompletionMessage
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from app.errors import AppError
from app.llm.calls import ModelCall
from app.llm.models import Model
from app.llm.money import counted
from evals.accounting import accounted

REFUSED: Final = "judge_refused"
TIMED_OUT: Final = "judge_timeout"
UNREADABLE: Final = "judge_unreadable"
_TRIES: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model said in the form it was asked for; `error` says why there is nothing, `cost_usd` is None where nobody knows it."""

    value: Mapping[str, Any]
    error: str = ""
    cost_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """A model that judges. A call that fails for a while is tried again; `seconds` bound each verdict with all its tries.

    Each try is `heard` by who keeps an account of them.
    """

    model: Model
    seconds: float = 120
    longest_wait_seconds: float = 20
    heard: Callable[[ModelCall], None] | None = None

    @property
    def name(self) -> str:
        return self.model.spec.name

    async def ask(self, instructions: str, shown: str, schema: Mapping[str, Any]) -> Said:
        """Raise nothing that a provider or an answer may cause."""
        # A person's machine may be set up to tell LangSmith of what it runs; what users said is not for it.
        try:
            async with asyncio.timeout(self.seconds):
                with tracing_context(enabled=False):
                    told = await self._tried(instructions, shown, schema)
        except TimeoutError:
            return Said(value={}, error=TIMED_OUT)
        except AppError as error:
            return Said(value={}, error=error.code)
        return self._read(told)

    async def _tried(self, instructions: str, shown: str, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        def prompt(**_: object) -> list[ChatCompletionMessage]:
            return [{"role": "system", "content": instructions}, {"role": "user", "content": shown}]

        # With what the model sent beside what was read of it: for its usage, and to tell a refusal from a slip.
        judge = create_async_llm_as_judge(
            prompt=prompt, judge=self.model.client, output_schema=dict(schema), structured_output_kwargs={"include_raw": True}
        )
        tries = AsyncRetrying(
            stop=stop_after_attempt(_TRIES),
            wait=wait_random_exponential(max=self.longest_wait_seconds),
            retry=retry_if_exception(lambda error: isinstance(error, AppError) and error.retryable),
            reraise=True,
        )
        told: Mapping[str, Any] = await tries(partial(accounted, self.model, self.heard, judge) if self.heard else judge)
        return told

    def _read(self, told: Mapping[str, Any]) -> Said:
        raw, parsed = told["raw"], told["parsed"]
        cost_usd = counted(self.model.price, raw.usage_metadata if isinstance(raw, AIMessage) else None)["cost_usd"]
        if isinstance(raw, AIMessage) and raw.additional_kwargs.get("refusal"):
            return Said(value={}, error=REFUSED, cost_usd=cost_usd)
        if told.get("parsing_error") or not isinstance(parsed, Mapping):
            return Said(value={}, error=UNREADABLE, cost_usd=cost_usd)
        return Said(value=parsed, cost_usd=cost_usd)
