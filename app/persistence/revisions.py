"""The revisions of the schema that this code knows, by their files. Alembic, which runs them, is no part of a server that serves."""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "migrations"
_REVISION: Final = re.compile(r'^revision = "(\w+)"$', re.MULTILINE)
_AFTER: Final = re.compile(r'^down_revision = (?:"(\w+)"|None)$', re.MULTILINE)


def revisions() -> set[str]:
    return {*_before()}


def head() -> str:
    """The newest."""
    [newest] = _before().keys() - _before().values()
    return newest


def is_ahead(revision: str) -> bool:
    """Whether a database's revision is one that this code does not know: a later version has brought it."""
    return bool(revision) and revision not in revisions()


def forget() -> None:
    """Look again: another has been written."""
    _before.cache_clear()


@cache
def _before() -> Mapping[str, str]:
    """Which one each follows; the first follows none, an empty one."""
    return dict(_read(file.read_text()) for file in (FOLDER / "versions").glob("*.py"))


def _read(text: str) -> tuple[str, str]:
    [revision], [after] = _REVISION.findall(text), _AFTER.findall(text)
    return revision, after
