"""Where a conversation is compacted, and which sessions may have checkpoints to prune."""

import sqlalchemy as sa
from alembic import op

revision = "3d0c6f2b9a41"
down_revision = "8f0d3c5b71a6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "run",
        sa.Column(
            "kept_from",
            sa.Uuid(),
            nullable=True,
            comment="Earliest run of its branch that the model reads word for word; none where it reads all",
        ),
    )
    # True for the sessions there are: none of them has ever been pruned.
    op.add_column(
        "session",
        sa.Column(
            "prunable",
            sa.Boolean(),
            nullable=False,
            server_default=sa.true(),
            comment="A run has begun since its checkpoints were pruned",
        ),
    )
    op.create_index("session_prunable", "session", ["id"], unique=False, postgresql_where=sa.text("prunable"))


def downgrade() -> None:
    op.drop_index("session_prunable", table_name="session", postgresql_where=sa.text("prunable"))
    op.drop_column("session", "prunable")
    op.drop_column("run", "kept_from")
