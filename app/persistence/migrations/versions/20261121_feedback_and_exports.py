"""What people think of answers, and a user's export."""

import sqlalchemy as sa
from alembic import op

revision = "c4a7d2e91b60"
down_revision = "e47a90c15d3b"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "feedback",
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="The answer it is about"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who thinks so"),
        sa.Column("score", sa.SmallInteger(), nullable=False, comment="1 for a good answer, -1 for a bad one"),
        sa.Column("comment", sa.String(2000), nullable=False, comment="Why, in their words; empty where they said none"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When they first said it (UTC)"),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False, comment="When they last said it (UTC)"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id"),
        comment="What a user thinks of an answer",
    )
    op.create_index(op.f("ix_feedback_user_id"), "feedback", ["user_id"])
    op.create_table(
        "export",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7)"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Whose data it holds"),
        sa.Column("attempt", sa.Integer(), nullable=False, comment="Which try this is; every write of a try carries it"),
        sa.Column("bytes", sa.BigInteger(), nullable=True, comment="How large it is; none until it is whole"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was asked for (UTC)"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("user_id"),
        comment="All that is kept of a user, as a ZIP for them to take away",
    )
    op.create_table(
        "export_chunk",
        sa.Column("export_id", sa.Uuid(), nullable=False, comment="The export it is a part of"),
        sa.Column("number", sa.Integer(), nullable=False, comment="Its place, from 0"),
        sa.Column("piece", sa.LargeBinary(), nullable=False, comment="Consecutive bytes of the ZIP"),
        sa.ForeignKeyConstraint(["export_id"], ["export.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("export_id", "number"),
        comment="The export's bytes, where every server finds them",
    )


def downgrade() -> None:
    op.drop_table("export_chunk")
    op.drop_table("export")
    op.drop_index(op.f("ix_feedback_user_id"), table_name="feedback")
    op.drop_table("feedback")
