"""The commands for accounts, without a server."""

import io
import json
import re
import subprocess
import sys
from typing import Final

import psycopg
import pytest
from pwdlib.hashers.argon2 import Argon2Hasher

from app.cli import main
from app.settings import Settings

ADMIN = "root@example.com"
PASSWORD = "Analytical-1"
NEW = "Difference-2"
_LOG_IN: Final = """
INSERT INTO login (id, user_id, refresh_hash, refreshed_at, created_at) SELECT gen_random_uuid(), id, 'x', now(), now() FROM "user"
"""


def _run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        main(arguments)
    return int(left.value.code or 0)


@pytest.fixture
def made(settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert _run("create-admin", ADMIN) == 0
    assert json.loads(capsys.readouterr().out)["role"] == "admin"
    return settings.database.url


@pytest.mark.usefixtures("made")
def test_an_administrator_is_made_once(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{PASSWORD}\n"))
    assert _run("create-admin", ADMIN) == 1
    assert "already" in capsys.readouterr().err


@pytest.mark.usefixtures("settings")
def test_a_weak_password_makes_nobody(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert _run("create-admin", ADMIN) == 1
    said = capsys.readouterr()
    assert "a digit" in said.err
    assert "secret" not in said.err
    assert _run("users") == 0
    assert capsys.readouterr().out == ""


def test_a_password_is_set_which_ends_all_logins_and_is_in_the_log(
    made: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(made, autocommit=True) as connection:
        connection.execute(_LOG_IN)
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{NEW}\n"))
        assert _run("set-password", ADMIN.upper()) == 0
        said = capsys.readouterr()
        assert said.out == f"{ADMIN} has the new password. Ended: 1 logins.\n"
        assert NEW not in said.err
        [(kept,)] = connection.execute("""SELECT password_hash FROM "user" """).fetchall()
        assert (Argon2Hasher().verify(NEW, kept), Argon2Hasher().verify(PASSWORD, kept)) == (True, False)
        assert connection.execute("SELECT count(*) FROM login WHERE revoked_at IS NULL").fetchone() == (0,)
    assert _run("audit", "--user", ADMIN, "--event", "password_changed") == 0
    entry = json.loads(capsys.readouterr().out)
    assert (entry["actor_id"], entry["details"]) == (None, {"logins": 1})


@pytest.mark.parametrize(("email", "password", "words"), [(ADMIN, "secret", "a digit"), ("nobody@example.com", NEW, "no account")])
def test_a_password_that_cannot_be_set_changes_nothing(
    email: str, password: str, words: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, made: str
) -> None:
    with psycopg.connect(made, autocommit=True) as connection:
        kept = connection.execute("""SELECT password_hash FROM "user" """).fetchall()
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{password}\n"))
        assert _run("set-password", email) == 1
        assert words in capsys.readouterr().err
        assert connection.execute("""SELECT password_hash FROM "user" """).fetchall() == kept


@pytest.mark.usefixtures("made")
def test_users_are_listed_and_changed_by_email_and_all_of_it_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("set", ADMIN, "--tier", "pro"), ("disable", ADMIN), ("enable", ADMIN), ("revoke", ADMIN)):
        assert _run("users", *arguments) == 0
    capsys.readouterr()
    assert _run("users", "list", "--tier", "pro") == 0
    assert json.loads(capsys.readouterr().out)["email"] == ADMIN
    assert _run("users", "list", "--disabled") == 0
    assert capsys.readouterr().out == ""
    assert _run("audit") == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["event"], entry["details"]) for entry in entries] == [
        ("tokens_revoked", {"logins": 0, "api_keys": 0}),
        ("account_changed", {"disabled": False}),
        ("account_changed", {"disabled": True}),
        ("account_changed", {"tier": "pro"}),
        ("account_changed", {"role": "admin"}),
        ("registered", {}),
    ]
    assert all(re.fullmatch(r"[-0-9]{10}T[:0-9]{8}(\.\d+)?Z", entry["created_at"]) for entry in entries), "as the API tells moments"
    assert _run("audit", "--user", ADMIN, "--event", "registered") == 0
    assert json.loads(capsys.readouterr().out)["user_id"] == entries[0]["user_id"]
    assert _run("audit", "--event", "tokens_revoked", "--since", "2999-01-01") == 0
    assert capsys.readouterr().out == ""


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set", ADMIN), "--tier or --role"),
        (("set", ADMIN, "--tier", "gold"), "free"),
        (("disable", "nobody@example.com"), "no account"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("users", *arguments) == 1
    said = capsys.readouterr().err
    assert words in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("audit", "--since", "x"), "'x' is no moment; say it as 2026-11-01 or 2026-11-01T12:00+01:00"),
        (("audit", "--event", "nonsense"), "there is no event 'nonsense'; there are account_changed, api_key_made"),
        (("users", "set", ADMIN, "--role", "king"), "choose from"),
    ],
)
def test_what_makes_no_sense_is_told_what_would(arguments: tuple[str, ...], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(*arguments) == 2
    assert words in capsys.readouterr().err


def test_the_commands_for_accounts_import_no_model_and_no_sign_in() -> None:
    look = (
        "import sys, app.operating; sys.exit(any(name in sys.modules for name in ('openai', 'langchain_core', 'aiohttp', 'procrastinate')))"
    )
    assert subprocess.run([sys.executable, "-c", look], check=False).returncode == 0  # noqa: S603  # our own words


def test_a_backup_is_noted(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("note-backup") == 0
    assert capsys.readouterr().out == "Noted.\n"
    with psycopg.connect(settings.database.url) as connection:
        noted = connection.execute("SELECT name, now() - done_at < interval '30 s' FROM chore_done").fetchall()
    assert noted == [("backup", True)]


def test_a_backup_that_cannot_be_noted_is_an_error(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with psycopg.connect(settings.database.url, autocommit=True) as connection:
        connection.execute("DROP TABLE chore_done")
    assert _run("note-backup") == 1
    assert capsys.readouterr() == ("", "The database's schema is not the one this server needs.\n")
