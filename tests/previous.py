"""The release before this one: `.ci/previous-release` names its commit, and servers of it may still run while this one is rolled out."""

import subprocess
from pathlib import Path
from typing import Final

from app.settings import ROOT

PREVIOUS: Final = (ROOT / ".ci" / "previous-release").read_text().strip()
_VERSIONS: Final = "app/persistence/migrations/versions"


def git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)  # noqa: S603, S607  # our own words
    assert done.returncode == 0, f"git {' '.join(arguments)} fails; a shallow clone lacks what it needs: git fetch --unshallow"
    return done.stdout


def unpack(folder: Path) -> Path:
    """Its code, without its packages: it runs on those that are installed here."""
    folder.mkdir()
    archive = git("archive", PREVIOUS, "app", "models.yaml", "tiers.yaml", "tiers.development.yaml")
    subprocess.run(["tar", "-x"], cwd=folder, input=archive, check=True)  # noqa: S607
    return folder


def migrations() -> set[str]:
    """The names of the files it has."""
    return {Path(line).name for line in git("ls-tree", "--name-only", PREVIOUS, f"{_VERSIONS}/").decode().splitlines()}


def knew(commit: str) -> bool:
    """Whether the previous release is this commit, or came after it."""
    return git("merge-base", PREVIOUS, commit).decode().strip() == git("rev-parse", f"{commit}^{{commit}}").decode().strip()
