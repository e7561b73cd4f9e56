"""`backup` writes a whole backup or none, and says in one line why none."""

import json
import signal
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import psycopg
import pytest

from app.persistence import revisions
from app.persistence.backups.folder import new_backup, prune
from app.persistence.embedded import binaries
from app.settings import ROOT
from tests.backups.conftest import Command
from tests.persistence.clients import ask, eventually, nobody_uses

_REFUSED: Final = "The database server is not answering or refuses us: `python -m app doctor` says which.\n"
_SECONDS: Final = 40
_LATE: Final = """
INSERT INTO session (id, user_id, name, created_at, updated_at) SELECT gen_random_uuid(), id, 'Late', now(), now() FROM "user"
"""
_OLD: Final = "milepost-2026010{}T000000Z"


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("milepost-*"))


def _program(folder: Path, name: str, script: str) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o700)


def test_a_backup_says_what_is_in_it(backup: Path, filled: str) -> None:
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["revision"] == revisions.head()
    assert manifest["server"] == int(str(ask(filled, "SHOW server_version_num"))) // 10_000
    assert manifest["made_at"].endswith("Z")
    assert manifest["attachment_files"] == 1
    assert {name: manifest["tables"][f"public.{name}"] for name in ("user", "session", "run")} == {"user": 1, "session": 1, "run": 0}


