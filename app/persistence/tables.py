"""The tables, for the migrations. A server does not import them: its statements are SQL, beside what they are for."""

from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from sqlalchemy import BigInteger, ForeignKeyConstraint, Index, LargeBinary, Numeric, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

import app.persistence.access_tables  # its tables, and those below, are among METADATA
import app.persistence.account_tables
import app.persistence.judgement_tables
import app.persistence.webhook_tables  # noqa: F401
from app.persistence.columns import METADATA, MOMENT, column, now
from app.persistence.states import LIVE_SQL, TURN_SQL

SET_ASIDE: Final = "set aside for it until it ends; none where the user's tier counts nothing"
# Whoever imports this finds all tables in METADATA, those of other modules too.
__all__ = ["METADATA"]


class SessionRow(SQLModel, table=True):
    __tablename__ = "session"
    __table_args__ = (
        # Newest first for one user: the list's order and its cursor.
        Index("session_user_newest", "user_id", text("id DESC")),
        Index("session_prunable", "id", postgresql_where=text("prunable")),
        Index("session_unremembered", "unremembered_since", postgresql_where=text("unremembered_since IS NOT NULL")),
        Index("session_temporary", "updated_at", postgresql_where=text("temporary")),
        {"comment": "A conversation; its id is LangGraph's thread_id"},
    )

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Whose conversation it is", foreign_key="user.id", ondelete="CASCADE")
    name: str = column("As shown in the list; empty until somebody or the first message names it", default="", max_length=200)
    naming: str = column("open, words (the first message's), asked (a model is to name it) or done", default="open", max_length=8)
    head_run_id: UUID | None = column("The latest run of the branch that is shown; what follows goes on from it", default=None)
    remembers: bool = column("Memories are used and made in it", default=True)
    temporary: bool = column("Nothing of it is kept after its end", default=False)
    agent: str = column("The agent it is held with, by name", default="assistant", max_length=64)
    config_version: int = column("Which configuration holds; 0 is none", default=0)
    unremembered_since: datetime | None = column("When something was first said that no job has read (UTC)", default=None, sa_type=MOMENT)
    remembered_until: datetime | None = column("End of the last run whose turn a job has read (UTC)", default=None, sa_type=MOMENT)
    prunable: bool = column("A run has begun since its checkpoints were pruned", default=False)
    created_at: datetime = column("When it was opened (UTC)", default_factory=now, sa_type=MOMENT)
    updated_at: datetime = column("When it was last written to (UTC)", default_factory=now, sa_type=MOMENT)


class SessionConfigRow(SQLModel, table=True):
    __tablename__ = "session_config"
    __table_args__ = ({"comment": "What a session has set of its agent"},)

    session_id: UUID = column("Whose it is", foreign_key="session.id", ondelete="CASCADE", primary_key=True)
    version: int = column("From 1, in the order they were set", primary_key=True)
    config: dict[str, Any] = column("As the agent's schema has it", sa_type=JSONB)
    created_at: datetime = column("When it was set (UTC)", default_factory=now, sa_type=MOMENT)


