"""The tables of webhooks: where the ends of runs are told, and what became of each telling."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Index, LargeBinary, String, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from app.persistence.columns import MOMENT, column, now


class WebhookRow(SQLModel, table=True):
    __tablename__ = "webhook"
    __table_args__ = ({"comment": "An address of a user's own that is told when runs end"},)

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Whose it is", foreign_key="user.id", ondelete="CASCADE", index=True)
    session_id: UUID | None = column(
        "The one conversation it is told of; none is all of the user's",
        default=None,
        foreign_key="session.id",
        ondelete="CASCADE",
        index=True,
    )
    url: str = column("Where it is told", max_length=2000)
    statuses: list[str] = column("Of runs that end so it is told: completed, failed, cancelled, interrupted", sa_type=ARRAY(String(16)))
    include_message: bool = column("It is told what was said, too", default=False)
    is_on: bool = column("It is told at all", default=True)
    off_reason: str | None = column("Why it was switched off: by_user, failing, gone or password_reset", default=None, max_length=16)
    failing_since: datetime | None = column("First failure since it last took anything (UTC)", default=None, sa_type=MOMENT)
    salt: bytes = column("With a key of the server's its secret is made from this; the secret is kept nowhere", sa_type=LargeBinary)
    key_name: str = column("Which of the server's keys", max_length=16)
    old_salt: bytes | None = column("The same of its secret before, which signs too until that ends", default=None, sa_type=LargeBinary)
    old_key_name: str | None = column("Which of the server's keys that was", default=None, max_length=16)
    old_ends_at: datetime | None = column("When the secret before ends (UTC)", default=None, sa_type=MOMENT)
    created_at: datetime = column("When it was made (UTC)", default_factory=now, sa_type=MOMENT)
    updated_at: datetime = column("When its user last changed it (UTC)", default_factory=now, sa_type=MOMENT)


class WebhookDeliveryRow(SQLModel, table=True):
    __tablename__ = "webhook_delivery"
    __table_args__ = (
        # A run ends once, and each webhook is told of it once, however often that is tried.
        Index("webhook_delivery_once", "run_id", "webhook_id", unique=True),
        Index("webhook_delivery_newest", "webhook_id", text("id DESC")),
        Index("webhook_delivery_due", "next_at", postgresql_where=text("status IN ('waiting', 'trying')")),
        {"comment": "One run's end told to one webhook"},
    )

    id: UUID = column(
        "Time-ordered (UUIDv7); what the receiver knows it by, however often it is tried", default_factory=uuid7, primary_key=True
    )
    webhook_id: UUID = column("Who is told", foreign_key="webhook.id", ondelete="CASCADE")
    run_id: UUID = column("Of which run", foreign_key="run.id", ondelete="CASCADE")
    event: str = column("What became of the run: run.completed and its like", max_length=32)
    status: str = column("waiting, trying, delivered or failed", default="waiting", max_length=16)
    attempt: int = column("How often it was tried; what a try writes carries it", default=0)
    failures: int = column("Tries that failed since it was last asked for", default=0)
    tries: list[dict[str, Any]] = column("The latest tries: attempt, at, http_status, ms, error", default_factory=list, sa_type=JSONB)
    next_at: datetime = column(
        "When it is to be tried; while it is, when whoever does so counts as dead (UTC)", default_factory=now, sa_type=MOMENT
    )
    created_at: datetime = column("When the run's end was heard of (UTC)", default_factory=now, sa_type=MOMENT)
    finished_at: datetime | None = column("When it was delivered or given up (UTC)", default=None, sa_type=MOMENT)
