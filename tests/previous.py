"""The release before this one, whose servers may still run while this one is rolled out; `scripts/previous-release` keeps its code."""

import re
import tarfile
from pathlib import Path
from typing import Final

from app.settings import ROOT

_ARCHIVE: Final = ROOT / ".ci" / "previous-release.tar.xz"
_VERSIONS: Final = "app/persistence/migrations/versions"
_REVISION: Final = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)


def unpack(folder: Path) -> Path:
    """Its code, without its packages: it runs on those that are installed here."""
    with tarfile.open(_ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def revisions(release: Path) -> set[str]:
    """The migrations that it has."""
    return {found.group(1) for file in (release / _VERSIONS).glob("*.py") if (found := _REVISION.search(file.read_text()))}
