"""Stand-ins that keep our Protocols' promises in memory, for tests that look at one part alone."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid4

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.runnables import Runnable, RunnableConfig

from app.agent.origin import Origin
from app.agent.state import StepStatus
from app.agent.web import Hit, Page
from app.internet import WebError
from app.llm.calls import ModelCall
from app.llm.catalog import ModelSpec
from app.llm.choice import Choice
from app.llm.models import Model, Models
from app.persistence.accounts import User, UserRole
from app.settings import ModelSettings

ADA: Final = User(
    id=uuid4(), email="ada@example.com", remembers=True, role=UserRole.USER, tier="free", created_at=datetime(2026, 1, 1, tzinfo=UTC)
)

# A piece of a scripted answer: a chunk to say, something to wait for, or an error to raise.
type Piece = AIMessageChunk | asyncio.Event | Exception


def says(text: str, **usage: int) -> list[Piece]:
    """An answer of words, each a token; `usage` has input_tokens and output_tokens."""
    words = [AIMessageChunk(content=word) for word in text.replace(" ", " \0").split("\0")]
    end = {"finish_reason": "stop"}
    return [*words, AIMessageChunk(content="", usage_metadata=_counted(usage), response_metadata=end, chunk_position="last")]


def calls(*wanted: tuple[str, str], first_id: int = 1, **usage: int) -> list[Piece]:
    """An answer that asks for tools, each a name and its arguments as JSON; their ids count from `first_id`. `usage` as in `says`."""
    chunks = [
        tool_call_chunk(name=name, args=args, id=f"call-{first_id + index}", index=index) for index, (name, args) in enumerate(wanted)
    ]
    end = AIMessageChunk(content="", usage_metadata=_counted(usage), chunk_position="last")
    return [AIMessageChunk(content="", tool_call_chunks=chunks), end]


def _counted(usage: Mapping[str, int]) -> UsageMetadata | None:
    return UsageMetadata(**usage, total_tokens=sum(usage.values())) if usage else None  # type: ignore[typeddict-item]  # the caller's names


class ScriptedChat(Runnable[LanguageModelInput, AIMessage]):
    """Stream one scripted answer for each call, and remember what was asked."""

    def __init__(self, *answers: Sequence[Piece]) -> None:
        self.answers = [*answers]
        self.asked: list[list[BaseMessage]] = []

    def invoke(self, input: LanguageModelInput, config: RunnableConfig | None = None, **kwargs: Any) -> AIMessage:  # noqa: A002  # the parent's names
        raise NotImplementedError("The agent streams.")

    async def astream(
        self,
        input: LanguageModelInput,  # noqa: A002  # the parent's name
        config: RunnableConfig | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> AsyncIterator[AIMessage]:
        self.asked.append([*cast("list[BaseMessage]", input)])
        for piece in self.answers.pop(0):
            match piece:
                case asyncio.Event():
                    await piece.wait()
                case Exception():
                    raise piece
                case _:
                    await asyncio.sleep(0)  # as between two tokens of a network
                    yield piece

    def bind_tools(self, _tools: Sequence[object]) -> "ScriptedChat":
        return self


def models_of(chat: Runnable[LanguageModelInput, AIMessage], **spec: Any) -> Models:
    """A catalog whose one model is `scripted`."""
    named = ModelSpec(name="scripted", **spec)
    model = Model(spec=named, client=cast("BaseChatModel", chat), price=named.prices)
    return Models([model], Choice(specs=[named], default="scripted"), ModelSettings(LLM_MAX_RETRIES=0))


class HeardAll:
    """A listener that writes down what it hears, in order."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.calls: list[ModelCall] = []
        self.origins: list[Origin] = []

    def remembered(self, memories: Sequence[str]) -> None:
        self.heard.append(("remembered", *memories))

    def token(self, content: str) -> None:
        self.heard.append(("token", content))

    def reasoning(self, content: str) -> None:
        self.heard.append(("reasoning", content))

    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any]) -> None:
        self.heard.append(("tool_called", call_id, name, dict(args)))

    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool) -> None:
        self.heard.append(("tool_answered", call_id, name, content, is_error))

    def answer_begins(self) -> None: ...

    def answer_taken_back(self, reason: str) -> None:
        self.heard.append(("taken_back", reason))

    def called(self, call: ModelCall) -> None:
        self.calls.append(call)

    def compacted(self, kept_from: str) -> None:
        self.heard.append(("compacted", kept_from))

    def step(self, origin: Origin, status: StepStatus, title: str, content: Mapping[str, Any]) -> None:
        self.heard.append(("step", origin.node, status, title, dict(content)))

    def at(self, origin: Origin) -> "HeardAll":
        self.origins.append(origin)
        return self


@dataclass(slots=True)
class MemoryOf:
    """Remembers these facts about everybody, and who asked for what."""

    facts: Sequence[str] = ()
    asked: list[tuple[str, str]] = field(default_factory=list)

    async def recall(self, user_id: str, query: str) -> Sequence[str]:
        self.asked.append((user_id, query))
        return self.facts


@dataclass(slots=True)
class NamesInMemory:
    """What sessions were renamed to."""

    given: dict[UUID, str] = field(default_factory=dict)

    async def rename(self, session_id: UUID, name: str) -> None:
        self.given[session_id] = name


@dataclass(slots=True)
class StartsInMemory:
    """The calls that have been begun in one run, whichever attempt began them."""

    begun: set[str] = field(default_factory=set)

    async def begin(self, task_id: str) -> bool:
        is_first = task_id not in self.begun
        self.begun.add(task_id)
        return is_first


@dataclass(slots=True)
class WebOf:
    """A web of these pages, each found by every search that has a word of its title; what is asked for is written down."""

    pages: Sequence[Page] = ()
    searched: list[str] = field(default_factory=list)
    read_: list[str] = field(default_factory=list)

    async def search(self, query: str) -> Sequence[Hit]:
        self.searched.append(query)
        words = {*query.lower().strip("?.").split()}
        found = [Hit(title=page.title, url=page.url, excerpt="") for page in self.pages if words & {*page.title.lower().split()}]
        if not found:
            raise WebError("The web search found nothing.")
        return found

    async def read(self, url: str) -> Page:
        self.read_.append(url)
        if page := next((page for page in self.pages if page.url == url and page.text), None):
            return page
        raise WebError("The page could not be fetched.")
