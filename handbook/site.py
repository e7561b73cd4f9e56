"""Make the site: documents as pages, Zensical over them, and nothing that a reader's browser would fetch from elsewhere."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence, Set
from pathlib import Path
from typing import Final

from app.errors import AppError
from app.settings import ROOT
from handbook.pages import as_page, named_in, pages

NAVIGATION: Final = ROOT / "handbook" / "zensical.toml"
_THEME: Final = ROOT / "handbook" / "theme"
_WEB: Final = ROOT / "app" / "web"
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")
_FONTS: Final = ("overpass-latin-wght-normal", "overpass-latin-wght-italic", "overpass-mono-latin-wght-normal")


def stage(folder: Path, repository: str = "") -> None:
    """Write what Zensical is given; raise AppError where a page and the navigation do not know of each other."""
    check_navigation()
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "docs", folder / "docs", ignore=shutil.ignore_patterns("*.md"))
    for document, page in pages().items():
        (folder / "docs" / page).parent.mkdir(parents=True, exist_ok=True)
        (folder / "docs" / page).write_text(as_page(document, repository))
    assets = shutil.copytree(_THEME, folder / "theme") / "assets"
    for name in _FONTS:
        shutil.copy(_WEB / "vendor" / "overpass" / f"{name}.woff2", assets)
    shutil.copy(_WEB / "logo.svg", assets)
    shutil.copy(NAVIGATION, folder)


def check_navigation() -> None:
    navigation = tomllib.loads(NAVIGATION.read_text())["project"]["nav"]
    if faults := list(faults_of(list(named_in(navigation)), set(pages().values()))):
        raise AppError("\n".join(faults))


def faults_of(named: Sequence[str], there: Set[str]) -> Iterator[str]:
    """What is wrong with a navigation that names these pages, where there are those."""
    where = NAVIGATION.relative_to(ROOT)
    yield from (f"{page} is not in the navigation of {where}." for page in sorted(there - set(named)))
    yield from (f"{page} is in the navigation of {where}, and is no page." for page in named if page not in there)
    yield from (
        f"{page} is in the navigation of {where} more than once." for page in sorted({page for page in named if named.count(page) > 1})
    )


def build(folder: Path, output: Path) -> None:
    """Stage in `folder` and put the site at `output`; raise AppError, with what Zensical says, where a link or an anchor leads nowhere."""
    stage(folder, _repository())
    make(folder)
    shutil.rmtree(output, ignore_errors=True)
    shutil.move(folder / "site", output)


def make(folder: Path) -> None:
    """The site of what is staged, in the folder `site` beside it; raise AppError as `build`."""
    done = _zensical("build", "--strict", folder=folder, quiet=True)
    if done.returncode:
        # Its colours, one escape for each letter, are for terminals; its traceback is for nobody.
        raise AppError(_COLOUR.sub("", done.stdout + done.stderr).partition("Traceback")[0].strip())


def serve(folder: Path) -> None:
    stage(folder, _repository())
    _zensical("serve", folder=folder, quiet=False)


def _zensical(*arguments: str, folder: Path, quiet: bool) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "zensical", *arguments, "--config-file", str(folder / NAVIGATION.name)]
    return subprocess.run(command, cwd=folder, capture_output=quiet, text=True, check=False)  # noqa: S603  # a module that is locked


def _repository() -> str:
    """Where the files of this commit can be read, by what GitHub's workflows say of themselves; else nowhere."""
    server, name, commit = (os.environ.get(f"GITHUB_{part}", "") for part in ("SERVER_URL", "REPOSITORY", "SHA"))
    return f"{server}/{name}/blob/{commit}" if server and name and commit else ""