class RunRow(SQLModel, table=True):
    __tablename__ = "run"
    __table_args__ = (
        # The turn lock: of a session's runs that have not ended, all but one wait.
        Index("run_turn", "session_id", unique=True, postgresql_where=text(TURN_SQL)),
        Index("run_waiting", "session_id", "id", postgresql_where=text("waiting")),
        # Sending the same message twice under one key starts one run.
        Index("run_idempotency", "user_id", "idempotency_key", unique=True, postgresql_where=text("idempotency_key IS NOT NULL")),
        Index("run_live_user", "user_id", postgresql_where=text(LIVE_SQL)),
        Index("run_live_lease", "lease_expires_at", postgresql_where=text(LIVE_SQL)),
        {"comment": "What one user message sets off"},
    )

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    session_id: UUID = column("The conversation it belongs to", foreign_key="session.id", ondelete="CASCADE", index=True)
    user_id: UUID = column("Who asked", foreign_key="user.id", ondelete="CASCADE", index=True)
    status: str = column("queued, running, interrupted, completed, failed or cancelled", max_length=16)
    attempt: int = column("Which try this is, from 1; every write of a run carries it", default=1)
    model: str = column("Name of the model that was asked", max_length=200)
    parent_id: UUID | None = column("The run that it goes on from; none begins the conversation", default=None, index=True)
    from_checkpoint: str | None = column("LangGraph's checkpoint that it began at; none is an empty state", default=None, max_length=64)
    checkpoint: str | None = column("LangGraph's checkpoint that it ended at", default=None, max_length=64)
    kept_from: UUID | None = column("Earliest run of its branch that the model reads word for word; none where it reads all", default=None)
    waiting: bool = column("Another run has the session's turn, and this one is to follow it", default=False)
    background: bool = column("A worker makes it, not the process that was asked", default=False)
    cache: bool = column("An answer that was given before will do", default=False)
    config_version: int = column("The session's configuration that it used", default=0)
    asked_id: UUID | None = column("The message in the transcript that it answers; none when it goes on after a question", default=None)
    message_id: UUID = column("The message in the transcript that is its answer")
    idempotency_key: str | None = column("What the client named this request, to send it again safely", default=None, max_length=200)
    body_hash: str = column("SHA-256 of the request, to tell the same key with another body", max_length=64)
    stop_requested: bool = column("Somebody asked for it to be stopped", default=False)
    owner: UUID | None = column("The process that works on it, or that will when it is its turn", default=None)
    crashes: int = column("How many processes have died in it", default=0)
    lease_expires_at: datetime | None = column("When the owner counts as dead unless it is heard of (UTC)", default=None, sa_type=MOMENT)
    reserved_tokens: int | None = column(f"Tokens {SET_ASIDE}", default=None, sa_type=BigInteger)
    reserved_usd: Decimal | None = column(f"Dollars {SET_ASIDE}", default=None, sa_type=Numeric)
    error_code: str | None = column("Stable code of what went wrong, if it did", default=None, max_length=64)
    input_tokens: int = column("Tokens the model read", default=0)
    output_tokens: int = column("Tokens the model wrote", default=0)
    reasoning_tokens: int = column("Of the tokens written, those thought and not said", default=0)
    cached_tokens: int = column("Of the tokens read, those the provider had in its cache", default=0)
    cost_usd: float | None = column("What the tokens cost; none where a price is not known", default=None)
    created_at: datetime = column("When the message arrived (UTC)", default_factory=now, sa_type=MOMENT)
    started_at: datetime | None = column("When a process first began to work on it (UTC)", default=None, sa_type=MOMENT)
    working_since: datetime | None = column(
        "When it would have begun if it had been worked on without a break (UTC); none of one that was", default=None, sa_type=MOMENT
    )
    first_token_at: datetime | None = column("When the answer's first token came (UTC)", default=None, sa_type=MOMENT)
    finished_at: datetime | None = column("When it ended (UTC)", default=None, sa_type=MOMENT)


class MessageRow(SQLModel, table=True):
    __tablename__ = "message"
    __table_args__ = (
        Index("message_session_order", "session_id", "id"),
        {"comment": "The transcript: a conversation as people see it"},
    )

    id: UUID = column("Time-ordered (UUIDv7); the transcript's order", default_factory=uuid7, primary_key=True)
    session_id: UUID = column("The conversation it belongs to", foreign_key="session.id", ondelete="CASCADE")
    run_id: UUID = column("The run that it started or that wrote it", foreign_key="run.id", ondelete="CASCADE", index=True)
    role: str = column("user or assistant", max_length=16)
    content: str = column("The text exactly as sent or streamed")
    reasoning: str = column("What the model thought aloud, where it does", default="")
    tool_calls: list[dict[str, Any]] = column("Tools used: id, name, args, content, is_error", default_factory=list, sa_type=JSONB)
    steps: list[dict[str, Any]] = column("Steps: agent, node, namespace, status, title, content", default_factory=list, sa_type=JSONB)
    status: str = column("completed, interrupted, failed or cancelled", max_length=16)
    created_at: datetime = column("When it was written (UTC)", default_factory=now, sa_type=MOMENT)


