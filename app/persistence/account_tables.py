"""The tables of who may come in, and of what an operator must be able to show; `tables` has the others."""

from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, Numeric, SmallInteger, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from app.persistence.columns import MOMENT, column, now


class UserRow(SQLModel, table=True):
    __tablename__ = "user"
    __table_args__ = ({"comment": "A person who may log in"},)

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    email: str = column("Normalised: trimmed and lower case", unique=True, max_length=320)
    password_hash: str | None = column(
        "argon2id, or bcrypt until they log in; empty for who comes from elsewhere", default=None, max_length=255
    )
    remembers: bool = column("The agent may remember what they say", default=True)
    role: str = column("user or admin", default="user", max_length=16)
    tier: str = column("Which limits hold, by name", default="free", max_length=64)
    email_verified_at: datetime | None = column("When they showed that the email is theirs (UTC)", default=None, sa_type=MOMENT)
    reset_mailed_at: datetime | None = column("When they were last sent a link for a new password (UTC)", default=None, sa_type=MOMENT)
    verification_mailed_at: datetime | None = column("When they were last sent a link for that (UTC)", default=None, sa_type=MOMENT)
    disabled_at: datetime | None = column("Since when they may not come in (UTC)", default=None, sa_type=MOMENT)
    created_at: datetime = column("When the account was made (UTC)", default_factory=now, sa_type=MOMENT)


class LoginRow(SQLModel, table=True):
    __tablename__ = "login"
    __table_args__ = ({"comment": "What all tokens of one login have in common"},)

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Who came in", foreign_key="user.id", ondelete="CASCADE", index=True)
    page_hash: bytes | None = column("SHA-256 of the page's cookie; empty where tokens prove it", default=None, unique=True)
    seen_at: datetime | None = column("When the page was last used, to the minute (UTC)", default=None, sa_type=MOMENT)
    address: str | None = column("Of the client that came in", default=None, max_length=64)
    user_agent: str | None = column("What the client calls itself", default=None, max_length=200)
    refresh_hash: bytes | None = column("SHA-256 of the refresh token that is good now", default=None)
    previous_hash: bytes | None = column("The same of the one before, for a client that never saw the answer", default=None)
    successor: bytes | None = column("Who has the one before can read the one that is good now here", default=None)
    refreshed_at: datetime | None = column("When the refresh token was given (UTC)", default=None, sa_type=MOMENT)
    revoked_at: datetime | None = column("When it was ended before its time (UTC)", default=None, sa_type=MOMENT)
    created_at: datetime = column("When they came in (UTC)", default_factory=now, sa_type=MOMENT)


class LoginFailureRow(SQLModel, table=True):
    __tablename__ = "login_failure"
    __table_args__ = ({"comment": "How often a password was wrong of late"},)

    key: bytes = column("Of what: a keyed hash of an account, an address or both", primary_key=True)
    failures: int = column("How often, without an hour's pause")
    failed_at: datetime = column("The last time (UTC)", sa_type=MOMENT, index=True)


class AuditRow(SQLModel, table=True):
    __tablename__ = "audit"
    __table_args__ = (
        Index("audit_user", "user_id", "id", postgresql_where=text("user_id IS NOT NULL")),
        Index("audit_actor", "actor_id", "id", postgresql_where=text("actor_id IS NOT NULL")),
        {"comment": "What an operator must be able to show later"},
    )

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    event: str = column("What happened", max_length=64)
    user_id: UUID | None = column("Whom it is about, while there is an account", default=None)
    actor_id: UUID | None = column("Who did it, while there is an account; none is an operator", default=None)
    address: str | None = column("From which network address", default=None, max_length=64)
    details: dict[str, Any] = column("Counts and hashes; nothing personal", default_factory=dict, sa_type=JSONB)
    created_at: datetime = column("When it happened (UTC)", default_factory=now, sa_type=MOMENT)


class QuotaRow(SQLModel, table=True):
    __tablename__ = "quota"
    __table_args__ = ({"comment": "What users have used of their tiers' quotas; nobody is here whose tier has none"},)

    user_id: UUID = column("Whose counters these are", foreign_key="user.id", ondelete="CASCADE", primary_key=True)
    day: date = column("The day (UTC) of the last turn, and its month")
    day_tokens: int = column("Tokens of that day's calls of models", default=0, sa_type=BigInteger)
    day_usd: Decimal = column("What they cost, as far as that is known", default=0, sa_type=Numeric)
    day_told: int = column("Percent of the day's quota last told of", default=0, sa_type=SmallInteger)
    month_tokens: int = column("Tokens of the month's calls", default=0, sa_type=BigInteger)
    month_usd: Decimal = column("What they cost, as far as that is known", default=0, sa_type=Numeric)
    month_told: int = column("Percent of the month's quota last told of", default=0, sa_type=SmallInteger)
