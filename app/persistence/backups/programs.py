"""pg_dump and pg_restore: which of those that this machine has, and how they are run."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

from app.errors import AppError, DatabaseUnavailable
from app.persistence.embedded import binaries

_DEBIAN: Final = Path("/usr/lib/postgresql")
_VERSION: Final = re.compile(r"\(PostgreSQL\) (\d+)")
_ERROR: Final = re.compile(r"^pg_\w+: (?:error|fatal): (.*)", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Programs:
    folder: Path
    version: int

    def run(self, name: str, *arguments: str, environment: Mapping[str, str] | None = None) -> str:
        """What it writes; raise AppError with the first line of what it complains of."""
        done = subprocess.run(  # noqa: S603  # Postgres' own program
            [str(self.folder / name), *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
        if done.returncode:
            # Not the lines after it: they may quote a row.
            error = _ERROR.search(done.stderr)
            raise AppError(f"{name} failed: {error[1] if error else f'it ended with {done.returncode}'}")
        return done.stdout


def programs_for(version: int, folder: Path | None = None) -> Programs:
    """Of those in `folder`, or else anywhere here, the oldest that are as new as this; raise AppError where none are."""
    found = sorted(_found([folder] if folder else _folders()), key=lambda programs: programs.version)
    if not found:
        raise AppError(f"There is no pg_dump {f'in {folder}' if folder else 'here'}: install Postgres' client programs.")
    for programs in found:
        if programs.version >= version:
            return programs
    raise AppError(f"pg_dump is of Postgres {found[-1].version} and the server of {version}: install client programs that are as new.")


def environment_for(url: str) -> dict[str, str]:
    """Our own, with the address in libpq's variables: on a command line everybody on this machine could read its password."""
    options = psycopg.pq.Conninfo.parse(url.encode())
    return {**os.environ, **{option.envvar.decode(): option.val.decode() for option in options if option.envvar and option.val}}


def _folders() -> Iterator[Path]:
    if on_path := shutil.which("pg_dump"):
        yield Path(on_path).parent
    yield from _DEBIAN.glob("*/bin")
    try:
        yield binaries()
    except DatabaseUnavailable:
        return


def _found(folders: Sequence[Path] | Iterator[Path]) -> Iterator[Programs]:
    for folder in folders:
        if all((folder / name).is_file() for name in ("pg_dump", "pg_restore")):
            command = [str(folder / "pg_dump"), "--version"]
            told = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # Postgres' own program
            if version := _VERSION.search(told.stdout):
                yield Programs(folder=folder, version=int(version[1]))
