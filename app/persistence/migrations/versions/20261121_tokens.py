"""Refresh tokens, wrong passwords, and verified emails."""

import sqlalchemy as sa
from alembic import op

revision = "a7c3d5e9f101"
down_revision = "c9e5f701b323"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)
_HASH = "argon2id, or bcrypt until they log in; empty for who comes from elsewhere"
_HASH_BEFORE = "argon2id, with its parameters; empty for who comes from elsewhere"
_OF_USER = {
    "email_verified_at": "When they showed that the email is theirs (UTC)",
    "reset_mailed_at": "When they were last sent a link for a new password (UTC)",
    "verification_mailed_at": "When they were last sent a link for that (UTC)",
}


def upgrade() -> None:
    for name, comment in _OF_USER.items():
        op.add_column("user", sa.Column(name, _MOMENT, comment=comment))
    _comment_on_hash(_HASH, _HASH_BEFORE)
    op.add_column("login", sa.Column("address", sa.String(64), comment="Of the client that came in"))
    op.add_column("login", sa.Column("user_agent", sa.String(200), comment="What the client calls itself"))
    op.add_column("login", sa.Column("refresh_hash", sa.LargeBinary(), comment="SHA-256 of the refresh token that is good now"))
    op.add_column(
        "login", sa.Column("previous_hash", sa.LargeBinary(), comment="The same of the one before, for a client that never saw the answer")
    )
    op.add_column(
        "login", sa.Column("successor", sa.LargeBinary(), comment="Who has the one before can read the one that is good now here")
    )
    op.add_column("login", sa.Column("refreshed_at", _MOMENT, comment="When the refresh token was given (UTC)"))
    op.create_table(
        "login_failure",
        sa.Column("key", sa.LargeBinary(), primary_key=True, comment="Of what: a keyed hash of an account, an address or both"),
        sa.Column("failures", sa.Integer(), nullable=False, comment="How often, without an hour's pause"),
        sa.Column("failed_at", _MOMENT, nullable=False, comment="The last time (UTC)"),
        comment="How often a password was wrong of late",
    )
    op.create_index("ix_login_failure_failed_at", "login_failure", ["failed_at"])


def downgrade() -> None:
    op.drop_table("login_failure")
    for name in ("refreshed_at", "successor", "previous_hash", "refresh_hash", "user_agent", "address"):
        op.drop_column("login", name)
    _comment_on_hash(_HASH_BEFORE, _HASH)
    for name in reversed(_OF_USER):
        op.drop_column("user", name)


def _comment_on_hash(comment: str, before: str) -> None:
    op.alter_column("user", "password_hash", existing_type=sa.String(255), existing_nullable=True, comment=comment, existing_comment=before)
