"""A database with a user, a session and a picture in a folder, and another that is empty."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from app.cli import main
from tests.databases import new_database
from tests.persistence.clients import ask
from tests.pictures import png

PICTURE: Final = png()
_ROWS: Final = """
INSERT INTO "user" (id, email, password_hash, created_at) VALUES (gen_random_uuid(), 'ada@example.com', 'hash', now());
INSERT INTO session (id, user_id, name, created_at, updated_at) SELECT gen_random_uuid(), id, 'Mine', now(), now() FROM "user";
INSERT INTO attachment_blob (user_id, sha256) SELECT id, encode(sha256('{}'::bytea), 'hex') FROM "user";
"""

type Command = Callable[..., tuple[int, str]]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], settings: object) -> Command:
    """Give a command with some variables changed; its exit code, and all that it says."""
    assert settings

    def give(*arguments: object, **changed: str) -> tuple[int, str]:
        with monkeypatch.context() as patch:
            for name, value in changed.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as left:
                main([*map(str, arguments)])
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out + said.err

    return give


@pytest.fixture
def filled(database_url: str, variables_of_test: Mapping[str, str]) -> str:
    """The folder has the file that the row tells of."""
    ask(database_url, _ROWS.format("\\x" + PICTURE.hex()))
    path = ask(database_url, "SELECT user_id || '/' || sha256 FROM attachment_blob")
    file = Path(variables_of_test["DATA_DIR"], "attachments", str(path))
    file.parent.mkdir(parents=True)
    file.write_bytes(PICTURE)
    return database_url


@pytest.fixture
def empty(postgres: str) -> Iterator[str]:
    """Its name is one that a shell, an address and SQL each would take for something else."""
    with new_database(postgres, f"it's=\"{uuid4().hex}") as url:
        yield url


@pytest.fixture
def backup(command: Command, filled: str, tmp_path: Path) -> Path:
    """Of `filled`."""
    assert command("backup", tmp_path / "backups", DATABASE_URL=filled)[0] == 0
    [made] = (tmp_path / "backups").glob("milepost-*")
    return made
