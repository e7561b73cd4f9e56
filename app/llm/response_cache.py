"""Answers that were given before, told again to the same user for the same prompt: no model is asked, and nothing is billed."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool
from uuid_utils.compat import uuid7

from app import signals
from app.llm.calls import Hearer, ModelCall, Purpose, note, noted, tell
from app.llm.catalog import ModelSpec
from app.llm.kept_answers import LARGEST_BYTES, AnswerStore, KeptAnswer, is_final
from app.llm.prompt_key import owner_of, prompt_key

# Words, or parts of what has none, such as Chinese.
_PIECE: Final = re.compile(r"\s*\S{1,16}|\s+")
_PIECES_AT_ONCE: Final = 100

type AskModel = Callable[[Hearer], Awaitable[AIMessage]]


@dataclass(slots=True)
class _Computation:
    """Somebody asks the model; `answer` is what came of it for others."""

    over: asyncio.Event = field(default_factory=asyncio.Event)
    failed: bool = True
    answer: KeptAnswer | None = None


class ResponseCache:
    """All users' answers, each found by its own user only; of those who ask the same at once one asks the model."""

    def __init__(self, store: AnswerStore) -> None:
        self._store = store
        self._under_way: dict[str, _Computation] = {}
        self._schemas: dict[tuple[int, ...], tuple[Sequence[BaseTool], Sequence[Mapping[str, Any]]]] = {}

    def of(self, user_id: str) -> "CacheOfUser":
        return CacheOfUser(self, user_id)

    def forget(self, user_id: str | None) -> None:
        """Drop what this process holds of a user who was erased; of all users, for None: nobody knows who was."""
        self._store.drop(owner_of(user_id) if user_id else None)

    def schemas(self, tools: Sequence[BaseTool]) -> Sequence[Mapping[str, Any]]:
        """The tools as a model is told of them; made once for each set, which is held so that its ids stay its own."""
        ids = tuple(id(tool) for tool in tools)
        if ids not in self._schemas:
            self._schemas[ids] = [*tools], [convert_to_openai_tool(tool) for tool in tools]
        return self._schemas[ids][1]

    async def answer(self, key: str, spec: ModelSpec, purpose: Purpose, hearer: Hearer, ask: AskModel) -> AIMessage:
        """The answer that is kept, or that somebody is about to get; else the model's."""
        telling = _Telling(spec, purpose, hearer)
        while others := self._under_way.get(key):
            await others.over.wait()
            if others.answer:
                signals.cache_asked("shared")
                return await telling.tell(others.answer)
            if not others.failed:
                signals.cache_asked("miss")
                return await ask(hearer)  # what came is not for others, a tool's call say: no use in waiting for each other
        # From here to the first wait nobody else runs: of those who have waited for one that failed, the next goes on alone.
        outcome = await self._kept_or_asked(key, spec, hearer, ask)
        return outcome if isinstance(outcome, AIMessage) else await telling.tell(outcome)

    async def _kept_or_asked(self, key: str, spec: ModelSpec, hearer: Hearer, ask: AskModel) -> KeptAnswer | AIMessage:
        mine = self._under_way[key] = _Computation()
        try:
            if written := await self._store.find(key):
                mine.answer = KeptAnswer.decode(key, written)
            signals.cache_asked("hit" if mine.answer else "miss")
            if mine.answer:
                return mine.answer
            overhearing = _Overhearing(hearer)
            answer = await ask(overhearing)
            mine.failed = False
            mine.answer = self._keep(key, spec, answer, "".join(overhearing.thoughts))
            return answer
        finally:
            del self._under_way[key]
            mine.over.set()

    def _keep(self, key: str, spec: ModelSpec, answer: AIMessage, reasoning: str) -> KeptAnswer | None:
        account = noted(answer)
        if not is_final(answer) or account is None or account.model != spec.name:  # another model stood in
            return None
        kept = KeptAnswer(text=answer.text, reasoning=reasoning)
        if len(written := kept.encode(key)) > LARGEST_BYTES:
            return None
        self._store.keep(key, written)
        return kept


@dataclass(frozen=True, slots=True)
class CacheOfUser:
    """The cache as one user's run may use it."""

    cache: ResponseCache
    user_id: str

    async def answer(
        self,
        spec: ModelSpec,
        purpose: Purpose,
        prompt: Sequence[BaseMessage],
        tools: Sequence[BaseTool],
        options: Mapping[str, Any] | None,
        *,
        hearer: Hearer,
        ask: AskModel,
    ) -> AIMessage:
        """The answer to this prompt, from the cache or from `ask`, which is given who is to hear it; raise what `ask` raises."""
        key = prompt_key(self.user_id, spec, prompt, self.cache.schemas(tools), options or {})
        return await self.cache.answer(key, spec, purpose, hearer, ask) if key else await ask(hearer)


class _Overhearing:
    """A hearer that keeps the model's thoughts, which each provider's messages hold in another place."""

    def __init__(self, hearer: Hearer) -> None:
        self._hearer = hearer
        self.thoughts: list[str] = []
        self.token, self.answer_begins, self.called = hearer.token, hearer.answer_begins, hearer.called

    def reasoning(self, content: str) -> None:
        self.thoughts.append(content)
        self._hearer.reasoning(content)

    def answer_taken_back(self, reason: str) -> None:
        self.thoughts.clear()
        self._hearer.answer_taken_back(reason)


class _Telling:
    """One answer told again, piece by piece, as the model would tell it."""

    def __init__(self, spec: ModelSpec, purpose: Purpose, hearer: Hearer) -> None:
        self._spec = spec
        self._purpose = purpose
        self._hearer = hearer
        self._started_at = datetime.now(UTC)
        self._started = time.perf_counter()

    async def tell(self, kept: KeptAnswer) -> AIMessage:
        self._hearer.answer_begins()
        first_token_ms = self._elapsed_ms()
        await _in_pieces(kept.reasoning, self._hearer.reasoning)
        await _in_pieces(kept.text, self._hearer.token)
        answer = AIMessage(
            content=kept.text,
            id=str(uuid7()),
            additional_kwargs={"reasoning_content": kept.reasoning} if kept.reasoning else {},
            response_metadata={"finish_reason": "stop"},
        )
        call = ModelCall(
            id=uuid7(),
            model=self._spec.name,
            purpose=self._purpose,
            started_at=self._started_at,
            latency_ms=self._elapsed_ms(),
            first_token_ms=first_token_ms,
            cost_usd=0.0,
            from_cache=True,
        )
        note(answer, call)
        tell(call)
        self._hearer.called(call)
        return answer

    def _elapsed_ms(self) -> int:
        return round((time.perf_counter() - self._started) * 1_000)


async def _in_pieces(text: str, hear: Callable[[str], None]) -> None:
    for number, piece in enumerate(_PIECE.finditer(text), start=1):
        hear(piece[0])
        if number % _PIECES_AT_ONCE == 0:
            await asyncio.sleep(0)  # others have something to say, too
