"""The commands that export and erase a user, without a server."""

import io
import json
from pathlib import Path
from zipfile import ZipFile

import psycopg
import pytest

from app.cli import main
from app.settings import Settings

EMAIL = "ada@example.com"
_ADD = """INSERT INTO "user" (id, email, password_hash, created_at) VALUES (gen_random_uuid(), %s, 'x', now())"""


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


def test_an_export_that_fails_leaves_no_file(settings: Settings, tmp_path: Path) -> None:
    with psycopg.connect(settings.database.url, autocommit=True) as connection:
        connection.execute(_ADD, [EMAIL])
        connection.execute("ALTER TABLE feedback RENAME TO feedback_of_another_time")
    file = tmp_path / "ada.zip"
    assert _run("export-user", EMAIL, "--output", str(file)) == 1
    assert not file.exists()


def test_an_operator_exports_and_erases_by_email(
    settings: Settings, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(settings.database.url, autocommit=True) as connection:
        connection.execute(_ADD, [EMAIL])
    file = tmp_path / "ada.zip"
    assert _run("export-user", "Ada@Example.com", "--output", str(file)) == 0
    assert file.stat().st_mode & 0o077 == 0
    with ZipFile(file) as zipped:
        assert json.loads(zipped.read("profile.json"))[0]["email"] == EMAIL
    assert _run("export-user", EMAIL, "--output", str(file)) == 1
    assert "File exists" in capsys.readouterr().err
    for typed, code in (("y\n", 1), (f"{EMAIL}\n", 0), (f"{EMAIL}\n", 1)):
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        assert _run("erase-user", EMAIL) == code
        said = capsys.readouterr()
        if code == 0:
            assert json.loads(said.out)["counts"]["user"] == 1
    assert "no account" in said.err
