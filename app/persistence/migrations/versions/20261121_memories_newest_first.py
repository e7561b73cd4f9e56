"""A user's memories are listed newest first; mem0's ids are in no order."""

import sqlalchemy as sa
from alembic import op

revision = "e47a90c15d3b"
down_revision = "e2a7c05b91d8"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("memory_user_newest", "memory", ["user_id", sa.text("created_at DESC"), sa.text("id DESC")])
    op.drop_index("memory_user", "memory")


def downgrade() -> None:
    op.create_index("memory_user", "memory", ["user_id", sa.text("id DESC")])
    op.drop_index("memory_user_newest", "memory")
