"""What every table keeps to: words for people, time with its zone, ids that cannot be guessed, and no orphans."""

import ast
import builtins
import re
from collections.abc import Iterator
from textwrap import dedent

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import UUID as POSTGRES_UUID

from app.persistence import tables
from app.persistence.migrate import sqlalchemy_url
from app.persistence.tables import METADATA
from app.settings import ROOT

TABLES = [
    *("api_key", "attachment", "attachment_blob", "audit", "chore_done", "export", "export_chunk", "feedback", "identity", "interrupt"),
    *("judgement", "login", "login_failure", "message", "message_attachment", "model_call", "quota", "run", "run_event", "session"),
    *("session_config", "tool_start", "user", "webhook", "webhook_delivery"),
]
# Those that belong to nobody.
ROOTS = {"audit", "chore_done", "login_failure", "user"}
# mem0's, which it reads and writes by SQL of its own.
MEMORY = {"memory", "memory_embedder"}
# What LangGraph names, which are no ids of ours.
LANGGRAPHS = {("interrupt", "id"), ("tool_start", "task_id")}


@pytest.fixture
def schema(database_url: str) -> Iterator[sa.Inspector]:
    """The database as it is, whatever the code says."""
    engine = sa.create_engine(sqlalchemy_url(database_url), poolclass=sa.NullPool)
    with engine.connect() as connection:
        yield sa.inspect(connection)


def test_these_are_the_tables(schema: sa.Inspector) -> None:
    assert sorted(METADATA.tables) == TABLES
    ours = {name for name in schema.get_table_names() if not name.startswith(("checkpoint", "procrastinate_"))}
    assert ours == {*TABLES, *MEMORY, "alembic_version"}


@pytest.mark.parametrize("table", TABLES)
def test_a_table_and_each_of_its_columns_say_what_they_are_for(schema: sa.Inspector, table: str) -> None:
    assert schema.get_table_comment(table)["text"]
    assert [column["name"] for column in schema.get_columns(table) if not column["comment"]] == []


@pytest.mark.parametrize("table", TABLES)
def test_moments_have_their_zone_and_ids_are_uuids(schema: sa.Inspector, table: str) -> None:
    for column in schema.get_columns(table):
        kind = column["type"]
        if column["name"].endswith("_at"):
            assert isinstance(kind, sa.DateTime), column["name"]
            assert kind.timezone, column["name"]
        if (column["name"] == "id" or column["name"].endswith("_id")) and (table, column["name"]) not in LANGGRAPHS:
            assert isinstance(kind, POSTGRES_UUID), column["name"]


@pytest.mark.parametrize("table", TABLES)
def test_whatever_belongs_to_something_goes_with_it(schema: sa.Inspector, table: str) -> None:
    keys = schema.get_foreign_keys(table)
    assert table in ROOTS or keys
    assert all(key["options"].get("ondelete") == "CASCADE" for key in keys)


@pytest.mark.parametrize("table", TABLES)
def test_what_a_cascade_looks_for_has_an_index(schema: sa.Inspector, table: str) -> None:
    """Without one, deleting a session would read every message of everybody."""
    indexed = {index["column_names"][0] for index in schema.get_indexes(table)} | {
        schema.get_pk_constraint(table)["constrained_columns"][0]
    }
    assert {key["constrained_columns"][0] for key in schema.get_foreign_keys(table)} <= indexed


def test_the_recipe_of_a_table_uses_what_there_is_beside_the_others() -> None:
    recipe = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## A table\n")[2]
    [row] = re.findall(r"```python\n(   class NoteRow.*?)```", recipe, re.DOTALL)
    names = {node.id for node in ast.walk(ast.parse(dedent(row))) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    assert {"column", "now"} <= names
    assert names <= {*vars(tables), *vars(builtins)}
