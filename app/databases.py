"""The commands for a database as a whole, which is made, backed up and restored: their arguments, and what they say."""

import argparse
import asyncio
import getpass
import os
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from app.developing import Commands
from app.errors import InvalidInput
from app.lifecycle import attachment_folder
from app.observability.logging import set_up_logging
from app.persistence.address import direct_url
from app.settings import Settings

_OWNER_ONLY: Final = 0o077


def add_database_commands(commands: Commands) -> None:
    words = "make the role and the database that DATABASE_URL names; asks for an administrator's address, or reads it from a pipe"
    init = commands.add_parser("init-database", help=words, description=words)
    init.set_defaults(command=_init)
    init.add_argument("--print", action="store_true", help="write what an administrator would give psql, and do nothing")
    words = "write the database and the attachments into a new folder in FOLDER, and note that"
    backup = commands.add_parser("backup", help=words, description=words)
    backup.set_defaults(command=_backup)
    backup.add_argument("folder", type=_folder, metavar="FOLDER")
    backup.add_argument("--keep", type=_count, metavar="N", help="then delete all but the newest N in there")
    backup.add_argument("--verify", action="store_true", help="restore it into a Postgres of its own, and compare, before it counts")
    words = "restore a backup, a folder that `backup` wrote, into the empty database of DATABASE_URL"
    restore = commands.add_parser("restore", help=words, description=words)
    restore.set_defaults(command=_restore)
    restore.add_argument("backup", type=_folder, metavar="BACKUP")
    restore.add_argument("--replace", action="store_true", help="drop what is in the database before")
    for parser in (backup, restore):
        parser.add_argument("--programs", type=_folder, metavar="DIR", help="where pg_dump and pg_restore are, if not those found here")


def _init(settings: Settings, chosen: argparse.Namespace) -> int:
    # As for `migrate`, what others need not wait for.
    from app.persistence import migrate, provisioning, revisions  # noqa: PLC0415

    url = settings.database.direct(settings.database.url)
    if not url:
        raise InvalidInput("DATABASE_URL is empty: the embedded Postgres makes its own database.")
    if chosen.print:
        sys.stdout.write(provisioning.script(url))
        return 0
    made = provisioning.provide(url, _administrator())
    migrate.up(url)
    sys.stdout.write(f"Made: {', '.join(made) or 'nothing, for both are there'}. The schema is at {revisions.head()}.\n")
    return 0


def _administrator() -> str:
    """Not on the command line, for it holds a password."""
    asked = getpass.getpass("The administrator's postgresql:// address: ") if sys.stdin.isatty() else sys.stdin.readline()
    if not (address := asked.strip()):
        raise InvalidInput("Name an administrator by a postgresql:// address.")  # libpq would try whoever runs this
    return address


def _backup(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.operating import note_backup  # noqa: PLC0415
    from app.persistence.backups.folder import prune  # noqa: PLC0415
    from app.persistence.backups.making import make_backup  # noqa: PLC0415

    set_up_logging(settings.logs, sys.stderr)
    with _private(), direct_url(settings.database) as url:
        made = make_backup(url, attachment_folder(settings), chosen.folder, verify=chosen.verify, folder=chosen.programs)
        asyncio.run(note_backup(settings))
        deleted = prune(chosen.folder, chosen.keep) if chosen.keep else 0
    sys.stdout.write(f"Wrote {made}{', restored it elsewhere and compared' if chosen.verify else ''}. Deleted: {deleted} old ones.\n")
    return 0


def _restore(settings: Settings, chosen: argparse.Namespace) -> int:
    from app.persistence import revisions  # noqa: PLC0415
    from app.persistence.backups.restoring import restore  # noqa: PLC0415

    with _private(), direct_url(settings.database) as url:
        restored = restore(url, attachment_folder(settings), chosen.backup, replace=chosen.replace, folder=chosen.programs)
    behind = "" if restored.revision == revisions.head() else " Its schema is older than this version: run `python -m app migrate up`."
    sys.stdout.write(f"Restored what there was at {restored.made_at}.{behind}\n")
    return 0


@contextmanager
def _private() -> Generator[None]:
    """What we and Postgres' programs write is for nobody else's eyes."""
    before = os.umask(_OWNER_ONLY)
    try:
        yield
    finally:
        os.umask(before)


def _folder(text: str) -> Path:
    """Not the folder we are in, which an empty one would be: in a script that is a variable that was not set."""
    if not text:
        raise argparse.ArgumentTypeError("name a folder")
    return Path(text)


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError("keep at least 1")
    return int(text)