def test_its_sums_can_be_checked_without_us_and_nobody_else_can_read_it(backup: Path) -> None:
    checked = subprocess.run(["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=backup, capture_output=True, text=True, check=False)  # noqa: S607
    assert checked.returncode == 0, checked.stderr
    assert checked.stdout.count(": OK\n") == 3
    assert {stat.S_IMODE(path.stat().st_mode) & 0o077 for path in (backup.parent, backup, *backup.iterdir())} == {0}


@pytest.mark.usefixtures("backup")
def test_it_is_noted(filled: str) -> None:
    assert ask(filled, "SELECT name FROM chore_done") == "backup"


def test_the_newest_are_kept_and_nothing_else_is_touched(command: Command, filled: str, tmp_path: Path) -> None:
    for day in (1, 2, 3):
        (tmp_path / "backups" / _OLD.format(day)).mkdir(parents=True)
    (tmp_path / "backups" / "milepost-notes").mkdir()
    (tmp_path / "backups" / "film.partial").touch()
    (tmp_path / "backups" / "films.partial").mkdir()
    code, said = command("backup", tmp_path / "backups", "--keep", 2, DATABASE_URL=filled)
    assert (code, said.endswith(" Deleted: 2 old ones.\n")) == (0, True)
    [*kept, notes] = _names(tmp_path / "backups")
    assert (kept[0], len(kept), notes) == (_OLD.format(3), 2, "milepost-notes")
    assert len([*(tmp_path / "backups").glob("film*.partial")]) == 2


def test_old_ones_that_cannot_be_deleted_make_no_backup_less_of_one(command: Command, filled: str, tmp_path: Path) -> None:
    (tmp_path / "backups" / _OLD.format(1)).mkdir(parents=True)
    (tmp_path / "backups" / f"{_OLD.format(1)}.partial").touch()  # in the way
    code, said = command("backup", tmp_path / "backups", "--keep", 1, DATABASE_URL=filled)
    assert (code, said.startswith("The backup was made, but old ones cannot be deleted: ")) == (1, True), said
    assert ask(filled, "SELECT name FROM chore_done") == "backup"
    assert len([*(tmp_path / "backups").glob("milepost-*Z")]) == 2


def test_who_makes_another_meanwhile_deletes_the_old_ones(tmp_path: Path) -> None:
    for day in (1, 2):
        (tmp_path / _OLD.format(day)).mkdir()
    with new_backup(tmp_path) as partial:
        for name in ("attachments.tar", "database.dump", "manifest.json"):
            (partial / name).touch()
        assert prune(tmp_path, 1) == 0
    assert prune(tmp_path, 1) == 2


def test_a_killed_try_of_a_backup_leaves_no_database_behind(
    command: Command, filled: str, variables_of_test: Mapping[str, str], tmp_path: Path
) -> None:
    into = tmp_path / "backups"
    arguments = [sys.executable, "-m", "app", "backup", str(into), "--verify"]
    process = subprocess.Popen(arguments, cwd=ROOT, env={**variables_of_test, "DATABASE_URL": filled})  # noqa: S603
    assert eventually(lambda: any(into.rglob("PG_VERSION")), _SECONDS)
    process.kill()
    process.wait()
    assert eventually(lambda: nobody_uses(into), _SECONDS)
    code, said = command("backup", into, DATABASE_URL=filled)
    assert code == 0, said
    assert not any(into.rglob("PG_VERSION"))


def test_it_can_be_restored_before_it_counts(command: Command, filled: str, tmp_path: Path, variables_of_test: Mapping[str, str]) -> None:
    code, said = command("backup", tmp_path, "--verify", DATABASE_URL=filled)
    assert (code, "restored it elsewhere and compared" in said) == (0, True)
    [kept] = _names(tmp_path)
    [file] = Path(variables_of_test["DATA_DIR"], "attachments").glob("*/*")
    file.write_bytes(b"another")
    code, said = command("backup", tmp_path, "--verify", DATABASE_URL=filled)
    assert (code, said) == (
        1,
        "An attachment's file is not what it was when it was sent: the disk under DATA_DIR may be failing.\n",
    )
    assert _names(tmp_path) == [kept]
    assert [*tmp_path.glob(".verify-*")] == []


def test_one_that_is_killed_leaves_nothing_that_looks_whole(
    command: Command, filled: str, variables_of_test: Mapping[str, str], tmp_path: Path
) -> None:
    into = tmp_path / "backups"
    with psycopg.connect(filled) as holder:
        holder.execute("LOCK TABLE run")
        process = subprocess.Popen([sys.executable, "-m", "app", "backup", str(into)], cwd=ROOT, env={**variables_of_test})  # noqa: S603
        assert eventually(lambda: any(into.glob("*.partial")), _SECONDS)
        code, said = command("backup", into, DATABASE_URL=filled)
        assert (code, said) == (1, f"Another backup is being made in {into}.\n")
        process.kill()
        process.wait()
    assert [name.endswith(".partial") for name in _names(into)] == [True]
    assert ask(filled, "SELECT count(*) FROM chore_done") == 0
    assert command("backup", into, DATABASE_URL=filled)[0] == 0
    assert [name.endswith("Z") for name in _names(into)] == [True]


def test_one_that_is_interrupted_takes_with_it_what_it_has_written(
    filled: str, variables_of_test: Mapping[str, str], tmp_path: Path
) -> None:
    into = tmp_path / "backups"
    with psycopg.connect(filled) as holder:
        holder.execute("LOCK TABLE run")
        process = subprocess.Popen(  # noqa: S603  # our own module
            [sys.executable, "-m", "app", "backup", str(into)], cwd=ROOT, env={**variables_of_test}, stderr=subprocess.DEVNULL
        )
        assert eventually(lambda: any(into.glob("*.partial")), _SECONDS)
        process.send_signal(signal.SIGINT)
        process.wait()
    assert _names(into) == []


def test_a_folder_that_cannot_be_written_is_named(command: Command, filled: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, said = command("backup", tmp_path / "file", DATABASE_URL=filled)
    assert (code, said) == (1, f"The backup cannot be written to {tmp_path / 'file'}: File exists.\n")


def test_a_disk_that_is_full_leaves_no_backup(filled: str, variables_of_test: Mapping[str, str], tmp_path: Path) -> None:
    """As far as this user may write, in 512 bytes."""
    command = f'ulimit -f 8; exec "{sys.executable}" -m app backup "{tmp_path}"'
    done = subprocess.run(["sh", "-c", command], cwd=ROOT, env={**variables_of_test}, capture_output=True, text=True, check=False)  # noqa: S603, S607
    assert (done.returncode, done.stderr.startswith("pg_dump failed: ")) == (1, True), done.stderr
    assert _names(tmp_path) == []
    assert ask(filled, "SELECT count(*) FROM chore_done") == 0


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (None, "There is no pg_dump in "),
        ("echo 'pg_dump (PostgreSQL) 12.22'", "pg_dump is of Postgres 12 and the server of "),
        ("[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 99.1' || exit 3", "pg_dump failed: it ended with 3\n"),
        (
            "[ $1 = --version ] && echo 'pg_dump (PostgreSQL) 99.1' && exit; echo 'pg_dump: error: no room' >&2; echo 'a row' >&2; exit 1",
            "pg_dump failed: no room\n",
        ),
    ],
)
def test_a_pg_dump_that_will_not_do_is_told(script: str | None, words: str, command: Command, filled: str, tmp_path: Path) -> None:
    for name in ("pg_dump", "pg_restore") if script else ():
        _program(tmp_path / "programs", name, script or "")
    code, said = command("backup", tmp_path / "backups", "--programs", tmp_path / "programs", DATABASE_URL=filled)
    assert (code, said.count("\n"), said.startswith(words)) == (1, 1, True), said
    assert _names(tmp_path / "backups") == []


def _dumping(folder: Path, script: str) -> Path:
    """Programs of which pg_dump does something else beside."""
    for name in ("pg_dump", "pg_restore"):
        before = f'case "$*" in *--file=*) {script};; esac' if name == "pg_dump" else ""
        _program(folder, name, f'{before}\nexec "{binaries()}/{name}" "$@"')
    return folder


def test_what_is_written_while_it_is_made_is_neither_counted_nor_dumped(command: Command, filled: str, empty: str, tmp_path: Path) -> None:
    (tmp_path / "late.sql").write_text(_LATE)
    programs = _dumping(tmp_path / "programs", f'"{binaries()}/psql" --quiet --file="{tmp_path}/late.sql"')
    code, said = command("backup", tmp_path / "backups", "--programs", programs, DATABASE_URL=filled)
    assert (code, ask(filled, "SELECT count(*) FROM session")) == (0, 2), said
    [made] = (tmp_path / "backups").glob("milepost-*")
    assert command("restore", made, DATABASE_URL=empty)[0] == 0
    assert ask(empty, "SELECT string_agg(name, '') FROM session") == "Mine"


def test_a_dump_that_lacks_a_table_is_no_backup(command: Command, filled: str, tmp_path: Path) -> None:
    programs = _dumping(tmp_path / "programs", 'set -- "$@" --exclude-table-data=session')
    code, said = command("backup", tmp_path / "backups", "--programs", programs, DATABASE_URL=filled)
    assert (code, said) == (1, "The dump lacks public.session: is a backup allowed to read all tables?\n")
    assert _names(tmp_path / "backups") == []


def test_the_password_is_on_no_command_line(command: Command, filled: str, tmp_path: Path) -> None:
    for name in ("pg_dump", "pg_restore"):
        _program(tmp_path / "programs", name, f'echo "{name} $* $PGPASSWORD" >>"{tmp_path}/told"\nexec "{binaries()}/{name}" "$@"')
    with_password = filled.replace("postgres@", "postgres:hidden-password@")
    assert command("backup", tmp_path / "backups", "--programs", tmp_path / "programs", DATABASE_URL=with_password)[0] == 0
    [dump] = [line for line in (tmp_path / "told").read_text().splitlines() if "--file" in line]
    assert dump.endswith(" hidden-password")
    assert dump.count("hidden-password") == 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql://ada:hidden-password@127.0.0.1:1/none", _REFUSED),
        ("mysql://ada:hidden-password@host/none", "DATABASE_URL is not a valid postgresql:// address.\n"),
    ],
)
def test_a_database_that_cannot_be_reached_is_said_so(url: str, words: str, command: Command, tmp_path: Path) -> None:
    assert command("backup", tmp_path, DATABASE_URL=url) == (1, words)


