"""What the researcher keeps, and what each of its workers does."""

from operator import add
from typing import Annotated, Any, NotRequired, TypedDict

from langchain_core.messages import AnyMessage
from langgraph.types import Overwrite

from app.agent.state import AgentState


class Source(TypedDict):
    """A page that was read."""

    url: str
    title: str


class Note(TypedDict):
    """What the page at `url` says."""

    url: str
    says: str


class Finding(TypedDict):
    """What one worker found; `failure` says why it found nothing. `namespace` is LangGraph's name for the worker."""

    namespace: str
    question: str
    sources: list[Source]
    notes: list[Note]
    failure: str


class ReadPage(Source):
    """The same with its text, for the notes."""

    text: str


class ResearcherState(AgentState):
    """All but the messages is of the message `planned_for`, the user's last one.

    `cited` are the sources of the answer's list. `accounts` are those of the model's calls that are in none of the messages, as
    `calls.note` writes them.
    """

    planned_for: NotRequired[str]
    questions: NotRequired[list[str]]
    findings: NotRequired[Annotated[list[Finding], add]]
    accounts: NotRequired[Annotated[list[Any], add]]
    cited: NotRequired[list[Source]]
    remarks: NotRequired[str]


class ResearcherUpdate(TypedDict, total=False):
    messages: list[AnyMessage]
    memories: list[str]
    planned_for: str
    questions: list[str]
    findings: list[Finding] | Overwrite
    accounts: list[Any] | Overwrite
    cited: list[Source]
    remarks: str


class Task(TypedDict):
    """What a worker is sent."""

    question: str


class WorkerState(Task):
    """`urls` are what was found, best first."""

    urls: NotRequired[list[str]]
    pages: NotRequired[list[ReadPage]]
    findings: NotRequired[list[Finding]]
    accounts: NotRequired[list[Any]]


class WorkerUpdate(TypedDict, total=False):
    urls: list[str]
    pages: list[ReadPage]
    findings: list[Finding]
    accounts: list[Any]


class Found(TypedDict):
    """What a worker brings home."""

    findings: NotRequired[list[Finding]]
    accounts: NotRequired[list[Any]]
