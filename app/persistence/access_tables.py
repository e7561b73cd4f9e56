"""The tables of what opens an account beside a password: keys of programs, and accounts elsewhere."""

from datetime import datetime
from uuid import UUID

from sqlalchemy import String, UniqueConstraint
from sqlalchemy.dialects.postgresql import ARRAY
from sqlmodel import SQLModel
from uuid_utils.compat import uuid7

from app.persistence.columns import MOMENT, column, now


class ApiKeyRow(SQLModel, table=True):
    __tablename__ = "api_key"
    __table_args__ = ({"comment": "What a program proves its user by"},)

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Who speaks with it", foreign_key="user.id", ondelete="CASCADE", index=True)
    name: str = column("What its user calls it", max_length=100)
    start: str = column("Its first characters, to tell it from others by", max_length=16)
    hash: bytes = column("SHA-256 of the key, which is not kept", unique=True)
    scopes: list[str] = column("What it may do: read, chat, admin", sa_type=ARRAY(String(16)))
    expires_at: datetime | None = column("From when on it is no longer good (UTC)", default=None, sa_type=MOMENT)
    last_used_at: datetime | None = column("When it was last used, to the minute (UTC)", default=None, sa_type=MOMENT)
    created_at: datetime = column("When it was made (UTC)", default_factory=now, sa_type=MOMENT)


class IdentityRow(SQLModel, table=True):
    __tablename__ = "identity"
    __table_args__ = (
        UniqueConstraint("issuer", "subject", name="uq_identity_issuer"),
        {"comment": "An account elsewhere that logs somebody in"},
    )

    id: UUID = column("Time-ordered (UUIDv7)", default_factory=uuid7, primary_key=True)
    user_id: UUID = column("Whose account here it opens", foreign_key="user.id", ondelete="CASCADE", index=True)
    issuer: str = column("The OpenID provider, by its address", max_length=512)
    subject: str = column("Who they are there, for ever", max_length=255)
    pending_hash: bytes | None = column("Until its account's password was given: SHA-256 of what the browser has", default=None)
    created_at: datetime = column("When it was last brought here anew (UTC)", default_factory=now, sa_type=MOMENT)
