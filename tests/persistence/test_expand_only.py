"""Migrations since the release before this one only expand; one that contracts says since when nobody uses what it takes away."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app.persistence import migrate
from tests.persistence.expanding import losses
from tests.previous import PREVIOUS, knew, migrations

_NEW = [script for script in migrate._scripts().walk_revisions() if Path(script.path).name not in migrations()]
_CONTRACTS = "unused_since"


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
def at_the_release_before(database_url: str) -> str:
    migrate.down(database_url, str(_NEW[-1].down_revision))
    return database_url


def test_there_are_migrations_since_the_release_before() -> None:
    assert _NEW, ".ci/previous-release names a commit that has all of them: choose an earlier one"


def test_migrations_since_then_take_nothing_away(at_the_release_before: str) -> None:
    for script in reversed(_NEW):
        with _heard() as statements:
            migrate.up(at_the_release_before, script.revision)
        assert any("alembic_version" in statement for statement in statements), script.path
        assert hasattr(script.module, _CONTRACTS) or [*losses(statements)] == [], script.path


def test_what_is_taken_away_was_not_used_by_the_release_before() -> None:
    contracts = {script.path: getattr(script.module, _CONTRACTS) for script in _NEW if hasattr(script.module, _CONTRACTS)}
    assert [path for path, commit in contracts.items() if not knew(commit)] == [], "its servers may still use it"


def test_a_commit_is_known_to_those_after_it() -> None:
    assert knew("HEAD") is False
    assert knew(PREVIOUS) is True
    assert knew(f"{PREVIOUS}~1") is True


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
