"""Which agent a session has, and what it has set of it, version by version."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "a83f1c6be024"
down_revision = "e7a25d90c4b1"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The defaults stay: processes of the version before this one go on writing rows until they are replaced.
    agent = sa.Column("agent", sa.String(64), nullable=False, server_default="assistant", comment="The agent it is held with, by name")
    op.add_column("session", agent)
    newest = sa.Column("config_version", sa.Integer(), nullable=False, server_default="0", comment="Which configuration holds; 0 is none")
    op.add_column("session", newest)
    used = sa.Column("config_version", sa.Integer(), nullable=False, server_default="0", comment="The session's configuration that it used")
    op.add_column("run", used)
    op.create_table(
        "session_config",
        sa.Column("session_id", sa.Uuid(), nullable=False, comment="Whose it is"),
        sa.Column("version", sa.Integer(), nullable=False, comment="From 1, in the order they were set"),
        sa.Column("config", postgresql.JSONB(), nullable=False, comment="As the agent's schema has it"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was set (UTC)"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "version"),
        comment="What a session has set of its agent",
    )


def downgrade() -> None:
    op.drop_table("session_config")
    op.drop_column("run", "config_version")
    op.drop_column("session", "config_version")
    op.drop_column("session", "agent")
