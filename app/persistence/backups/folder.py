"""The folder of a backup: what is in it, that it has its name only once it is whole, and what tells a damaged one."""

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from app.errors import AppError

DUMP: Final = "database.dump"
ATTACHMENTS: Final = "attachments.tar"
_MANIFEST: Final = "manifest.json"
_SUMS: Final = "SHA256SUMS"
_FILES: Final = (ATTACHMENTS, DUMP, _MANIFEST)
_NAME: Final = "milepost-%Y%m%dT%H%M%SZ"
_WHOLE: Final = re.compile(r"milepost-\d{8}T\d{6}Z")
_PARTIAL: Final = ".partial"
_LEFT: Final = re.compile(_WHOLE.pattern + re.escape(_PARTIAL))
_FORMAT: Final = 1
_UNREADABLE: Final = "{} has no manifest that this version can read."


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a backup says of itself; `tables` has the rows of each, all at one moment."""

    format: int = _FORMAT
    made_at: str
    milepost: str
    revision: str
    server: int
    pg_dump: int
    tables: Mapping[str, int]
    attachment_files: int


def now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextmanager
def new_backup(into: Path) -> Generator[Path]:
    """A folder to write a backup into, which has its name and sums once we leave; what is cut short has never had a name.

    Raise AppError when it cannot be written, or somebody else makes one here.
    """
    try:
        into.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _turn(into) as is_ours:
            if not is_ours:
                raise AppError(f"Another backup is being made in {into}.")
            for left in _folders(into, _LEFT):  # by one that was killed
                shutil.rmtree(left)
            whole = into / datetime.now(UTC).strftime(_NAME)
            partial = whole.with_suffix(_PARTIAL)
            partial.mkdir(mode=0o700)
            try:
                yield partial
                _seal(partial)
                partial.rename(whole)
                _sync(into)
            except BaseException:  # Ctrl+C too
                shutil.rmtree(partial)
                raise
    except OSError as error:
        raise AppError(f"The backup cannot be written to {into}: {error.strerror}.") from error


def prune(into: Path, keep: int) -> int:
    """Delete all but the newest so many; return how many were deleted, none while another backup is being made in there.

    Raise AppError when they cannot be deleted.
    """
    try:
        with _turn(into) as is_ours:
            old = _folders(into, _WHOLE)[:-keep] if is_ours else []
            for backup in old:
                partial = backup.with_suffix(_PARTIAL)
                backup.rename(partial)  # one that is half deleted must not look whole
                shutil.rmtree(partial)
    except OSError as error:
        raise AppError(f"The backup was made, but old ones cannot be deleted: {error.strerror}.") from error
    return len(old)


def write_manifest(folder: Path, manifest: Manifest) -> None:
    (folder / _MANIFEST).write_text(json.dumps(asdict(manifest), indent=2) + "\n")


def read_manifest(folder: Path) -> Manifest:
    """Raise AppError for what is no backup, or not of a form that we know."""
    try:
        manifest = Manifest(**json.loads((folder / _MANIFEST).read_bytes()))
    except (OSError, TypeError, ValueError) as error:
        raise AppError(_UNREADABLE.format(folder)) from error
    if manifest.format != _FORMAT:
        raise AppError(_UNREADABLE.format(folder))
    return manifest


def check_sums(folder: Path) -> None:
    """Raise AppError for a backup that is not whole, or not as it was written."""
    try:
        expected = dict(line.split("  ", 1)[::-1] for line in (folder / _SUMS).read_text().splitlines())
        differing = [name for name in _FILES if expected.get(name) != _sha256(folder / name)]
    except (OSError, ValueError) as error:
        raise AppError(f"{folder} is no whole backup.") from error
    if differing:
        raise AppError(f"{folder} is damaged: {', '.join(differing)} is not as it was written. Take another backup.")


@contextmanager
def _turn(into: Path) -> Generator[bool]:
    """Whether it is ours, and not somebody else's who makes a backup or deletes old ones there."""
    with (into / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


def _seal(folder: Path) -> None:
    sums = "".join(f"{_sha256(folder / name)}  {name}\n" for name in _FILES)
    (folder / _SUMS).write_text(sums)
    for file in (*folder.iterdir(), folder):
        _sync(file)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _folders(into: Path, named: re.Pattern[str]) -> list[Path]:
    return sorted(path for path in into.iterdir() if named.fullmatch(path.name) and path.is_dir())
