"""What watches a run from outside, as runs need it: who does must return at once and raise nothing."""

from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

from langchain_core.callbacks import BaseCallbackHandler

from app.agent.memory import Memory
from app.llm.calls import CallWatch
from app.persistence.values import TakenRun


class RunTrace(CallWatch, Protocol):
    """One attempt at a run; all attempts at it are of one trace."""

    @property
    def id(self) -> str:
        """The trace's, as logs have it."""
        ...

    @property
    def callbacks(self) -> Sequence[BaseCallbackHandler]:
        """What LangGraph is to tell of its nodes and tools; they run on the event loop, and hear no token."""
        ...

    def recalling(self, memory: Memory) -> Memory:
        """The same memory, watched."""
        ...

    def ended(self, outcome: str, error: str, answer: str) -> None:
        """Once; `error` is a code or empty."""
        ...


class Tracing(Protocol):
    def begin(self, *, run_id: UUID, session_id: UUID, user_id: UUID, agent: str, tier: str, attempt: int, said: str) -> RunTrace | None:
        """An attempt begins; None for a run that is not among those that are traced."""
        ...


def begin_trace(tracing: Tracing | None, taken: TakenRun) -> RunTrace | None:
    if tracing is None:
        return None
    return tracing.begin(
        run_id=taken.id,
        session_id=taken.session_id,
        user_id=taken.user.id,
        agent=taken.agent,
        tier=taken.user.tier,
        attempt=taken.attempt,
        said=taken.text,
    )
