"""Webhooks: addresses that are told when runs end, and what became of each telling."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "e4f1b2c3d5a7"
down_revision = "b8d4e6f0a212"
branch_labels = None
depends_on = None

_STATUSES = "Of runs that end so it is told: completed, failed, cancelled, interrupted"
_SALT = "With a key of the server's its secret is made from this; the secret is kept nowhere"
_ID = "Time-ordered (UUIDv7); what the receiver knows it by, however often it is tried"
_NEXT = "When it is to be tried; while it is, when whoever does so counts as dead (UTC)"


def upgrade() -> None:
    op.create_table(
        "webhook",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7)"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose it is"),
        sa.Column("session_id", sa.Uuid(), nullable=True, comment="The one conversation it is told of; none is all of the user's"),
        sa.Column("url", sa.String(2000), nullable=False, comment="Where it is told"),
        sa.Column("statuses", postgresql.ARRAY(sa.String(16)), nullable=False, comment=_STATUSES),
        sa.Column("include_message", sa.Boolean(), nullable=False, comment="It is told what was said, too"),
        sa.Column("is_on", sa.Boolean(), nullable=False, comment="It is told at all"),
        sa.Column("off_reason", sa.String(16), nullable=True, comment="Why it was switched off: by_user, failing, gone or password_reset"),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True, comment="First failure since it last took anything (UTC)"),
        sa.Column("salt", sa.LargeBinary(), nullable=False, comment=_SALT),
        sa.Column("key_name", sa.String(16), nullable=False, comment="Which of the server's keys"),
        sa.Column("old_salt", sa.LargeBinary(), nullable=True, comment="The same of its secret before, which signs too until that ends"),
        sa.Column("old_key_name", sa.String(16), nullable=True, comment="Which of the server's keys that was"),
        sa.Column("old_ends_at", sa.DateTime(timezone=True), nullable=True, comment="When the secret before ends (UTC)"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was made (UTC)"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When its user last changed it (UTC)"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["session_id"], ["session.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="An address of a user's own that is told when runs end",
    )
    op.create_index(op.f("ix_webhook_user_id"), "webhook", ["user_id"])
    op.create_index(op.f("ix_webhook_session_id"), "webhook", ["session_id"])
    op.create_table(
        "webhook_delivery",
        sa.Column("id", sa.Uuid(), nullable=False, comment=_ID),
        sa.Column("webhook_id", sa.Uuid(), nullable=False, comment="Who is told"),
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="Of which run"),
        sa.Column("event", sa.String(32), nullable=False, comment="What became of the run: run.completed and its like"),
        sa.Column("status", sa.String(16), nullable=False, comment="waiting, trying, delivered or failed"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="How often it was tried; what a try writes carries it"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="Tries that failed since it was last asked for"),
        sa.Column("tries", postgresql.JSONB(), nullable=False, comment="The latest tries: attempt, at, http_status, ms, error"),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False, comment=_NEXT),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When the run's end was heard of (UTC)"),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True, comment="When it was delivered or given up (UTC)"),
        sa.ForeignKeyConstraint(["webhook_id"], ["webhook.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="One run's end told to one webhook",
    )
    op.create_index("webhook_delivery_once", "webhook_delivery", ["run_id", "webhook_id"], unique=True)
    op.create_index("webhook_delivery_newest", "webhook_delivery", ["webhook_id", sa.text("id DESC")])
    is_open = sa.text("status IN ('waiting', 'trying')")
    op.create_index("webhook_delivery_due", "webhook_delivery", ["next_at"], postgresql_where=is_open)


def downgrade() -> None:
    op.drop_table("webhook_delivery")
    op.drop_table("webhook")
