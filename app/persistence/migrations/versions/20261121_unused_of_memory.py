"""An index and a view that no query uses, while each new memory pays for the index."""

from alembic import op

revision = "b5d2907fe3a1"
down_revision = "a83f1c6be024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP VIEW memory_open")
    op.drop_index("memory_payload_user", "memory")


def downgrade() -> None:
    op.execute("CREATE INDEX memory_payload_user ON memory ((payload->>'user_id'))")
    op.execute("CREATE VIEW memory_open AS SELECT id, vector, payload FROM memory WHERE closed_at IS NULL")
