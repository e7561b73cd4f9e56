"""What Alembic runs; `app.persistence.migrate` hands it the connection."""

from typing import Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from sqlmodel.sql.sqltypes import AutoString

from app.persistence import tables
from app.persistence.migrate import is_ours


def _plain(kind: str, item: object, _context: AutogenContext) -> str | Literal[False]:
    """Write sqlmodel's own string type as what it is in the database."""
    if kind != "type" or not isinstance(item, AutoString):
        return False
    return f"sa.String({item.length or ''})"


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=tables.METADATA,
    include_name=is_ours,
    render_item=_plain,
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
