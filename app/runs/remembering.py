"""Remember, after the answer, what a user said: facts that a model reads out of new turns, or plain statements where none does."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from hashlib import md5
from typing import Final, Protocol
from uuid import UUID

import structlog

from app import signals
from app.agent.consolidation import extracted, replaced_by, replaced_by_rule
from app.agent.redaction import redacted
from app.agent.statements import statements
from app.errors import AppError, ModelBadAnswer, ModelRefused, ModelRejected, ModelUnavailable
from app.llm.asking import Asker
from app.llm.embedding import Embedder
from app.llm.models import Models
from app.persistence.extraction import Means
from app.persistence.remembering import KnownFact, NewFact, Said, Unremembered
from app.runs.ledger import Ledger
from app.settings import RememberingSettings

_SOON_SECONDS: Final = 1
_MOST_CHARACTERS: Final = 4_000
_MOST_FACTS: Final = 20
_LONGEST_FACT: Final = 500
_COMPARED: Final = 5
_MOST_COMPARED: Final = 40
# Statements about the same thing may share few words.
_COMPARED_BY_RULE: Final = 200

# To ask the model once more would bring the same again: the turns count as read, and nothing comes of them.
_HOPELESS: Final = (ModelBadAnswer, ModelRefused, ModelRejected)

log = structlog.get_logger()


class Extraction(Protocol):
    async def facts(self, user_id: UUID, said: Sequence[Said], means: Means) -> Sequence[NewFact]: ...


class RememberingStore(Protocol):
    async def queue_due(self, delay_seconds: float) -> None: ...
    async def unremembered(self, session_id: UUID) -> Unremembered | None: ...
    async def nearest(self, user_id: UUID, embedder: str, vector: Sequence[float], limit: int) -> Sequence[KnownFact]: ...
    async def keep(self, turns: Unremembered, new: Sequence[NewFact], replaced: Mapping[UUID, UUID]) -> int | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembering:
    """What one server remembers with."""

    store: RememberingStore
    models: Models
    ledger: Ledger
    embedder: Embedder
    extraction: Extraction
    settings: RememberingSettings

    async def queue_due(self) -> None:
        """Put a job there for each session that has something new and is silent; plain statements cost nothing, and wait for little."""
        await self.store.queue_due(self.settings.delay_seconds if self._has_model else min(_SOON_SECONDS, self.settings.delay_seconds))

    async def remember(self, session_id: UUID) -> None:
        """Read the session's new turns, each once; raise what a provider or the database raises, so that they are read again later."""
        if not (turns := await self.store.unremembered(session_id)):
            return
        started = time.perf_counter()
        try:
            outcome, facts = await self._remembered(turns)
        except AppError:
            signals.remembered("failed", time.perf_counter() - started, 0)
            raise
        signals.remembered(outcome, time.perf_counter() - started, facts)

    async def _remembered(self, turns: Unremembered) -> tuple[str, int]:
        """What came of it, and how many facts are kept that were not before."""
        failed = False
        try:
            new, closed = await self._found(replace(turns, said=[*map(_readable, turns.said)]))
        except _HOPELESS as error:
            log.warning("not_remembered", session_id=str(turns.session_id), error=error.code)
            new, closed, failed = [], {}, True
        new = [replace(fact, payload={**fact.payload, "embedder": self.embedder.name}) for fact in new]
        kept = await self.store.keep(turns, new, closed)
        if kept is not None and turns.said:
            log.info("remembered", session_id=str(turns.session_id), messages=len(turns.said), facts=kept, replaced=len(closed))
        return "failed" if failed else "kept" if kept else "nothing", kept or 0

    async def _found(self, turns: Unremembered) -> tuple[Sequence[NewFact], Mapping[UUID, UUID]]:
        """The new facts, and which known one each of them replaces."""
        said_by_user = [one.text for one in turns.said if one.role == "user"]
        if not any(text.strip() for text in said_by_user):
            return [], {}
        if not self._has_model:
            new = await self._stated(said_by_user)
            known = await self._known(turns.user_id, new, _COMPARED_BY_RULE)
            return new, _pairs(known, new, replaced_by_rule([fact.text for fact in known], [fact.text for fact in new]))
        async with self.ledger.hearing(turns.user_id, turns.session_id) as hearer:
            asker = Asker(self.models, self.settings.model or self.models.choice.summary, hearer)
            new = await self._extracted(turns, asker)
            known = await self._known(turns.user_id, new, _COMPARED)
            if not known:
                return new, {}
            return new, _pairs(known, new, await _consolidated(asker, known, new))

    @property
    def _has_model(self) -> bool:
        return self.settings.infer and not self.models.choice.is_demo

    async def _stated(self, said: Sequence[str]) -> Sequence[NewFact]:
        texts = [*dict.fromkeys(statement for text in said for statement in statements(text))][-_MOST_FACTS:]
        vectors = await self._embed(texts) if texts else []
        return [NewFact(vector=vector, payload=_payload(text)) for text, vector in zip(texts, vectors, strict=True)]

    async def _extracted(self, turns: Unremembered, asker: Asker) -> Sequence[NewFact]:
        nearest = partial(self.store.nearest, turns.user_id, self.embedder.name)
        means = Means(ask=partial(extracted, asker), embed=self._embed, nearest=nearest)
        facts = await self.extraction.facts(turns.user_id, turns.said, means)
        # A model may have put together what was told in pieces.
        return [fact for fact in facts if len(fact.text) <= _LONGEST_FACT and redacted(fact.text) == fact.text][:_MOST_FACTS]

    async def _embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """Raise ModelError, but none of the hopeless: until an embedder that makes no sense is mended, the turns wait."""
        try:
            return await self.embedder.embed(texts)
        except _HOPELESS as error:
            raise ModelUnavailable(error.detail) from error

    async def _known(self, user_id: UUID, new: Sequence[NewFact], limit: int) -> Sequence[KnownFact]:
        """The user's open memories that are near to one of the new facts, but for those that say the same word for word."""
        found = {known.id: known for fact in new for known in await self.store.nearest(user_id, self.embedder.name, fact.vector, limit)}
        said_again = {fact.text for fact in new}
        return [known for known in found.values() if known.text not in said_again][: max(limit, _MOST_COMPARED)]


async def _consolidated(asker: Asker, known: Sequence[KnownFact], new: Sequence[NewFact]) -> Mapping[int, int]:
    try:
        return await replaced_by(asker, [fact.text for fact in known], [fact.text for fact in new])
    except _HOPELESS as error:  # the facts are there all the same
        log.warning("memories_not_consolidated", error=error.code)
        return {}


def _pairs(known: Sequence[KnownFact], new: Sequence[NewFact], places: Mapping[int, int]) -> Mapping[UUID, UUID]:
    return {known[old].id: new[by].id for old, by in places.items()}


def _readable(said: Said) -> Said:
    return replace(said, text=redacted(said.text)[:_MOST_CHARACTERS])


def _payload(text: str) -> Mapping[str, str]:
    """In mem0's form, so that all memories have one."""
    now = datetime.now(UTC).isoformat()
    return {"data": text, "hash": md5(text.encode(), usedforsecurity=False).hexdigest(), "created_at": now, "updated_at": now}
