"""The commands as an operator gives them, each a process."""

import subprocess
import sys
from collections.abc import Mapping

from app.settings import ROOT


def run(variables: Mapping[str, str], *arguments: object, failing: bool = False) -> str:
    """What it says: on its standard output, or where it fails, the one line of its other."""
    command = [sys.executable, "-m", "app", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, env={**variables}, capture_output=True, text=True, check=False)  # noqa: S603  # our own module
    assert done.returncode == (1 if failing else 0), done.stderr
    assert done.stderr.count("\n") == (1 if failing else 0), done.stderr
    return done.stderr if failing else done.stdout
