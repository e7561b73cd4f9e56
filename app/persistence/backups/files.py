"""The files of attachments in a backup: those of the folder whose names a row may have."""

import hashlib
import re
import tarfile
from pathlib import Path
from typing import Final

from app.errors import AppError

_PATH: Final = re.compile(r"[0-9a-f-]{36}/[0-9a-f]{64}")


def pack(folder: Path, archive: Path) -> set[str]:
    """Return the names of what was there, `user/sha256`; what is deleted meanwhile is left out."""
    packed = set[str]()
    with tarfile.open(archive, "w") as tar:
        for file in sorted(folder.glob("*/*")):
            name = file.relative_to(folder).as_posix()
            if _PATH.fullmatch(name) and _pack(tar, file, name):
                packed.add(name)
    return packed


def unpack(archive: Path, folder: Path) -> None:
    """Beside what is there: a name stands for a content, so nothing is overwritten with anything else.

    Raise AppError when it cannot be written, and before anything is for what `pack` does not write.
    """
    try:
        with tarfile.open(archive, "r:") as tar:
            if not all(member.isreg() and _PATH.fullmatch(member.name) for member in tar):
                raise tarfile.ReadError  # as for what is no archive at all
            tar.extractall(_made(folder), filter=_private)  # noqa: S202  # each name was looked at, and _private asks data_filter
    except tarfile.TarError as error:
        raise AppError(f"{archive.parent} has an archive of attachments that is none of ours.") from error
    except OSError as error:
        raise AppError(f"The attachments cannot be written to {folder}: {error.strerror}.") from error


def check(archive: Path) -> None:
    """Raise AppError when a content is not what its name says."""
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if not content or hashlib.sha256(content.read()).hexdigest() != Path(member.name).name:
                raise AppError("An attachment's file is not what it was when it was sent: the disk under DATA_DIR may be failing.")


def _pack(tar: tarfile.TarFile, file: Path, name: str) -> bool:
    try:
        tar.add(file, name, recursive=False)
    except FileNotFoundError:
        return False
    return True


def _private(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo:
    """Whoever could read it where it was packed."""
    return tarfile.data_filter(member, folder).replace(mode=0o600, deep=False)


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
