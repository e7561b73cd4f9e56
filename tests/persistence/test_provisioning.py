"""From an administrator's address, or by SQL for one, to a database that a server can use and that nobody else can."""

import io
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from app.cli import main
from app.persistence import migrate, revisions
from app.persistence.backups.programs import environment_for
from app.persistence.embedded import binaries
from app.settings import Settings
from tests.persistence.clients import ask

type Command = Callable[..., tuple[int, str, str]]

_RIGHTS = "SELECT rolsuper OR rolcreatedb OR rolcreaterole OR rolreplication OR rolbypassrls FROM pg_roles WHERE rolname = '{}'"
_HASH = "SELECT rolpassword FROM pg_authid WHERE rolname = '{}'"
_IS_THERE = "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = '{}')"
# Its maker became a member when it was made; its row is as old as its password. Or it might be there for good without one.
_AT_ONCE = """
SELECT role.xmin = member.xmin FROM pg_authid role JOIN pg_auth_members member ON member.roleid = role.oid AND member.grantor = 10
 WHERE rolname = '{}'
"""
_PASSWORD = "hidden-pässword"


@pytest.fixture
def wanted(postgres: str) -> Iterator[str]:
    """The address that a server is to have; its role and its database are not there yet."""
    name = f'mile"{uuid4().hex}'
    yield postgres.replace("postgres@/milepost?", f"{quote(name)}:{quote(_PASSWORD)}@/{quote(name)}?")
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
        connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(name)))


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], wanted: str, settings: Settings) -> Command:
    """`init-database`, to which an administrator is named by a pipe."""
    assert settings
    monkeypatch.setenv("DATABASE_URL", wanted)

    def give(*arguments: str, administrator: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{administrator}\n"))
        with pytest.raises(SystemExit) as left:
            main(["init-database", *arguments])
        return int(left.value.code or 0), *capsys.readouterr()

    return give


def _role(url: str) -> str:
    return str(ask(url, "SELECT current_user"))


def _is_ready(postgres: str, wanted: str) -> None:
    """For its owner, who may do nothing else; and for nobody besides."""
    assert migrate.check(wanted) == []
    role = _role(wanted)
    assert ask(postgres, _RIGHTS.format(role)) is False
    assert str(ask(postgres, _HASH.format(role))).startswith("SCRAM-SHA-256$")
    ask(postgres, "CREATE ROLE passer_by LOGIN")
    try:
        with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
            ask(wanted.replace(wanted.partition("://")[2].partition("@")[0], "passer_by"), "SELECT 1")
    finally:
        ask(postgres, "DROP ROLE passer_by")


def test_an_administrators_address_makes_all_of_it_once(command: Command, postgres: str, wanted: str) -> None:
    code, out, err = command(administrator=postgres)
    assert (code, err) == (0, ""), err
    assert out == f"Made: the role, the database. The schema is at {revisions.head()}.\n"
    _is_ready(postgres, wanted)
    assert command(administrator=postgres)[1].startswith("Made: nothing, for both are there.")


def test_a_database_where_all_might_make_tables_is_closed_to_them(command: Command, postgres: str, wanted: str) -> None:
    """As one is that came from a Postgres before 15."""
    assert command(administrator=postgres)[0] == 0
    inside = postgres.replace("/milepost?", f"/{quote(_role(wanted))}?")
    ask(inside, "GRANT CREATE ON SCHEMA public TO PUBLIC")
    assert command(administrator=postgres)[0] == 0
    assert ask(inside, "SELECT has_schema_privilege('public', 'public', 'CREATE')") is False
    assert ask(wanted, "SELECT has_schema_privilege('public', 'CREATE')") is True


def test_the_sql_makes_the_same(command: Command, postgres: str, wanted: str, tmp_path: Path) -> None:
    code, script, _ = command("--print")
    assert code == 0
    assert "hidden" not in script
    (tmp_path / "script.sql").write_text(script)
    # It asks for the password twice, and where there is no terminal, reads it.
    program = ["setsid", "--wait", str(binaries() / "psql"), "--no-psqlrc", "--quiet", f"--file={tmp_path / 'script.sql'}"]
    done = subprocess.run(  # noqa: S603  # Postgres' own program
        program, input=f"{_PASSWORD}\n" * 2, env=environment_for(postgres), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    ask(wanted, "SELECT 1")
    migrate.up(wanted)
    _is_ready(postgres, wanted)


def test_an_administrator_who_is_no_superuser_needs_one_for_the_extension_only(command: Command, postgres: str, wanted: str) -> None:
    ask(postgres, "CREATE ROLE manager LOGIN CREATEROLE CREATEDB")
    manager = postgres.replace("postgres@", "manager@")
    try:
        assert command(administrator=manager)[0] == 1
        assert ask(postgres, _AT_ONCE.format(_role(wanted))) is True
        inside = postgres.replace("/milepost?", f"/{quote(_role(wanted))}?")
        ask(inside, "CREATE EXTENSION vector")
        assert command(administrator=manager) == (0, f"Made: nothing, for both are there. The schema is at {revisions.head()}.\n", "")
        _is_ready(postgres, wanted)
    finally:
        ask(postgres, "REASSIGN OWNED BY manager TO postgres")
        ask(postgres, f'DROP DATABASE "{_quoted(wanted)}" WITH (FORCE)')
        ask(postgres, f'DROP OWNED BY manager, "{_quoted(wanted)}"')
        ask(postgres, f'DROP ROLE "{_quoted(wanted)}", manager')


def _quoted(wanted: str) -> str:
    return unquote(wanted.partition("@/")[2].partition("?")[0]).replace('"', '""')


def test_who_may_not_make_it_is_told_what_it_takes(command: Command, postgres: str) -> None:
    ask(postgres, "CREATE ROLE nobody_much LOGIN")
    code, out, err = command(administrator=postgres.replace("postgres@", "nobody_much@"))
    ask(postgres, "DROP ROLE nobody_much")
    assert (code, out) == (1, "")
    assert err == "The administrator may not do that: it takes CREATEROLE, CREATEDB, and for pgvector a superuser.\n"


@pytest.mark.parametrize("address", ["", "nonsense", "postgresql://root:secret@127.0.0.1:1/postgres"])
def test_an_address_that_leads_nowhere_is_said_so_without_its_password(command: Command, address: str) -> None:
    code, out, err = command(administrator=address)
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert "secret" not in err
    assert "DATABASE_URL" not in err


def test_without_an_administrator_nobody_is_taken_for_one(
    command: Command, postgres: str, wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """libpq would take whoever its own variables name."""
    for name, value in environment_for(postgres).items():
        monkeypatch.setenv(name, value)
    assert command() == (1, "", "Name an administrator by a postgresql:// address.\n")
    assert ask(postgres, _IS_THERE.format(conninfo_to_dict(wanted)["user"])) is False


def test_an_administrator_who_is_not_let_in_is_not_told_that_nobody_answers(command: Command, postgres: str) -> None:
    code, out, err = command(administrator=postgres.replace("postgres@", "nobody_known@"))
    assert (code, out) == (1, "")
    assert err.startswith("At the administrator's address no Postgres answers, or it lets them not in")


def test_an_address_without_a_role_and_a_database_is_refused(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1")
    code, _, err = command("--print")
    assert (code, err.startswith("DATABASE_URL must name the role and the database")) == (1, True)


def test_the_embedded_database_needs_nothing_of_this(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "")
    assert command("--print") == (1, "", "DATABASE_URL is empty: the embedded Postgres makes its own database.\n")
