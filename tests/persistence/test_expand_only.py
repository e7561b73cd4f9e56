"""Migrations since the release before this one only expand; one that contracts says since when nobody uses what it takes away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import Script

from app.persistence import migrate
from tests.persistence.expanding import losses
from tests.previous import revisions, unpack

_CONTRACTS = "unused_since"


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The revisions of the release before."""
    return revisions(unpack(tmp_path_factory.mktemp("before")))


@pytest.fixture
def new(known: set[str]) -> Sequence[Script]:
    """The revisions since then, newest first."""
    return [script for script in migrate._scripts().walk_revisions() if script.revision not in known]


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Every statement that SQLAlchemy sends meanwhile."""
    statements = list[str]()

    def hear(_connection: object, _cursor: object, statement: str, *_: Any) -> None:
        statements.append(statement)

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    try:
        yield statements
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", hear)


@pytest.fixture
def at_the_release_before(database_url: str, new: Sequence[Script]) -> str:
    migrate.down(database_url, str(new[-1].down_revision))
    return database_url


def test_there_are_migrations_since_the_release_before(known: set[str], new: Sequence[Script]) -> None:
    assert known
    assert new, "the release that is kept has all of them: keep an earlier one"


def test_migrations_since_then_take_nothing_away(at_the_release_before: str, new: Sequence[Script]) -> None:
    for script in reversed(new):
        with _heard() as statements:
            migrate.up(at_the_release_before, script.revision)
        assert any("alembic_version" in statement for statement in statements), script.path
        assert hasattr(script.module, _CONTRACTS) or [*losses(statements)] == [], script.path


def test_what_is_taken_away_was_not_used_by_the_release_before(known: set[str], new: Sequence[Script]) -> None:
    contracts = {script.path: getattr(script.module, _CONTRACTS) for script in new if hasattr(script.module, _CONTRACTS)}
    assert [path for path, revision in contracts.items() if revision not in known] == [], "its servers may still use it"


@pytest.mark.parametrize(
    ("statement", "rule"),
    [
        ("DROP TABLE session", "drops"),
        ("DROP VIEW memory_open", "drops"),
        ("DROP FUNCTION quota_now", "drops"),
        ("DO $$ BEGIN DROP TABLE session; END $$", "drops"),
        ("DROP INDEX CONCURRENTLY run_turn", "drops an index"),
        ("TRUNCATE run_event", "empties"),
        ("ALTER TABLE session DROP COLUMN name", "drops"),
        ("ALTER TABLE session DROP name", "drops"),
        ("ALTER TABLE IF EXISTS public.session ADD x int, DROP name", "drops"),
        ("ALTER TABLE session DROP CONSTRAINT one", "drops"),
        ("ALTER TABLE session RENAME name TO title", "renames"),
        ("ALTER TABLE session RENAME TO conversation", "renames"),
        ("ALTER INDEX run_turn RENAME TO turn", "renames"),
        ("ALTER TABLE session ALTER COLUMN name TYPE text", "changes a type"),
        ('ALTER TABLE "user"\n  ALTER email SET DATA TYPE text', "changes a type"),
        ("ALTER TABLE session ALTER COLUMN name SET NOT NULL", "has old columns filled"),
        ("ALTER TABLE session ALTER COLUMN name DROP DEFAULT", "drops a default"),
        ("ALTER TABLE session ADD COLUMN colour text NOT NULL", "wants a column"),
        ("ALTER TABLE session ADD colour text NOT NULL", "wants a column"),
        ("ALTER TABLE session ADD CONSTRAINT one CHECK (name <> '')", "refuses rows"),
        ("ALTER TABLE session ADD FOREIGN KEY (id, name) REFERENCES run (id, name)", "refuses rows"),
        ("CREATE UNIQUE INDEX one ON session (name)", "refuses rows"),
    ],
)
def test_what_takes_something_away_is_found(statement: str, rule: str) -> None:
    found = [*losses([statement])]
    assert found
    assert found[0].startswith(rule)


@pytest.mark.parametrize(
    "statements",
    [
        [
            "CREATE TABLE note (id uuid NOT NULL)",
            "CREATE UNIQUE INDEX one ON note (id)",
            "ALTER TABLE note ADD CONSTRAINT one CHECK (true)",
        ],
        ["ALTER TABLE \"user\" ADD COLUMN tier VARCHAR(64) DEFAULT 'free' NOT NULL"],
        ["ALTER TABLE session ADD COLUMN colour text"],
        ["ALTER TABLE session ADD mine uuid NOT NULL GENERATED ALWAYS AS (id) STORED"],
        ["ALTER TABLE session ALTER COLUMN name DROP NOT NULL"],
        ["ALTER TABLE session ALTER COLUMN name SET DEFAULT ''"],
        ["CREATE INDEX CONCURRENTLY one ON session (name)"],
        ["COMMENT ON TABLE session IS 'What the renamed DROP TABLE was'"],
        ["INSERT INTO note (id) VALUES (1)", "UPDATE session SET naming = 'done'"],
    ],
)
def test_what_only_adds_is_let_be(statements: list[str]) -> None:
    assert [*losses(statements)] == []
