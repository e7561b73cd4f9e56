"""What is remembered of a user, sessions that leave no trace, and the audit log."""

import sqlalchemy as sa
from alembic import op

from app.errors import MigrationFailed

revision = "b1c94e07d3f2"
down_revision = "6d0b3f27c9a4"
branch_labels = None
depends_on = None

# mem0 writes and reads `id`, `vector` and `payload`, in the open ones only; the rest is ours. Vectors have no fixed length, for a user's
# few are searched one by one: an index over everybody's finds too few of them.
_TABLES = """
CREATE TABLE memory (
    id uuid PRIMARY KEY,
    vector vector NOT NULL,
    payload jsonb NOT NULL,
    user_id uuid NOT NULL GENERATED ALWAYS AS ((payload->>'user_id')::uuid) STORED REFERENCES "user" (id) ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz,
    replaced_by uuid REFERENCES memory (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED
);
CREATE INDEX memory_user ON memory (user_id, id DESC);
CREATE INDEX memory_payload_user ON memory ((payload->>'user_id'));
CREATE INDEX memory_replaced_by ON memory (replaced_by) WHERE replaced_by IS NOT NULL;
CREATE VIEW memory_open AS SELECT id, vector, payload FROM memory WHERE closed_at IS NULL;
CREATE TABLE memory_embedder (one boolean PRIMARY KEY DEFAULT true CHECK (one), name text NOT NULL, dimensions int NOT NULL);
COMMENT ON TABLE memory IS 'A fact about a user kept across sessions';
COMMENT ON COLUMN memory.vector IS 'What it means, as the embedder of memory_embedder has it';
COMMENT ON COLUMN memory.payload IS 'mem0''s own: data (the text), user_id, hash and times';
COMMENT ON COLUMN memory.closed_at IS 'When a newer fact took its place; none while it is true (UTC)';
COMMENT ON COLUMN memory.replaced_by IS 'The newer fact';
COMMENT ON TABLE memory_embedder IS 'Which embedder made the vectors; another one''s cannot be compared with them';
"""


def upgrade() -> None:
    try:
        op.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except sa.exc.DBAPIError as error:
        raise MigrationFailed("The database needs pgvector: have a superuser run CREATE EXTENSION vector in it.") from error
    for statement in _TABLES.strip().split(";\n"):
        op.execute(statement)
    # The defaults stay: processes of the version before this one go on writing rows until they are replaced.
    op.add_column(
        "user",
        sa.Column("remembers", sa.Boolean(), nullable=False, server_default=sa.true(), comment="The agent may remember what they say"),
    )
    op.add_column(
        "session",
        sa.Column("remembers", sa.Boolean(), nullable=False, server_default=sa.true(), comment="Memories are used and made in it"),
    )
    op.add_column(
        "session",
        sa.Column("temporary", sa.Boolean(), nullable=False, server_default=sa.false(), comment="Nothing of it is kept after its end"),
    )
    op.create_index("session_temporary", "session", ["updated_at"], postgresql_where=sa.text("temporary"))
    op.create_table(
        "audit",
        sa.Column("id", sa.Uuid(), primary_key=True, comment="Time-ordered (UUIDv7)"),
        sa.Column("event", sa.String(64), nullable=False, comment="What happened"),
        sa.Column("details", sa.dialects.postgresql.JSONB(), nullable=False, comment="Counts and hashes; nothing personal"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it happened (UTC)"),
        comment="What an operator must be able to show later",
    )


def downgrade() -> None:
    op.drop_table("audit")
    op.drop_index("session_temporary", "session")
    op.drop_column("session", "temporary")
    op.drop_column("session", "remembers")
    op.drop_column("user", "remembers")
    op.execute("DROP VIEW memory_open")
    op.execute("DROP TABLE memory_embedder, memory")
