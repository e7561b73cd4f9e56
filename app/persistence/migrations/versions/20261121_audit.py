"""Who did what to whom and from where, in a log to which rows can only be added."""

import sqlalchemy as sa
from alembic import op

revision = "e1a2b3c4d5f6"
down_revision = "d90b7c41e6f2"
branch_labels = None
depends_on = None

# An erasure takes the person out of it, and what is too old goes; both say in their own transaction that they do that.
_GUARD = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('milepost.audit', true), '') <> 'retention' THEN
        RAISE EXCEPTION 'audit is append-only';
    END IF;
    RETURN coalesce(NEW, OLD);
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
"""


def upgrade() -> None:
    op.add_column("audit", sa.Column("user_id", sa.Uuid(), comment="Whom it is about, while there is an account"))
    op.add_column("audit", sa.Column("actor_id", sa.Uuid(), comment="Who did it, while there is an account; none is an operator"))
    op.add_column("audit", sa.Column("address", sa.String(64), comment="From which network address"))
    op.create_index("audit_user", "audit", ["user_id", "id"], postgresql_where=sa.text("user_id IS NOT NULL"))
    op.create_index("audit_actor", "audit", ["actor_id", "id"], postgresql_where=sa.text("actor_id IS NOT NULL"))
    op.execute(_GUARD)


def downgrade() -> None:
    op.execute("DROP TRIGGER audit_is_append_only ON audit")
    op.execute("DROP FUNCTION audit_is_append_only()")
    op.drop_index("audit_actor", "audit")
    op.drop_index("audit_user", "audit")
    for column in ("address", "actor_id", "user_id"):
        op.drop_column("audit", column)
