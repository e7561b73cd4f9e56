"""What leaves this package: rows as frozen values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from app.persistence.accounts import User
from app.persistence.quota_values import Held, Wish
from app.persistence.spending import LedgerCall


class RunStatus(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    INTERRUPTED = "interrupted"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Role(StrEnum):
    USER = "user"
    ASSISTANT = "assistant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Until `name_is_final`, a model may yet give it a better name than its first words.

    Where it `remembers`, memories are used and made; of a `temporary` one nothing is kept after its end. `config` is what it has set of
    its agent, in the version that holds, 0 where nothing was set.
    """

    id: UUID
    name: str
    name_is_final: bool
    remembers: bool
    temporary: bool
    agent: str
    config: Mapping[str, Any]
    config_version: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """An image or text file; `media_type` is what its content was found to be, and `sha256` is of that, in hex."""

    id: UUID
    name: str
    media_type: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One entry of a transcript; `tool_calls` holds {id, name, args, content, is_error} in the order they were made.

    `steps` holds {agent, node, namespace, status, title, content} of an agent that is several, each step as it was told last, and
    `attachments` {id, name, media_type, bytes} of what the user sent. `model` is the one that gave an answer, None for what a user said.
    Of those that are compacted the model reads a summary only.
    """

    id: UUID
    run_id: UUID
    role: Role
    model: str | None
    content: str
    reasoning: str
    tool_calls: Sequence[Mapping[str, Any]]
    status: RunStatus
    created_at: datetime
    is_compacted: bool = False
    steps: Sequence[Mapping[str, Any]] = ()
    attachments: Sequence[Mapping[str, Any]] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NewRun:
    """What one user message asks for; `title` names a session that has no name yet.

    With `forks` it goes on from the run `parent_id`, None for the beginning of the conversation; else from the latest of the branch
    that is shown. One that `replays` a checkpoint begins there, where its message is said already. With `waits` it takes its place
    behind a run that has the turn; in the `background` a worker makes it. With `cache` an answer that was given before will do.
    """

    id: UUID
    session_id: UUID
    user_id: UUID
    asked_id: UUID
    message_id: UUID
    model: str
    text: str
    title: str
    idempotency_key: str | None = None
    body_hash: str = ""
    forks: bool = False
    parent_id: UUID | None = None
    waits: bool = False
    background: bool = False
    cache: bool = False
    attachments: Sequence[Attachment] = ()
    replays: str | None = None
    wish: Wish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resumption:
    """A run that goes on after questions: `answers` by the interrupt's id. Nobody answered what has `answered_by` None: it expired."""

    id: UUID
    session_id: UUID
    user_id: UUID
    message_id: UUID
    model: str
    answers: Mapping[str, Any]
    answered_by: UUID | None
    idempotency_key: str | None = None
    body_hash: str = ""
    background: bool = False
    wish: Wish | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """How a new run got into its session: at once, or `queued` for its turn or for a worker; `recalls` and `held` as in TakenRun."""

    queued: bool
    from_checkpoint: str | None
    parent_status: RunStatus | None
    recalls: bool = False
    agent: str = "assistant"
    config: Mapping[str, Any] = field(default_factory=dict)
    held: Held | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run as its row tells."""

    id: UUID
    session_id: UUID
    user_id: UUID
    status: RunStatus
    attempt: int
    model: str
    config_version: int
    parent_id: UUID | None
    asked_id: UUID | None
    message_id: UUID
    body_hash: str
    error_code: str | None
    input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    cached_tokens: int
    cost_usd: float | None
    created_at: datetime
    started_at: datetime | None
    first_token_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenRun:
    """A run that this process holds, with what it takes to make its attempt.

    It begins at `from_checkpoint`, at one within its turn that it `replays`, or where an earlier attempt has left its own `checkpoint`.
    A run that goes on after questions has `answers`; `parent_status` is how the run before it ended, `crashes` how many processes died in
    this one, and `spent_seconds` how long earlier attempts have worked on it. It `recalls` when something is remembered of the user, and
    user and session have it used. `config` is what the session had set of its agent, `held` what is set aside of the user's quotas, None
    where their tier counts nothing. By this process's clock it was `accepted_at`; since then, or since an attempt before this one gave it
    back, it has waited `waited_seconds`, and it is `recovered` where the process died that made that attempt.
    """

    id: UUID
    session_id: UUID
    attempt: int
    model: str
    asked_id: UUID | None
    message_id: UUID
    user: User
    text: str
    from_checkpoint: str | None = None
    checkpoint: str | None = None
    parent_status: RunStatus | None = None
    answers: Mapping[str, Any] | None = None
    crashes: int = 0
    spent_seconds: float = 0
    cache: bool = False
    recalls: bool = False
    attachments: Sequence[Attachment] = ()
    agent: str = "assistant"
    config: Mapping[str, Any] = field(default_factory=dict)
    replays: str | None = None
    held: Held | None = None
    accepted_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    waited_seconds: float = 0
    recovered: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What the agent asks a person; an answer must match the JSON Schema."""

    id: str
    value: Any
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interrupt:
    """A question that is open."""

    id: str
    run_id: UUID
    value: Any
    schema: Mapping[str, Any]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """An event in its place: numbered within its run, its JSON as it goes over the wire."""

    sequence: int
    type: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EventBatch:
    """Consecutive events of one attempt."""

    run_id: UUID
    attempt: int
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """How a run ended, with the assistant's side of the transcript; its questions can be answered until `expires_at`.

    `model` is the one that answered, None where the one that was to be asked is all that is known. The model reads a summary of what was
    said before the run `kept_from`, where there is one. Its calls are `counted` where something was set aside for it, and `told` is how
    many percent of the day's and the month's quota it has told of.
    """

    id: UUID
    attempt: int
    message_id: UUID
    status: RunStatus
    model: str | None = None
    error_code: str | None = None
    content: str = ""
    reasoning: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    steps: Sequence[Mapping[str, Any]] = field(default_factory=tuple)
    input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    cost_usd: float | None = None
    first_token_at: datetime | None = None
    checkpoint: str | None = None
    kept_from: UUID | None = None
    questions: Sequence[Question] = ()
    expires_at: datetime | None = None
    calls: Sequence[LedgerCall] = ()
    counted: bool = False
    told: Sequence[int] = (0, 0)
    events: Sequence[Entry] = ()


def columns_of(record: NewRun | Resumption | FinishedRun | Question | LedgerCall) -> dict[str, Any]:
    """The record's fields by name, as they are: `asdict` would copy all that is in them."""
    return {name: getattr(record, name) for name in record.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What a user thinks of an answer: a `score` of 1 or -1."""

    message_id: UUID
    run_id: UUID
    score: int
    comment: str
    created_at: datetime
    updated_at: datetime