class EventRow(SQLModel, table=True):
    __tablename__ = "run_event"
    __table_args__ = (
        Index("run_event_age", "created_at"),
        {"comment": "The event log: what readers of a run were told, in order"},
    )

    run_id: UUID = column("The run it tells of", foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    first_sequence: int = column("Number of the first event in this row", primary_key=True, sa_type=BigInteger)
    last_sequence: int = column("Number of the last event in this row", sa_type=BigInteger)
    events: str = column("Consecutive events, a line each: type, a space, the JSON as it went over the wire")
    created_at: datetime = column("When it was written (UTC)", default_factory=now, sa_type=MOMENT)


class InterruptRow(SQLModel, table=True):
    __tablename__ = "interrupt"
    __table_args__ = (
        Index("interrupt_open", "expires_at", postgresql_where=text("outcome = 'open'")),
        {"comment": "A question that the agent asked a person"},
    )

    session_id: UUID = column("The conversation it belongs to", foreign_key="session.id", ondelete="CASCADE", primary_key=True)
    id: str = column("LangGraph's id of the interrupt", primary_key=True, max_length=64)
    run_id: UUID = column("The run that asked", foreign_key="run.id", ondelete="CASCADE", index=True)
    value: Any = column("What is asked, as JSON", sa_type=JSONB)
    answer_schema: dict[str, Any] = column("JSON Schema of an answer", sa_type=JSONB)
    outcome: str = column("open, answered, expired, or withdrawn: the conversation went on without", default="open", max_length=16)
    answer: Any = column("What was answered, as JSON", default=None, sa_type=JSONB, nullable=True)
    answered_by: UUID | None = column("Who answered", default=None)
    resumed_by: UUID | None = column("The run that goes on with the answer", default=None, index=True)
    created_at: datetime = column("When it was asked (UTC)", default_factory=now, sa_type=MOMENT)
    expires_at: datetime = column("Until when it can be answered (UTC)", sa_type=MOMENT)
    closed_at: datetime | None = column("When it was answered, expired or was withdrawn (UTC)", default=None, sa_type=MOMENT)


class ToolStartRow(SQLModel, table=True):
    __tablename__ = "tool_start"
    __table_args__ = ({"comment": "Calls of tools that must not be repeated, written before each is made"},)

    run_id: UUID = column("The run that makes the call", foreign_key="run.id", ondelete="CASCADE", primary_key=True)
    task_id: str = column("LangGraph's task that makes it: the same when a step is made again", primary_key=True, max_length=200)
    started_at: datetime = column("When (UTC)", default_factory=now, sa_type=MOMENT)


class ModelCallRow(SQLModel, table=True):
    __tablename__ = "model_call"
    __table_args__ = (
        # A user's calls of some days; and what erasing the user looks for.
        Index("model_call_user_day", "user_id", "created_at"),
        Index("model_call_judged", "created_at", postgresql_where=text("purpose = 'judge'")),
        {"comment": "The ledger: each call of a model, and what it came to"},
    )

    id: UUID = column("Time-ordered (UUIDv7); the same however often the call is told", primary_key=True)
    user_id: UUID = column("For whom the model was asked", foreign_key="user.id", ondelete="CASCADE")
    # No foreign keys: what was paid stays paid when the session or the run is deleted.
    session_id: UUID | None = column("The conversation it was made for, be it that this is gone", default=None)
    run_id: UUID | None = column("The run that made it, be it that this is gone; none for a job", default=None)
    attempt: int | None = column("The attempt that ended the run; the call may be one of an attempt before it", default=None)
    model: str = column("Name of the model that was asked", max_length=200)
    purpose: str = column("answer, naming, memory, summary or judge", max_length=16)
    input_tokens: int = column("Tokens the model read")
    output_tokens: int = column("Tokens the model wrote")
    cached_tokens: int = column("Of the tokens read, those the provider had in its cache")
    reasoning_tokens: int = column("Of the tokens written, those thought and not said")
    cost_usd: Decimal | None = column("What it cost; none where that is not known", default=None, sa_type=Numeric)
    latency_ms: int = column("From the request to the end of the answer")
    first_token_ms: int | None = column("From the request to the first token, if one came", default=None)
    from_cache: bool = column("Answered from our own cache: nobody was paid")
    error_code: str | None = column("Stable code of what went wrong, if it did", default=None, max_length=64)
    created_at: datetime = column("When the call began (UTC)", sa_type=MOMENT)


class ChoreDoneRow(SQLModel, table=True):
    __tablename__ = "chore_done"
    __table_args__ = ({"comment": "When what is to be done again and again was last done well"},)

    name: str = column(
        "The chore, by its name in the queue; or backup, which somebody else makes and notes here", primary_key=True, max_length=64
    )
    done_at: datetime = column("When (UTC)", sa_type=MOMENT)


class FeedbackRow(SQLModel, table=True):
    __tablename__ = "feedback"
    __table_args__ = ({"comment": "What a user thinks of an answer"},)

    message_id: UUID = column("The answer it is about", foreign_key="message.id", ondelete="CASCADE", primary_key=True)
    user_id: UUID = column("Who thinks so", foreign_key="user.id", ondelete="CASCADE", index=True)
    score: int = column("1 for a good answer, -1 for a bad one", sa_type=SmallInteger)
    comment: str = column("Why, in their words; empty where they said none", default="", max_length=2000)
    created_at: datetime = column("When they first said it (UTC)", default_factory=now, sa_type=MOMENT)
    updated_at: datetime = column("When they last said it (UTC)", default_factory=now, sa_type=MOMENT)


class ExportRow(SQLModel, table=True):
    __tablename__ = "export"
    __table_args__ = ({"comment": "All that is kept of a user, as a ZIP for them to take away"},)

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Whose data it holds", foreign_key="user.id", ondelete="CASCADE", unique=True)
    attempt: int = column("Which try this is; every write of a try carries it", default=0)
    bytes: int | None = column("How large it is; none until it is whole", default=None, sa_type=BigInteger)
    created_at: datetime = column("When it was asked for (UTC)", default_factory=now, sa_type=MOMENT)


class ExportChunkRow(SQLModel, table=True):
    __tablename__ = "export_chunk"
    __table_args__ = ({"comment": "The export's bytes, where every server finds them"},)

    export_id: UUID = column("The export it is a part of", foreign_key="export.id", ondelete="CASCADE", primary_key=True)
    number: int = column("Its place, from 0", primary_key=True)
    piece: bytes = column("Consecutive bytes of the ZIP", sa_type=LargeBinary)


class AttachmentBlobRow(SQLModel, table=True):
    __tablename__ = "attachment_blob"
    __table_args__ = ({"comment": "What attachments hold: once for each user, however often it is sent"},)

    user_id: UUID = column("Who sent it", foreign_key="user.id", ondelete="CASCADE", primary_key=True)
    sha256: str = column("Of the content, in hex", primary_key=True, max_length=64)
    content: bytes | None = column("The bytes; none where they are kept in a folder", default=None)


class AttachmentRow(SQLModel, table=True):
    __tablename__ = "attachment"
    __table_args__ = (
        ForeignKeyConstraint(["user_id", "sha256"], ["attachment_blob.user_id", "attachment_blob.sha256"], ondelete="CASCADE"),
        Index("attachment_blob_of", "user_id", "sha256"),
        {"comment": "An image or text file to send with messages"},
    )

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Who sent it")
    sha256: str = column("Of the content, in hex", max_length=64)
    name: str = column("As the file was called", max_length=200)
    media_type: str = column("What the content was found to be", max_length=64)
    bytes: int = column("How many the content has")
    created_at: datetime = column("When it was uploaded (UTC)", default_factory=now, sa_type=MOMENT)


class MessageAttachmentRow(SQLModel, table=True):
    __tablename__ = "message_attachment"
    __table_args__ = (
        Index("message_attachment_sent", "attachment_id"),
        {"comment": "Which attachments were sent with which message"},
    )

    message_id: UUID = column("The message it was sent with", foreign_key="message.id", ondelete="CASCADE", primary_key=True)
    place: int = column("Its place among those of the message, from 1", primary_key=True)
    attachment_id: UUID = column("What was sent", foreign_key="attachment.id", ondelete="CASCADE")
