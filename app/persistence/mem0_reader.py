"""mem0 as a reader of conversations: its prompts and steps, with our models, our embedder and our tables. Imported by `extraction` alone.

It writes nothing itself: what it would insert is collected, and then written in the one transaction that marks the turns as read. Each
reading has a mem0 of its own, so that nothing of one user is left in its memory for the next.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from threading import Event
from typing import Any, Final
from uuid import UUID

from mem0 import Memory
from mem0.configs.base import MemoryConfig
from mem0.embeddings.base import EmbeddingBase
from mem0.exceptions import LLMError
from mem0.llms.base import LLMBase
from mem0.memory.storage import SQLiteManager
from mem0.utils import spacy_models
from mem0.vector_stores.base import VectorStoreBase
from mem0.vector_stores.pgvector import OutputData

from app.persistence.extraction import Means
from app.persistence.remembering import NewFact, Said

_COLLECTION: Final = "memory"
_INSTRUCTIONS: Final = (
    "Extract only facts about the user that will still be of use in later conversations: who they are, what they have, like, plan or "
    "need, and what they asked to be remembered. Leave out what the assistant said, general knowledge, passing requests, and anything "
    "that reads [removed]. Never extract passwords, keys, or numbers of cards and accounts. Write each fact in the user's language."
)


class Bridge:
    """Calls from a thread of mem0's to the event loop, until it is closed; the first error in them is kept, for mem0 hides them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, means: Means) -> None:
        self._loop = loop
        self._pending: Future[Any] | None = None
        self._closed = Event()
        self.means = means
        self.error: BaseException | None = None

    def call[**P, T](self, asked: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        if self._closed.is_set() or self.error:
            raise CancelledError

        async def answer() -> T:
            return await asked(*args, **kwargs)

        self._pending = future = asyncio.run_coroutine_threadsafe(answer(), self._loop)
        if self._closed.is_set():  # just now, by the loop's own thread
            future.cancel()
        if error := future.exception():
            self.error = error
            raise error
        return future.result()

    def close(self) -> None:
        """End the call that is under way; the thread goes on to the next one, and ends there."""
        self._closed.set()
        if self._pending:
            self._pending.cancel()


class Reader(Memory):  # type: ignore[misc]  # mem0 has no types
    """A mem0 whose parts are ours, put in where its own constructor would open clients."""

    def __init__(self, bridge: Bridge) -> None:
        # Each would look for spaCy and, where it is installed, fetch a model over the network; neither's result is used here.
        spacy_models._load_failed_full = spacy_models._load_failed_lemma = True  # noqa: SLF001  # no other way to say so
        store = {"provider": "pgvector", "config": {"collection_name": _COLLECTION, "connection_pool": bridge}}
        self.config = MemoryConfig(vector_store=store, history_db_path=":memory:")
        self.collection_name, self.api_version, self.custom_instructions = _COLLECTION, self.config.version, _INSTRUCTIONS
        self.embedding_model, self.llm, self.vector_store = _Embedding(bridge), _Asking(bridge), _Collected(bridge)
        self.db = SQLiteManager(self.config.history_db_path)
        self.reranker = self._entity_store = None
        self._bridge = bridge

    def read(self, user_id: UUID, said: Sequence[Said]) -> Sequence[NewFact]:
        """The new facts in what was said; raise what our parts raise."""
        messages = [{"role": one.role, "content": one.text} for one in said]
        with suppress(LLMError):  # ours is the cause
            self.add(messages, user_id=str(user_id))
        self.close()
        if self._bridge.error:
            raise self._bridge.error
        return self.vector_store.facts


class _Asking(LLMBase):  # type: ignore[misc]
    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def generate_response(self, messages: Sequence[Mapping[str, str]], **_: object) -> str:
        system, user = messages
        return self._bridge.call(self._bridge.means.ask, system["content"], user["content"])


class _Embedding(EmbeddingBase):  # type: ignore[misc]
    def __init__(self, bridge: Bridge) -> None:
        super().__init__()
        self._bridge = bridge

    def embed(self, text: str, memory_action: str | None = None) -> list[float]:
        return self.embed_batch([text], memory_action)[0]

    def embed_batch(self, texts: Sequence[str], memory_action: str | None = "add") -> list[list[float]]:  # noqa: ARG002  # mem0's names
        return [[*vector] for vector in self._bridge.call(self._bridge.means.embed, texts)]


class _Collected(VectorStoreBase):  # type: ignore[misc]
    """The user's open memories to search, and a list of what is to be added; mem0 needs no more of a store to read."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self.facts: list[NewFact] = []

    def search(
        self,
        query: str,  # noqa: ARG002  # mem0's names
        vectors: Sequence[float],
        top_k: int = 5,
        filters: Mapping[str, str] | None = None,  # noqa: ARG002  # `nearest` is of one user
    ) -> list[OutputData]:
        found = self._bridge.call(self._bridge.means.nearest, vectors, top_k)
        return [OutputData(id=str(fact.id), score=fact.likeness, payload=dict(fact.payload)) for fact in found]

    def insert(
        self,
        vectors: Sequence[Sequence[float]],
        payloads: Sequence[Mapping[str, Any]] = (),
        ids: Sequence[str] = (),  # noqa: ARG002  # ours are ordered in time
    ) -> None:
        self.facts += [NewFact(vector=vector, payload=payload) for vector, payload in zip(vectors, payloads, strict=True)]

    def _unused(self, *_: object, **__: object) -> Any:  # noqa: ANN401  # mem0 has no types
        raise NotImplementedError

    create_col = delete = update = get = list_cols = delete_col = col_info = list = reset = _unused
