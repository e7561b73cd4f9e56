"""Make a backup: the database as it was at one moment, then the files that its rows name."""

import tempfile
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from typing import Final

import structlog

from app import VERSION
from app.errors import AppError
from app.persistence.backups import files, rows
from app.persistence.backups.folder import ATTACHMENTS, DUMP, Manifest, new_backup, now, write_manifest
from app.persistence.backups.programs import Programs, environment_for, programs_for
from app.persistence.backups.restoring import restore_database
from app.persistence.embedded import throwaway_postgres

# In it the rows are counted and dumped: both see the same.
_BEGIN: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
_SNAPSHOT: Final = "SELECT pg_export_snapshot()"
_IN_FOLDER: Final = "SELECT user_id || '/' || sha256 FROM attachment_blob WHERE content IS NULL"
# What a table of the dump is called in its list.
_LISTED: Final = " TABLE DATA "

log = structlog.get_logger()


def make_backup(url: str, attachments: Path, into: Path, *, verify: bool, folder: Path | None = None) -> Path:
    """Return its folder; raise AppError. `verify` restores it elsewhere and compares, before it has a name."""
    with rows.connected(url) as connection:
        programs = programs_for(rows.version(connection), folder)
        with new_backup(into) as backup:
            manifest = _dump(connection, url, programs, backup)
            _pack(connection, attachments, backup, manifest)
            if verify:
                _try(backup, programs)
    return backup.with_suffix("")


def _dump(connection: rows.Connection, url: str, programs: Programs, backup: Path) -> Manifest:
    connection.execute(_BEGIN)
    snapshot = str((connection.execute(_SNAPSHOT).fetchone() or [""])[0])
    manifest = Manifest(
        made_at=now(),
        milepost=VERSION,
        revision=rows.revision(connection),
        server=rows.version(connection),
        pg_dump=programs.version,
        tables=rows.counts(connection),
        attachment_files=0,
    )
    if not manifest.revision:
        raise AppError("The database has no schema of Milepost's: there is nothing to back up.")
    options = ("--format=custom", "--no-owner", "--no-acl", "--no-password", f"--snapshot={snapshot}", f"--file={backup / DUMP}")
    programs.run("pg_dump", *options, environment=environment_for(url))
    connection.execute("COMMIT")
    _check_list(programs.run("pg_restore", "--list", str(backup / DUMP)), manifest)
    return manifest


def _check_list(listed: str, manifest: Manifest) -> None:
    dumped = {".".join(line.partition(_LISTED)[2].split()[:2]) for line in listed.splitlines() if _LISTED in line}
    if missing := sorted({*manifest.tables} - dumped):
        raise AppError(f"The dump lacks {', '.join(missing)}: is a backup allowed to read all tables?")


def _pack(connection: rows.Connection, folder: Path, backup: Path, manifest: Manifest) -> None:
    """After the dump: of a row that is in it the file was there, and what came since has no row."""
    wanted = _wanted(connection)
    packed = files.pack(folder, backup / ATTACHMENTS)
    if missing := (wanted - packed) & _wanted(connection):
        if not packed:
            raise AppError(f"{folder} has none of the {len(missing)} attachments kept in files: run it where the servers' DATA_DIR is.")
        log.warning("backup_lacks_files", files=len(missing))
    write_manifest(backup, replace(manifest, attachment_files=len(packed)))


def _wanted(connection: rows.Connection) -> AbstractSet[str]:
    return {str(row[0]) for row in connection.execute(_IN_FOLDER).fetchall()}


def _try(backup: Path, programs: Programs) -> None:
    """On a Postgres of our own, which needs no rights on anybody's, in the backup's folder: what a killed one leaves goes with it."""
    files.check(backup / ATTACHMENTS)
    with tempfile.TemporaryDirectory(prefix=".verify-", dir=backup) as folder, throwaway_postgres(Path(folder)) as url:
        restore_database(url, backup, programs)
