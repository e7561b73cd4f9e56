"""Runs for which an answer that was given before will do."""

import sqlalchemy as sa
from alembic import op

revision = "6d0b3f27c9a4"
down_revision = "3d0c6f2b9a41"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: processes of the version before this one go on writing rows until they are replaced.
    op.add_column(
        "run",
        sa.Column("cache", sa.Boolean(), nullable=False, server_default=sa.false(), comment="An answer that was given before will do"),
    )


def downgrade() -> None:
    op.drop_column("run", "cache")
