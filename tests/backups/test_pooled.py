"""Behind a pool by transaction: backups, restores and whatever else is about a whole database go past it."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from app.persistence import migrate
from tests.backups.conftest import Command
from tests.persistence.clients import ask
from tests.scale.programs import PoolerProcess

# Nobody listens there: who goes to the pool all the same fails.
_DEAD_POOL: Final = "postgresql://postgres@127.0.0.1:1/none"


@pytest.fixture
def pooler(filled: str, tmp_path: Path) -> Iterator[PoolerProcess]:
    with PoolerProcess(tmp_path, filled, default_pool_size="1", min_pool_size="0") as pooler:
        yield pooler


@pytest.mark.proxy
def test_a_backup_leaves_the_backends_of_the_pool_as_they_were(
    command: Command, filled: str, pooler: PoolerProcess, tmp_path: Path
) -> None:
    code, said = command("backup", tmp_path / "backups", DATABASE_URL=pooler.url, DATABASE_DIRECT_URL=filled)
    assert (code, said.startswith("Wrote ")) == (0, True), said
    assert ask(pooler.url, "SHOW statement_timeout") == "30s"
    assert ask(filled, "SELECT name FROM chore_done") == "backup"


def test_a_restore_goes_past_the_pool(command: Command, backup: Path, empty: str) -> None:
    code, said = command("restore", backup, DATABASE_URL=_DEAD_POOL, DATABASE_DIRECT_URL=empty)
    assert (code, said.startswith("Restored ")) == (0, True), said
    assert ask(empty, "SELECT name FROM session") == "Mine"


def test_a_migration_goes_past_the_pool(command: Command, empty: str) -> None:
    assert command("migrate", "up", DATABASE_URL=_DEAD_POOL, DATABASE_DIRECT_URL=empty)[0] == 0
    assert migrate.check(empty) == []


def test_a_database_is_made_past_the_pool(command: Command, empty: str, postgres: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{postgres}\n"))
    code, said = command("init-database", DATABASE_URL=_DEAD_POOL, DATABASE_DIRECT_URL=empty)
    assert (code, said.startswith("Made: nothing, for both are there.")) == (0, True), said
    assert migrate.check(empty) == []
