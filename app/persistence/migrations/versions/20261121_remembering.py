"""How far a session's turns have been remembered."""

import sqlalchemy as sa
from alembic import op

revision = "e2a7c05b91d8"
down_revision = "b1c94e07d3f2"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    op.add_column("session", sa.Column("unremembered_since", moment, comment="When something was first said that no job has read (UTC)"))
    op.add_column("session", sa.Column("remembered_until", moment, comment="End of the last run whose turn a job has read (UTC)"))
    # What was said before there was a memory is not dug out.
    op.execute("UPDATE session SET remembered_until = now()")
    op.create_index("session_unremembered", "session", ["unremembered_since"], postgresql_where=sa.text("unremembered_since IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("session_unremembered", "session")
    op.drop_column("session", "remembered_until")
    op.drop_column("session", "unremembered_since")
