"""The commands for accounts, without a server."""

import io
import json

import pytest

from app.cli import main
from app.settings import Settings

ADMIN = "root@example.com"
PASSWORD = "Analytical-1"


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


@pytest.mark.usefixtures("made")
def test_users_are_listed_and_changed_by_email_and_all_of_it_is_in_the_log(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (("set", ADMIN, "--tier", "pro"), ("disable", ADMIN), ("enable", ADMIN), ("revoke", ADMIN)):
        assert _run("users", *arguments) == 0
    capsys.readouterr()
    assert _run("users", "list", "--tier", "pro") == 0
    assert json.loads(capsys.readouterr().out)["email"] == ADMIN
    assert _run("audit") == 0
    entries = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(entry["event"], entry["details"]) for entry in entries] == [
        ("tokens_revoked", {"logins": 0, "api_keys": 0}),
        ("account_changed", {"disabled": False}),
        ("account_changed", {"disabled": True}),
        ("account_changed", {"tier": "pro"}),
        ("account_changed", {"role": "admin"}),
    ]
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
