"""Restore a backup: into an empty database, all of it or nothing."""

import re
import tempfile
import time
from pathlib import Path
from typing import Final

import psycopg

from app.errors import AppError
from app.persistence.backups import files, rows
from app.persistence.backups.folder import ATTACHMENTS, DUMP, Manifest, check_sums, read_manifest
from app.persistence.backups.programs import Programs, environment_for, programs_for
from app.persistence.revisions import is_ahead

_EXTENSION: Final = "CREATE EXTENSION IF NOT EXISTS vector"
# Made before, or there already: on a managed Postgres neither is ours to make or to comment on.
_NOT_OURS: Final = re.compile(r"^\d+; \d+ \d+ (?:COMMENT - )?(?:EXTENSION (?:- )?|SCHEMA (?:- )?public\b)", re.MULTILINE)
_LEAVE_SECONDS: Final = 3
_LOOK_SECONDS: Final = 0.1


def restore(url: str, attachments: Path, backup: Path, *, replace: bool, folder: Path | None = None) -> Manifest:
    """Return what the backup says of itself; raise AppError, and before anything is changed for whatever can be known then.

    What is in the database is dropped where we may `replace` it.
    """
    check_sums(backup)
    manifest = read_manifest(backup)
    with rows.connected(url) as connection:
        programs = programs_for(max(rows.version(connection), manifest.pg_dump), folder)
        _check_fit(connection, manifest, replace=replace)
        programs.run("pg_restore", "--list", str(backup / DUMP))
        # Files first: without rows they are nobody's, and rows without files would be seen.
        files.unpack(backup / ATTACHMENTS, attachments)
        if replace:
            rows.empty(connection)
    restore_database(url, backup, programs)
    return manifest


def restore_database(url: str, backup: Path, programs: Programs) -> None:
    """Into an empty database, in one transaction; raise AppError, also when it does not then hold what the backup says."""
    listed = programs.run("pg_restore", "--list", str(backup / DUMP))
    with rows.connected(url) as connection:
        try:
            connection.execute(_EXTENSION)
        except psycopg.Error as error:
            raise AppError("The database needs pgvector: have a superuser run CREATE EXTENSION vector in it.") from error
    with tempfile.NamedTemporaryFile("w", suffix=".list") as chosen:
        chosen.write(_NOT_OURS.sub(r";\g<0>", listed))
        chosen.flush()
        options = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-acl", "--no-password", f"--use-list={chosen.name}")
        programs.run("pg_restore", *options, "--dbname=", str(backup / DUMP), environment=environment_for(url))
    _compare(url, read_manifest(backup))


def _check_fit(connection: rows.Connection, manifest: Manifest, *, replace: bool) -> None:
    if is_ahead(manifest.revision):
        raise AppError(f"The backup's schema, {manifest.revision}, is of a later version than this: restore it with that version.")
    if rows.version(connection) < manifest.server:
        raise AppError(f"The backup is of Postgres {manifest.server}, and this server is of {rows.version(connection)}.")
    if not replace and not rows.is_empty(connection):
        raise AppError("The database is not empty: name another in DATABASE_URL, or drop what is in it with --replace.")
    deadline = time.monotonic() + _LEAVE_SECONDS  # who has just gone is still counted for a moment
    while count := rows.others(connection):
        if time.monotonic() > deadline:
            raise AppError(f"Others are connected to the database ({count}): stop servers, workers and whatever watches it.")
        time.sleep(_LOOK_SECONDS)


def _compare(url: str, manifest: Manifest) -> None:
    with rows.connected(url) as connection:
        found, revision = rows.counts(connection), rows.revision(connection)
        differing = sorted(name for name in {*found, *manifest.tables} if found.get(name) != manifest.tables.get(name))
        if differing or revision != manifest.revision:
            raise AppError(f"What was restored is not what was backed up: {', '.join(differing) or 'the revision'} differs.")
        connection.execute("ANALYZE")
