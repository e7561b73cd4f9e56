"""The ledger of model calls."""

import sqlalchemy as sa
from alembic import op

revision = "8f0d3c5b71a6"
down_revision = "15cb87b2c230"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_call",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7); the same however often the call is told"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="For whom the model was asked"),
        sa.Column("session_id", sa.Uuid(), nullable=True, comment="The conversation it was made for, be it that this is gone"),
        sa.Column("run_id", sa.Uuid(), nullable=True, comment="The run that made it, be it that this is gone; none for a job"),
        sa.Column(
            "attempt", sa.Integer(), nullable=True, comment="The attempt that ended the run; the call may be one of an attempt before it"
        ),
        sa.Column("model", sa.String(200), nullable=False, comment="Name of the model that was asked"),
        sa.Column("purpose", sa.String(16), nullable=False, comment="answer, naming, memory, summary or judge"),
        sa.Column("input_tokens", sa.Integer(), nullable=False, comment="Tokens the model read"),
        sa.Column("output_tokens", sa.Integer(), nullable=False, comment="Tokens the model wrote"),
        sa.Column("cached_tokens", sa.Integer(), nullable=False, comment="Of the tokens read, those the provider had in its cache"),
        sa.Column("reasoning_tokens", sa.Integer(), nullable=False, comment="Of the tokens written, those thought and not said"),
        sa.Column("cost_usd", sa.Numeric(), nullable=True, comment="What it cost; none where that is not known"),
        sa.Column("latency_ms", sa.Integer(), nullable=False, comment="From the request to the end of the answer"),
        sa.Column("first_token_ms", sa.Integer(), nullable=True, comment="From the request to the first token, if one came"),
        sa.Column("from_cache", sa.Boolean(), nullable=False, comment="Answered from our own cache: nobody was paid"),
        sa.Column("error_code", sa.String(64), nullable=True, comment="Stable code of what went wrong, if it did"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the call began (UTC)"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="The ledger: each call of a model, and what it came to",
    )
    op.create_index("model_call_user_day", "model_call", ["user_id", "created_at"], unique=False)


def downgrade() -> None:
    op.drop_index("model_call_user_day", table_name="model_call")
    op.drop_table("model_call")
