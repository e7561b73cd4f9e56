"""Programs that tests need beyond Python packages, where `make test-tools` puts them or the system has them."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from app.settings import ROOT

_BROUGHT: Final = ROOT / ".venv-tools" / "usr"
_PLACES: Final = f"{_BROUGHT / 'bin'}:{_BROUGHT / 'sbin'}"

# Before a command: it would outlive a test run that is killed; the shell sees the end of its input, whatever ends us.
UNTIL_INPUT_ENDS: Final = ("/bin/sh", "-c", '"$@" & read -r _; kill -9 $!; wait', "sh")


def tool(name: str) -> Path | None:
    # Debian keeps servers in sbin, which is on no user's path.
    found = shutil.which(name, path=_PLACES) or shutil.which(name) or shutil.which(name, path="/usr/sbin")
    return Path(found) if found else None


def libraries() -> Mapping[str, str]:
    """The variable by which programs find the libraries that were brought with them."""
    found = [str(folder) for folder in sorted((_BROUGHT / "lib").glob("*-linux-gnu"))]
    return {"LD_LIBRARY_PATH": ":".join([*found, *filter(None, [os.environ.get("LD_LIBRARY_PATH")])])} if found else {}


def needed(name: str) -> Path:
    found = tool(name)
    assert found, f"{name} is not here; `make test-tools` brings it."
    return found
