"""Roles, tiers, users who may not come in, and logins that can be ended."""

import sqlalchemy as sa
from alembic import op

revision = "d90b7c41e6f2"
down_revision = "b5d2907fe3a1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # With defaults of the database, for servers of the version before go on signing people up while this one is rolled out.
    op.add_column("user", sa.Column("role", sa.String(16), nullable=False, server_default="user", comment="user or admin"))
    op.add_column("user", sa.Column("tier", sa.String(64), nullable=False, server_default="free", comment="Which limits hold, by name"))
    moment = sa.DateTime(timezone=True)
    op.add_column("user", sa.Column("disabled_at", moment, comment="Since when they may not come in (UTC)"))
    op.create_table(
        "login",
        sa.Column("id", sa.Uuid(), primary_key=True, comment="Time-ordered (UUIDv7)"),
        sa.Column("user_id", sa.Uuid(), sa.ForeignKey("user.id", ondelete="CASCADE"), nullable=False, comment="Who came in"),
        sa.Column("revoked_at", moment, comment="When it was ended before its time (UTC)"),
        sa.Column("created_at", moment, nullable=False, comment="When they came in (UTC)"),
        comment="What all tokens of one login have in common",
    )
    op.create_index("ix_login_user_id", "login", ["user_id"])


def downgrade() -> None:
    op.drop_table("login")
    for column in ("disabled_at", "tier", "role"):
        op.drop_column("user", column)
