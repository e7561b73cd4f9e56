"""Images and text files that are sent with messages."""

import sqlalchemy as sa
from alembic import op

revision = "e7a25d90c4b1"
down_revision = "c4a7d2e91b60"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "attachment_blob",
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who sent it"),
        sa.Column("sha256", sa.String(64), nullable=False, comment="Of the content, in hex"),
        sa.Column("content", sa.LargeBinary(), nullable=True, comment="The bytes; none where they are kept in a folder"),
        sa.ForeignKeyConstraint(["user_id"], ["user.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("user_id", "sha256"),
        comment="What attachments hold: once for each user, however often it is sent",
    )
    # Images are compressed already.
    op.execute("ALTER TABLE attachment_blob ALTER COLUMN content SET STORAGE EXTERNAL")
    op.create_table(
        "attachment",
        sa.Column("id", sa.Uuid(), nullable=False, comment="Time-ordered (UUIDv7)"),
        sa.Column("user_id", sa.Uuid(), nullable=False, comment="Who sent it"),
        sa.Column("sha256", sa.String(64), nullable=False, comment="Of the content, in hex"),
        sa.Column("name", sa.String(200), nullable=False, comment="As the file was called"),
        sa.Column("media_type", sa.String(64), nullable=False, comment="What the content was found to be"),
        sa.Column("bytes", sa.Integer(), nullable=False, comment="How many the content has"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, comment="When it was uploaded (UTC)"),
        sa.ForeignKeyConstraint(["user_id", "sha256"], ["attachment_blob.user_id", "attachment_blob.sha256"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
        comment="An image or text file to send with messages",
    )
    op.create_index("attachment_blob_of", "attachment", ["user_id", "sha256"], unique=False)
    op.create_table(
        "message_attachment",
        sa.Column("message_id", sa.Uuid(), nullable=False, comment="The message it was sent with"),
        sa.Column("place", sa.Integer(), nullable=False, comment="Its place among those of the message, from 1"),
        sa.Column("attachment_id", sa.Uuid(), nullable=False, comment="What was sent"),
        sa.ForeignKeyConstraint(["message_id"], ["message.id"], ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["attachment_id"], ["attachment.id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("message_id", "place"),
        comment="Which attachments were sent with which message",
    )
    op.create_index("message_attachment_sent", "message_attachment", ["attachment_id"], unique=False)


def downgrade() -> None:
    op.drop_table("message_attachment")
    op.drop_table("attachment")
    op.drop_table("attachment_blob")
