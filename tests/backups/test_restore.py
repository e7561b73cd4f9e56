"""`restore` brings all of a backup back, or changes nothing and says why."""

import hashlib
import io
import json
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import uuid4

import psycopg
import pytest

from app.persistence import migrate, revisions
from tests.backups.conftest import PICTURE, Command
from tests.persistence.clients import ask

_TABLES: Final = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'"
_LATER: Final = """
CREATE TYPE colour AS ENUM ('red');
CREATE TABLE of_a_later_version (user_id uuid REFERENCES "user" (id), colour colour);
CREATE VIEW of_sessions AS SELECT name FROM session;
"""


def _change(backup: Path, **fields: object) -> None:
    """Say something else in the manifest, as if it had been written so."""
    manifest = json.loads((backup / "manifest.json").read_text())
    _write(backup, "manifest.json", json.dumps({**manifest, **fields}).encode())


def _write(backup: Path, name: str, content: bytes) -> None:
    """As if it had been written so: its sum is right."""
    file, sums = backup / name, backup / "SHA256SUMS"
    was = hashlib.sha256(file.read_bytes()).hexdigest()
    file.write_bytes(content)
    sums.write_text(sums.read_text().replace(was, hashlib.sha256(content).hexdigest()))


def _tar(*names: str, link: str = "") -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for name in names:
            member = tarfile.TarInfo(name)
            member.type, member.linkname, member.mode = (tarfile.SYMTYPE if link else tarfile.REGTYPE), link, 0o4777
            tar.addfile(member)
    return archive.getvalue()


def test_all_of_it_comes_back(command: Command, backup: Path, filled: str, empty: str, tmp_path: Path) -> None:
    code, said = command("restore", backup, DATABASE_URL=empty, DATA_DIR=str(tmp_path / "there"))
    assert (code, said.startswith("Restored what there was at "), "migrate up" in said) == (0, True, False)
    assert migrate.check(empty) == []
    for statement in ("SELECT string_agg(email, '') FROM \"user\"", "SELECT array_agg(id) FROM session", _TABLES):
        assert ask(empty, statement) == ask(filled, statement)
    assert [file.read_bytes() for file in (tmp_path / "there" / "attachments").glob("*/*")] == [PICTURE]
    migrate.up(empty)
    assert migrate.check(empty) == []


@pytest.mark.parametrize("name", ["database.dump", "attachments.tar", "manifest.json", "SHA256SUMS"])
def test_a_byte_that_has_changed_is_noticed_before_anything_is(
    name: str, command: Command, backup: Path, empty: str, tmp_path: Path
) -> None:
    content = bytearray((backup / name).read_bytes())
    content[len(content) // 2] ^= 1
    (backup / name).write_bytes(content)
    code, said = command("restore", backup, DATABASE_URL=empty, DATA_DIR=str(tmp_path / "there"))
    assert (code, said.count("\n")) == (1, 1)
    assert "is damaged: " in said or "is no whole backup" in said
    assert ask(empty, _TABLES) == 0
    assert not (tmp_path / "there").exists()


def test_a_backup_that_lacks_a_file_is_no_backup(command: Command, backup: Path, empty: str) -> None:
    (backup / "database.dump").unlink()
    assert command("restore", backup, DATABASE_URL=empty) == (1, f"{backup} is no whole backup.\n")


def test_a_database_that_is_not_empty_is_replaced_only_when_told_so(command: Command, backup: Path, filled: str) -> None:
    ask(filled, _LATER)
    ask(filled, "UPDATE session SET name = 'Of today'")
    code, said = command("restore", backup, DATABASE_URL=filled)
    assert (code, said.startswith("The database is not empty")) == (1, True)
    assert ask(filled, "SELECT name FROM session") == "Of today"
    assert command("restore", backup, "--replace", DATABASE_URL=filled)[0] == 0
    assert ask(filled, "SELECT name FROM session") == "Mine"
    assert ask(filled, "SELECT to_regclass('of_a_later_version') IS NULL AND to_regtype('colour') IS NULL") is True
    assert migrate.check(filled) == []


def test_a_restore_that_stops_half_way_leaves_nothing(command: Command, backup: Path, empty: str) -> None:
    """At a function of the queue's, which comes after its types."""
    ask(empty, "CREATE FUNCTION procrastinate_unlink_periodic_defers_v1() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN END'")
    code, said = command("restore", backup, DATABASE_URL=empty)
    assert (code, said.startswith("pg_restore failed: "), "already exists" in said) == (1, True, True), said
    assert ask(empty, "SELECT to_regtype('procrastinate_job_status') IS NULL") is True
    assert ask(empty, _TABLES) == 0


def test_nothing_is_replaced_under_who_is_connected(command: Command, backup: Path, filled: str) -> None:
    with psycopg.connect(filled):
        code, said = command("restore", backup, "--replace", DATABASE_URL=filled)
    assert (code, said.startswith("Others are connected to the database (1)")) == (1, True)
    assert ask(filled, "SELECT name FROM session") == "Mine"


def test_a_backup_of_an_older_version_wants_its_migrations(command: Command, filled: str, empty: str, tmp_path: Path) -> None:
    migrate.down(filled)
    assert command("backup", tmp_path, DATABASE_URL=filled)[0] == 0
    [backup] = tmp_path.glob("milepost-*")
    code, said = command("restore", backup, DATABASE_URL=empty)
    assert (code, said.endswith("run `python -m app migrate up`.\n")) == (0, True)
    migrate.up(empty)
    assert migrate.check(empty) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"revision": "5f3759df"}, "is of a later version than this"),
        ({"server": 99}, "The backup is of Postgres 99, and this server is of "),
        ({"pg_dump": 99}, "and the server of 99: install client programs"),
        ({"format": 2}, "has no manifest that this version can read"),
        ({"of_another_form": 1}, "has no manifest that this version can read"),
    ],
)
def test_what_this_version_cannot_restore_is_refused(
    fields: Mapping[str, object], words: str, command: Command, backup: Path, empty: str
) -> None:
    _change(backup, **fields)
    code, said = command("restore", backup, DATABASE_URL=empty)
    assert (code, words in said) == (1, True), said
    assert ask(empty, _TABLES) == 0


