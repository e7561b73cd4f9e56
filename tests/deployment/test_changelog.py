"""The notes of a release: the changelog's section of that very version, or nothing at all."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from app.settings import ROOT

CHANGELOG: Final = """\
# Changelog

## Unreleased

### Added

- What is to come.

## [1.2.3] - 2026-12-01

### Added

- What there is, in
  two lines.

## 1.2.30

- What is another's.

## 1.2

- What was.
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "changelog", tmp_path / "scripts")
    (tmp_path / "CHANGELOG.md").write_text(CHANGELOG)
    _be_version(tmp_path, "1.2.3")
    return tmp_path


def _be_version(tree: Path, version: str) -> None:
    (tree / "pyproject.toml").write_text(f'[project]\nname = "milepost"\nversion = "{version}"\n')


def _run(tree: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(tree / "scripts" / "changelog"), *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)  # noqa: S603


@pytest.mark.parametrize("named", ["1.2.3", "v1.2.3"])
def test_a_version_has_its_own_section(tree: Path, named: str) -> None:
    told = _run(tree, named)
    assert (told.returncode, told.stdout) == (0, "### Added\n\n- What there is, in\n  two lines.\n")


def test_the_last_section_ends_with_the_file(tree: Path) -> None:
    _be_version(tree, "1.2")
    assert _run(tree, "1.2").stdout == "- What was.\n"


@pytest.mark.parametrize(
    ("ours", "arguments", "reason"),
    [
        ("1.2.3", ["v1.2.4"], "this is 1.2.4, and pyproject.toml has 1.2.3"),
        ("1.2.4", ["v1.2.4"], "nothing below `## 1.2.4`"),
        ("1.2.3", [], "Say which version"),
        ("1x2", ["1x2"], "nothing below `## 1x2`"),
    ],
)
def test_what_does_not_fit_fails_and_says_why(tree: Path, ours: str, arguments: list[str], reason: str) -> None:
    _be_version(tree, ours)
    told = _run(tree, *arguments)
    assert (told.returncode, told.stdout) == (1, "")
    assert reason in told.stderr


def test_an_empty_section_is_none(tree: Path) -> None:
    (tree / "CHANGELOG.md").write_text("## 1.2.3\n\n## 1.2.2\n\n- Old.\n")
    assert _run(tree, "1.2.3").returncode == 1
