"""What an agent that is several did on the way to an answer, kept with the answer; and how long a run has been worked on."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "c1d40a7be920"
down_revision = "e1a2b3c4d5f6"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # The default stays: most messages have no steps, and processes of the version before this one know nothing of them.
    comment = "Steps: agent, node, namespace, status, title, content"
    op.add_column("message", sa.Column("steps", postgresql.JSONB(), nullable=False, server_default="[]", comment=comment))
    comment = "When it would have begun if it had been worked on without a break (UTC); none of one that was"
    op.add_column("run", sa.Column("working_since", sa.DateTime(timezone=True), comment=comment))


def downgrade() -> None:
    op.drop_column("run", "working_since")
    op.drop_column("message", "steps")
