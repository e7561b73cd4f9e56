"""Ruff's security rules hold for all code; who lets a line off says why."""

import re
import tomllib
from typing import Final

from app.settings import ROOT

_LET_OFF: Final = re.compile(r"# noqa: [A-Z0-9, ]*\bS\d{3}\b[A-Z0-9, ]*(?P<reason>  # \S.*)?$")
_FOLDERS: Final = ("app", "benchmarks", "evals", "scripts")


def test_a_security_rule_is_let_off_with_a_reason() -> None:
    files = [path for folder in _FOLDERS for path in (ROOT / folder).rglob("*.py")]
    found = [
        (path, line) for path in files for line in path.read_text().splitlines() if (match := _LET_OFF.search(line)) and not match["reason"]
    ]
    assert [f"{path.relative_to(ROOT)}: {line.strip()}" for path, line in found] == []
    assert len(files) > 100


def test_no_folder_is_without_them() -> None:
    lint = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
    assert "S" in lint["select"]
    assert not {*lint["ignore"]} & {"S"}
    # Asserts and passwords of tests, and statements made of constants: nothing else is let off for a whole folder.
    let_off = {rule for rules in lint["per-file-ignores"].values() for rule in rules if re.fullmatch(r"S\d*", rule)}
    assert let_off <= {"S101", "S105", "S106", "S608"}
