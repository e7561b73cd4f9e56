"""First tables."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e771906b7b24"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "user",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7)"),
        sa.Column("email", sa.String(320), nullable=False, comment="Normalised: trimmed and lower case"),
        sa.Column("password_hash", sa.String(255), nullable=False, comment="argon2id, with its parameters"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the account was made (UTC)"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("email"),
        comment="A person who may log in",
    )
    op.create_table(
        "session",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7)"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose conversation it is"),
        sa.Column(
            "name", sa.String(200), nullable=False, comment="As shown in the list; empty until somebody or the first message names it"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was opened (UTC)"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When it was last written to (UTC)"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="A conversation; its id is LangGraph's thread_id",
    )
    op.create_index("session_user_newest", "session", ["user_id", sa.literal_column("id DESC")], unique=False)
    op.create_table(
        "run",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7)"),
        sa.Column("session_id", sa.Uuid(), nullable=False, comment="The conversation it belongs to"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who asked"),
        sa.Column("status", sa.String(16), nullable=False, comment="queued, running, interrupted, completed, failed or cancelled"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="Which try this is, from 1; every write of a run carries it"),
        sa.Column("model", sa.String(200), nullable=False, comment="Name of the model that was asked"),
        sa.Column("asked_id", sa.Uuid(), nullable=False, comment="The message in the transcript that it answers"),
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="The message in the transcript that is its answer"),
        sa.Column("idempotency_key", sa.String(200), nullable=True, comment="What the client named this request, to send it again safely"),
        sa.Column("body_hash", sa.String(64), nullable=False, comment="SHA-256 of the request, to tell the same key with another body"),
        sa.Column("stop_requested", sa.Boolean(), nullable=False, comment="Somebody asked for it to be stopped"),
        sa.Column("owner", sa.Uuid(), nullable=True, comment="The process that works on it"),
        sa.Column(
            "lease_expires_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="When the owner counts as dead unless it is heard of (UTC)",
        ),
        sa.Column("error_code", sa.String(64), nullable=True, comment="Stable code of what went wrong, if it did"),
        sa.Column("input_tokens", sa.Integer(), nullable=False, comment="Tokens the model read"),
        sa.Column("output_tokens", sa.Integer(), nullable=False, comment="Tokens the model wrote"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the message arrived (UTC)"),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True, comment="When it ended (UTC)"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="What one user message sets off",
    )
    op.create_index(op.f("ix_run_session_id"), "run", ["session_id"], unique=False)
    op.create_index(op.f("ix_run_user_id"), "run", ["user_id"], unique=False)
    op.create_index(
        "run_idempotency", "run", ["user_id", "idempotency_key"], unique=True, postgresql_where=sa.text("idempotency_key IS NOT NULL")
    )
    op.create_index(
        "run_live_lease", "run", ["lease_expires_at"], unique=False, postgresql_where=sa.text("status IN ('queued', 'running')")
    )
    op.create_index("run_turn_lock", "run", ["session_id"], unique=True, postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.create_table(
        "message",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7); the transcript's order"),
        sa.Column("session_id", sa.Uuid(), nullable=False, comment="The conversation it belongs to"),
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run that it started or that wrote it"),
        sa.Column("role", sa.String(16), nullable=False, comment="user or assistant"),
        sa.Column("content", sa.String(), nullable=False, comment="The text exactly as sent or streamed"),
        sa.Column("reasoning", sa.String(), nullable=False, comment="What the model thought aloud, where it does"),
        sa.Column(
            "tool_calls", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="Tools used: id, name, args, content, is_error"
        ),
        sa.Column("status", sa.String(16), nullable=False, comment="completed, failed or cancelled"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was written (UTC)"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="The transcript: a conversation as people see it",
    )
    op.create_index(op.f("ix_message_run_id"), "message", ["run_id"], unique=False)
    op.create_index("message_session_order", "message", ["session_id", "id"], unique=False)
    op.create_table(
        "run_event",
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run it tells of"),
        sa.Column("first_sequence", sa.BigInteger(), nullable=False, comment="Number of the first event in this row"),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False, comment="Number of the last event in this row"),
        sa.Column(
            "events",
            sa.String(),
            nullable=False,
            comment="Consecutive events, a line each: type, a space, the JSON as it went over the wire",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was written (UTC)"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "first_sequence"),
        comment="The event log: what readers of a run were told, in order",
    )
    op.create_index("run_event_age", "run_event", ["created_at"], unique=False)


def downgrade() -> None:
    op.drop_index("run_event_age", table_name="run_event")
    op.drop_table("run_event")
    op.drop_index("message_session_order", table_name="message")
    op.drop_index(op.f("ix_message_run_id"), table_name="message")
    op.drop_table("message")
    op.drop_index("run_turn_lock", table_name="run", postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.drop_index("run_live_lease", table_name="run", postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.drop_index("run_idempotency", table_name="run", postgresql_where=sa.text("idempotency_key IS NOT NULL"))
    op.drop_index(op.f("ix_run_user_id"), table_name="run")
    op.drop_index(op.f("ix_run_session_id"), table_name="run")
    op.drop_table("run")
    op.drop_index("session_user_newest", table_name="session")
    op.drop_table("session")
    op.drop_table("user")
