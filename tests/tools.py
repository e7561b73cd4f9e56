"""Programs that tests need beyond Python packages, where `make test-tools` puts them or the system has them."""

import shutil
from pathlib import Path
from typing import Final

from app.settings import ROOT

_BROUGHT: Final = ROOT / ".venv-tools" / "usr" / "bin"


def tool(name: str) -> Path | None:
    found = shutil.which(name, path=_BROUGHT) or shutil.which(name)
    return Path(found) if found else None


def needed(name: str) -> Path:
    found = tool(name)
    assert found, f"{name} is not here; `make test-tools` brings it."
    return found
