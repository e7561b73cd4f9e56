"""Branches, questions to people, and runs that wait."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "15cb87b2c230"
down_revision = "e771906b7b24"
branch_labels = None
depends_on = None

# Conversations were lines so far: each run follows the one before it.
_CHAIN = """
UPDATE run SET parent_id = line.before, started_at = run.created_at
  FROM (SELECT id, lag(id) OVER (PARTITION BY session_id ORDER BY id) AS before FROM run) AS line WHERE line.id = run.id
"""
_HEADS = """
UPDATE session SET head_run_id = (SELECT run.id FROM run WHERE run.session_id = session.id ORDER BY run.id DESC LIMIT 1)
"""
# Where earlier runs ended nobody wrote down; the latest ended at the latest checkpoint. The checkpointer's tables are made after ours.
_CHECKPOINTS = """
DO $$ BEGIN
    IF to_regclass('checkpoints') IS NOT NULL THEN
        UPDATE run SET checkpoint = (
            SELECT max(checkpoint_id) FROM checkpoints WHERE thread_id = run.session_id::text AND checkpoint_ns = ''
        ) FROM session WHERE session.head_run_id = run.id;
    END IF;
END $$
"""


def upgrade() -> None:
    # The defaults stay: processes of the version before this one go on writing rows until they are replaced.
    op.create_table(
        "interrupt",
        sa.Column("session_id", sa.Uuid(), nullable=False, comment="The conversation it belongs to"),
        sa.Column("id", sa.String(64), nullable=False, comment="LangGraph's id of the interrupt"),
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run that asked"),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="What is asked, as JSON"),
        sa.Column("answer_schema", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="JSON Schema of an answer"),
        sa.Column(
            "outcome",
            sa.String(16),
            nullable=False,
            comment="open, answered, expired, or withdrawn: the conversation went on without",
        ),
        sa.Column("answer", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="What was answered, as JSON"),
        sa.Column("answered_by", sa.Uuid(), nullable=True, comment="Who answered"),
        sa.Column("resumed_by", sa.Uuid(), nullable=True, comment="The run that goes on with the answer"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was asked (UTC)"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False, comment="Until when it can be answered (UTC)"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True, comment="When it was answered, expired or was withdrawn (UTC)"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("session_id", "id"),
        comment="A question that the agent asked a person",
    )
    op.create_index("interrupt_open", "interrupt", ["expires_at"], unique=False, postgresql_where=sa.text("outcome = 'open'"))
    op.create_index("ix_interrupt_resumed_by", "interrupt", ["resumed_by"], unique=False)
    op.create_index("ix_interrupt_run_id", "interrupt", ["run_id"], unique=False)
    op.create_table(
        "tool_start",
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run that makes the call"),
        sa.Column("task_id", sa.String(200), nullable=False, comment="LangGraph's task that makes it: the same when a step is made again"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False, comment="When (UTC)"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "task_id"),
        comment="Calls of tools that must not be repeated, written before each is made",
    )
    op.alter_column(
        "message",
        "status",
        existing_type=sa.VARCHAR(length=16),
        comment="completed, interrupted, failed or cancelled",
        existing_comment="completed, failed or cancelled",
        existing_nullable=False,
    )
    op.add_column(
        "run", sa.Column("parent_id", sa.Uuid(), nullable=True, comment="The run that it goes on from; none begins the conversation")
    )
    op.add_column(
        "run",
        sa.Column(
            "from_checkpoint", sa.String(64), nullable=True, comment="LangGraph's checkpoint that it began at; none is an empty state"
        ),
    )
    op.add_column("run", sa.Column("checkpoint", sa.String(64), nullable=True, comment="LangGraph's checkpoint that it ended at"))
    op.add_column(
        "run",
        sa.Column(
            "waiting",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="Another run has the session's turn, and this one is to follow it",
        ),
    )
    op.add_column(
        "run",
        sa.Column(
            "background",
            sa.Boolean(),
            nullable=False,
            server_default=sa.false(),
            comment="A worker makes it, not the process that was asked",
        ),
    )
    op.add_column(
        "run", sa.Column("crashes", sa.Integer(), nullable=False, server_default="0", comment="How many processes have died in it")
    )
    op.add_column(
        "run",
        sa.Column(
            "reasoning_tokens",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="Of the tokens written, those thought and not said",
        ),
    )
    op.add_column(
        "run",
        sa.Column(
            "cached_tokens",
            sa.Integer(),
            nullable=False,
            server_default="0",
            comment="Of the tokens read, those the provider had in its cache",
        ),
    )
    op.add_column("run", sa.Column("cost_usd", sa.Float(), nullable=True, comment="What the tokens cost; none where a price is not known"))
    op.add_column(
        "run", sa.Column("started_at", sa.DateTime(timezone=True), nullable=True, comment="When a process first began to work on it (UTC)")
    )
    op.add_column(
        "run", sa.Column("first_token_at", sa.DateTime(timezone=True), nullable=True, comment="When the answer's first token came (UTC)")
    )
    op.alter_column(
        "run",
        "asked_id",
        existing_type=sa.UUID(),
        nullable=True,
        comment="The message in the transcript that it answers; none when it goes on after a question",
        existing_comment="The message in the transcript that it answers",
    )
    op.alter_column(
        "run",
        "owner",
        existing_type=sa.UUID(),
        comment="The process that works on it, or that will when it is its turn",
        existing_comment="The process that works on it",
        existing_nullable=True,
    )
    op.drop_index("run_turn_lock", table_name="run", postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.create_index("ix_run_parent_id", "run", ["parent_id"], unique=False)
    op.create_index(
        "run_turn", "run", ["session_id"], unique=True, postgresql_where=sa.text("status IN ('queued', 'running') AND NOT waiting")
    )
    op.create_index("run_waiting", "run", ["session_id", "id"], unique=False, postgresql_where=sa.text("waiting"))
    op.add_column(
        "session",
        sa.Column(
            "naming",
            sa.String(8),
            nullable=False,
            server_default="done",
            comment="open, words (the first message's), asked (a model is to name it) or done",
        ),
    )
    op.add_column(
        "session",
        sa.Column(
            "head_run_id", sa.Uuid(), nullable=True, comment="The latest run of the branch that is shown; what follows goes on from it"
        ),
    )
    op.execute(_CHAIN)
    op.execute(_HEADS)
    op.execute(_CHECKPOINTS)


def downgrade() -> None:
    op.execute("DELETE FROM run WHERE waiting")
    op.execute("UPDATE run SET asked_id = message_id WHERE asked_id IS NULL")
    op.drop_column("session", "head_run_id")
    op.drop_column("session", "naming")
    op.drop_index("run_waiting", table_name="run", postgresql_where=sa.text("waiting"))
    op.drop_index("run_turn", table_name="run", postgresql_where=sa.text("status IN ('queued', 'running') AND NOT waiting"))
    op.drop_index("ix_run_parent_id", table_name="run")
    op.create_index("run_turn_lock", "run", ["session_id"], unique=True, postgresql_where=sa.text("status IN ('queued', 'running')"))
    op.alter_column(
        "run",
        "owner",
        existing_type=sa.UUID(),
        comment="The process that works on it",
        existing_comment="The process that works on it, or that will when it is its turn",
        existing_nullable=True,
    )
    op.alter_column(
        "run",
        "asked_id",
        existing_type=sa.UUID(),
        nullable=False,
        comment="The message in the transcript that it answers",
        existing_comment="The message in the transcript that it answers; none when it goes on after a question",
    )
    op.drop_column("run", "first_token_at")
    op.drop_column("run", "started_at")
    op.drop_column("run", "cost_usd")
    op.drop_column("run", "cached_tokens")
    op.drop_column("run", "reasoning_tokens")
    op.drop_column("run", "crashes")
    op.drop_column("run", "background")
    op.drop_column("run", "waiting")
    op.drop_column("run", "checkpoint")
    op.drop_column("run", "from_checkpoint")
    op.drop_column("run", "parent_id")
    op.alter_column(
        "message",
        "status",
        existing_type=sa.VARCHAR(length=16),
        comment="completed, failed or cancelled",
        existing_comment="completed, interrupted, failed or cancelled",
        existing_nullable=False,
    )
    op.drop_table("tool_start")
    op.drop_index("ix_interrupt_run_id", table_name="interrupt")
    op.drop_index("ix_interrupt_resumed_by", table_name="interrupt")
    op.drop_index("interrupt_open", table_name="interrupt", postgresql_where=sa.text("outcome = 'open'"))
    op.drop_table("interrupt")
