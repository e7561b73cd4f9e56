"""When chores, and backups, were last done well."""

import sqlalchemy as sa
from alembic import op

revision = "d5b8e2f47a90"
down_revision = "a7c3d5e9f101"
branch_labels = None
depends_on = None

_NAME = "The chore, by its name in the queue; or backup, which somebody else makes and notes here"


def upgrade() -> None:
    op.create_table(
        "chore_done",
        sa.Column("name", sa.String(64), nullable=False, comment=_NAME),
        sa.Column("done_at", sa.DateTime(timezone=True), nullable=False, comment="When (UTC)"),
        sa.PrimaryKeyConstraint("name"),
        comment="When what is to be done again and again was last done well",
    )


def downgrade() -> None:
    op.drop_table("chore_done")
