"""Files that are written all or not at all, and to their end by whoever begins again."""

import shutil
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from app.errors import AppError, InvalidInput


@dataclass(frozen=True, slots=True)
class Change:
    """New files, and what files that are there become; a server that reloads meanwhile sees the new ones first."""

    root: Path
    new: Mapping[Path, str]
    changed: Mapping[Path, str] = field(default_factory=dict)

    def write(self) -> None:
        """Raise InvalidInput where a new file, or a module of its name, is there already, and AppError where one cannot be written.

        Who is killed in the midst of it leaves the beginning of the new files, and nothing changed: another `write` goes on from there.
        """
        self._check()
        before = {path: path.read_text(encoding="utf-8") for path in self.changed}
        made: list[Path] = []
        try:
            for path, text in self.new.items():
                made += _make_folder(path.parent)
                made.append(path)
                path.write_text(text, encoding="utf-8")
            for path, text in self.changed.items():
                _replace(path, text)
        except OSError as error:
            _take_back(made, before)
            raise AppError(f"{error.filename or 'A file'} could not be written ({error.strerror}); nothing has changed.") from error
        except KeyboardInterrupt:
            _take_back(made, before)
            raise

    def _check(self) -> None:
        for path in self.new:
            module = path.parent if path.name == "__init__.py" else path
            rivals = (path, module.with_suffix(""), module.with_suffix(".py"))
            if taken := next(filter(self._is_taken, rivals), None):
                raise InvalidInput(f"{taken.relative_to(self.root)} is there already; nothing was written.")

    def _is_taken(self, path: Path) -> bool:
        """A folder is free in which nothing but bytecode was left behind, and what a `write` had begun when it was killed."""
        if path.is_dir():
            return any(one.name != "__pycache__" and self._is_taken(one) for one in path.iterdir())
        return path.exists() and not self._is_begun(path)

    def _is_begun(self, path: Path) -> bool:
        with suppress(OSError, UnicodeDecodeError):
            return path in self.new and self.new[path].startswith(path.read_text(encoding="utf-8"))
        return False


def _make_folder(folder: Path) -> list[Path]:
    if folder.exists():
        return []
    folder.mkdir()
    return [folder]


def _replace(path: Path, text: str) -> None:
    """At once: who is killed meanwhile leaves the file as it was."""
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(text, encoding="utf-8")
        shutil.copymode(path, beside)
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def _take_back(made: list[Path], before: Mapping[Path, str]) -> None:
    for path, text in before.items():
        with suppress(OSError):
            _replace(path, text)
    for path in reversed(made):
        with suppress(OSError):
            path.rmdir() if path.is_dir() else path.unlink(missing_ok=True)
