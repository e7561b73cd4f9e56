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
    """Beside what is there: a name stands for a content, so nothing is overwritten with anything else."""
    with tarfile.open(archive) as tar:
        tar.extractall(_made(folder), filter="data")


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


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
