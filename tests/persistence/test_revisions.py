"""Revisions as their files tell them, and one that has only just been written."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.persistence import migrate, revisions


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the migrations, to write another beside them."""
    copy = Path(shutil.copytree(revisions.FOLDER, tmp_path / "migrations", ignore=shutil.ignore_patterns("__pycache__")))
    for module in (migrate, revisions):
        monkeypatch.setattr(module, "FOLDER", copy)
    revisions.forget()
    yield copy
    monkeypatch.undo()
    revisions.forget()


def test_a_revision_that_was_just_written_is_the_newest(folder: Path, database_url: str) -> None:
    before = revisions.head()
    written = migrate.new(database_url, "what is new")
    [file] = folder.glob("versions/*_what_is_new.py")
    assert f'revision = "{written}"\ndown_revision = "{before}"\n' in file.read_text()
    assert (revisions.head(), revisions.is_ahead(written)) == (written, False)