@pytest.mark.parametrize(
    "archive",
    [
        _tar("../outside"),
        _tar("/outside"),
        _tar("elsewhere"),
        _tar(f"{uuid4()}/{'0' * 64}", f"{uuid4()}/../../outside"),
        _tar(f"{uuid4()}/{'0' * 64}", link="/etc/passwd"),
        b"no archive" * 1000,
    ],
)
def test_an_archive_that_is_none_of_ours_is_unpacked_nowhere(
    archive: bytes, command: Command, backup: Path, empty: str, tmp_path: Path
) -> None:
    _write(backup, "attachments.tar", archive)
    before = sorted(tmp_path.rglob("*"))
    code, said = command("restore", backup, DATABASE_URL=empty, DATA_DIR=str(tmp_path / "data"))
    assert (code, said) == (1, f"{backup} has an archive of attachments that is none of ours.\n")
    assert sorted(tmp_path.rglob("*")) == before
    assert ask(empty, _TABLES) == 0


def test_a_folder_of_attachments_that_cannot_be_written_is_said_so(command: Command, backup: Path, empty: str, tmp_path: Path) -> None:
    (tmp_path / "there").touch()
    code, said = command("restore", backup, DATABASE_URL=empty, DATA_DIR=str(tmp_path / "there"))
    assert (code, said) == (1, f"The attachments cannot be written to {tmp_path / 'there' / 'attachments'}: Not a directory.\n")
    assert ask(empty, _TABLES) == 0


def test_what_is_restored_nobody_else_can_read(command: Command, backup: Path, empty: str, tmp_path: Path) -> None:
    assert command("restore", backup, DATABASE_URL=empty, DATA_DIR=str(tmp_path / "there"))[0] == 0
    restored = [tmp_path / "there", *(tmp_path / "there").rglob("*")]
    assert [stat.S_IMODE(path.stat().st_mode) & 0o077 for path in restored] == [0] * 4


def test_rows_that_are_not_those_that_were_counted_are_told(command: Command, backup: Path, empty: str) -> None:
    tables = json.loads((backup / "manifest.json").read_text())["tables"]
    _change(backup, tables={**tables, "public.session": 2})
    assert command("restore", backup, DATABASE_URL=empty) == (1, "What was restored is not what was backed up: public.session differs.\n")


def test_a_schema_that_is_not_the_one_that_was_named_is_told(command: Command, backup: Path, empty: str) -> None:
    _change(backup, revision=min(revisions.revisions() - {revisions.head()}))
    assert command("restore", backup, DATABASE_URL=empty) == (1, "What was restored is not what was backed up: the revision differs.\n")


def test_who_may_not_make_the_extension_restores_where_it_is(command: Command, backup: Path, empty: str, postgres: str) -> None:
    """As a role of a managed Postgres: it owns its database, and is no superuser."""
    name = str(ask(empty, "SELECT current_database()")).replace('"', '""')
    ask(postgres, "DROP ROLE IF EXISTS humble")
    ask(postgres, "CREATE ROLE humble LOGIN")
    ask(postgres, f'ALTER DATABASE "{name}" OWNER TO humble')
    humble = empty.replace("postgres@", "humble@")
    code, said = command("restore", backup, DATABASE_URL=humble)
    assert (code, said) == (1, "The database needs pgvector: have a superuser run CREATE EXTENSION vector in it.\n")
    ask(empty, "CREATE EXTENSION vector")
    assert command("restore", backup, DATABASE_URL=humble)[0] == 0
    assert migrate.check(humble) == []
    assert command("restore", backup, "--replace", DATABASE_URL=humble)[0] == 0
    assert ask(humble, "SELECT name FROM session") == "Mine"
    ask(postgres, f'ALTER DATABASE "{name}" OWNER TO postgres')
    ask(empty, "DROP OWNED BY humble")
    ask(postgres, "DROP ROLE humble")
