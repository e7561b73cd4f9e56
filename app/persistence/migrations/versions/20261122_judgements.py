"""What judges say of answers, and what they cost in a day."""

import sqlalchemy as sa
from alembic import op

revision = "f3c8a1d6b274"
down_revision = "d5b8e2f47a90"
branch_labels = None
depends_on = None

# The counters of quotas are made from the ledger, of which what judges cost is no user's.
_ALL = "WHERE model_call.user_id = whose"
_CHARGED = "WHERE purpose <> ''judge'' AND model_call.user_id = whose"
_CHANGE = "DO $$ BEGIN EXECUTE replace(pg_get_functiondef('quota_now'::regproc), '{}', '{}'); END $$"


def upgrade() -> None:
    op.create_table(
        "judgement",
        sa.Column("run_id", sa.Uuid(), nullable=False, comment="The run whose answer was judged"),
        sa.Column("metric", sa.String(100), nullable=False, comment="What it was judged for: a judge's name"),
        sa.Column("value", sa.Float(), nullable=True, comment="From 0 to 1, which is good; none where it could not be judged"),
        sa.Column("error", sa.String(64), nullable=False, comment="Stable code of why it could not be judged; empty where it was"),
        sa.Column("judge", sa.String(200), nullable=False, comment="Name of the model that judged"),
        sa.Column("cost_usd", sa.Numeric(), nullable=True, comment="What it cost; none where that is not known"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was judged (UTC)"),
        sa.ForeignKeyConstraint(["run_id"], ["run.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("run_id", "metric"),
        comment="What a model said of an answer that it judged: for each metric once",
    )
    op.create_index("model_call_judged", "model_call", ["created_at"], postgresql_where=sa.text("purpose = 'judge'"))
    op.execute(_CHANGE.format(_ALL, _CHARGED))


def downgrade() -> None:
    op.execute(_CHANGE.format(_CHARGED, _ALL))
    op.drop_index("model_call_judged", table_name="model_call")
    op.drop_table("judgement")