def test_a_database_without_a_schema_is_no_backup(command: Command, empty: str, tmp_path: Path) -> None:
    assert command("backup", tmp_path, DATABASE_URL=empty) == (
        1,
        "The database has no schema of Milepost's: there is nothing to back up.\n",
    )
    assert _names(tmp_path) == []


def test_a_schema_that_was_taken_down_whole_is_no_backup(command: Command, filled: str, tmp_path: Path) -> None:
    ask(filled, "DELETE FROM alembic_version")
    code, said = command("backup", tmp_path, DATABASE_URL=filled)
    assert (code, said.startswith("The database has no schema of Milepost's")) == (1, True), said


def test_attachments_that_are_on_another_machine_are_missed(command: Command, filled: str, tmp_path: Path) -> None:
    code, said = command("backup", tmp_path / "backups", DATABASE_URL=filled, DATA_DIR=str(tmp_path / "elsewhere"))
    assert (code, "has none of the 1 attachments kept in files" in said) == (1, True)
    assert _names(tmp_path / "backups") == []


def test_a_file_that_was_lost_before_is_told_and_the_rest_backed_up(command: Command, filled: str, tmp_path: Path) -> None:
    ask(filled, "INSERT INTO attachment_blob (user_id, sha256) SELECT id, repeat('0', 64) FROM \"user\"")
    code, said = command("backup", tmp_path / "backups", DATABASE_URL=filled, LOG_FORMAT="json")
    assert (code, "backup_lacks_files" in said, '"files": 1' in said) == (0, True, True), said
    [made] = _names(tmp_path / "backups")
    assert json.loads((tmp_path / "backups" / made / "manifest.json").read_text())["attachment_files"] == 1


def test_a_number_to_keep_is_one_at_least(command: Command, tmp_path: Path) -> None:
    code, said = command("backup", tmp_path, "--keep", 0)
    assert (code, "keep at least 1" in said) == (2, True)
