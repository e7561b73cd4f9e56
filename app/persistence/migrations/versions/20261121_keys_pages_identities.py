"""API keys, logins of the page that a cookie proves, and accounts at other houses."""

from uuid import UUID

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "b8d4e6f0a212"
down_revision = "c1d40a7be920"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.create_table(
        "api_key",
        sa.Column("id", sa.Uuid(), primary_key=True, comment="Time-ordered (UUIDv7)"),
        _owner("Who speaks with it"),
        sa.Column("name", sa.String(100), nullable=False, comment="What its user calls it"),
        sa.Column("start", sa.String(16), nullable=False, comment="Its first characters, to tell it from others by"),
        sa.Column("hash", sa.LargeBinary(), nullable=False, unique=True, comment="SHA-256 of the key, which is not kept"),
        sa.Column("scopes", ARRAY(sa.String(16)), nullable=False, comment="What it may do: read, chat, admin"),
        sa.Column("expires_at", moment, comment="From when on it is no longer good (UTC)"),
        sa.Column("last_used_at", moment, comment="When it was last used, to the minute (UTC)"),
        sa.Column("created_at", moment, nullable=False, comment="When it was made (UTC)"),
        comment="What a program proves its user by",
    )
    op.create_index("ix_api_key_user_id", "api_key", ["user_id"])
    op.create_table(
        "identity",
        sa.Column("id", sa.Uuid(), primary_key=True, comment="Time-ordered (UUIDv7)"),
        _owner("Whose account here it opens"),
        sa.Column("issuer", sa.String(512), nullable=False, comment="The OpenID provider, by its address"),
        sa.Column("subject", sa.String(255), nullable=False, comment="Who they are there, for ever"),
        sa.Column("pending_hash", sa.LargeBinary(), comment="Until its account's password was given: SHA-256 of what the browser has"),
        sa.Column("created_at", moment, nullable=False, comment="When it was last brought here anew (UTC)"),
        sa.UniqueConstraint("issuer", "subject", name="uq_identity_issuer"),
        comment="An account elsewhere that logs somebody in",
    )
    op.create_index("ix_identity_user_id", "identity", ["user_id"])
    op.add_column("login", sa.Column("page_hash", sa.LargeBinary(), comment="SHA-256 of the page's cookie; empty where tokens prove it"))
    op.add_column("login", sa.Column("seen_at", moment, comment="When the page was last used, to the minute (UTC)"))
    op.create_unique_constraint("uq_login_page_hash", "login", ["page_hash"])
    op.alter_column("user", "password_hash", nullable=True, comment="argon2id, with its parameters; empty for who comes from elsewhere")


def downgrade() -> None:
    # The version before reads no hash as nobody's password.
    op.execute("""UPDATE "user" SET password_hash = '' WHERE password_hash IS NULL""")
    op.alter_column("user", "password_hash", nullable=False, comment="argon2id, with its parameters")
    op.drop_constraint("uq_login_page_hash", "login")
    op.drop_column("login", "seen_at")
    op.drop_column("login", "page_hash")
    op.drop_table("identity")
    op.drop_table("api_key")


def _owner(comment: str) -> "sa.Column[UUID]":
    return sa.Column("user_id", sa.Uuid(), sa.ForeignKey("user.id", ondelete="CASCADE"), nullable=False, comment=comment)
