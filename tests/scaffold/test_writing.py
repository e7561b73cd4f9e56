"""Files that are written all or not at all, and lists that get one name more."""

import stat
from pathlib import Path
from typing import Any

import pytest

from app.errors import AppError, InvalidInput
from app.scaffold.insertion import with_element, with_import
from app.scaffold.writing import Change


def test_what_cannot_be_written_to_its_end_leaves_nothing_behind(tmp_path: Path) -> None:
    listing = tmp_path / "list.py"
    listing.write_text("before")
    (tmp_path / "file").write_text("in the way of a folder")
    change = Change(tmp_path, {tmp_path / "one" / "new.py": "new", tmp_path / "file" / "new.py": "never"}, {listing: "after"})
    with pytest.raises(AppError, match="nothing has changed"):
        change.write()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "list.py"]
    assert listing.read_text() == "before"


class Interrupted(dict[Path, str]):
    """Ctrl-C after its first file."""

    def items(self) -> Any:
        yield next(iter(super().items()))
        raise KeyboardInterrupt


def test_what_is_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    change = Change(tmp_path, Interrupted({tmp_path / "one" / "new.py": "new", tmp_path / "two.py": "never"}))
    with pytest.raises(KeyboardInterrupt):
        change.write()
    assert [*tmp_path.iterdir()] == []


def test_what_is_changed_keeps_its_mode_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    listing = tmp_path / "list.py"
    listing.write_text("before")
    listing.chmod(0o640)
    Change(tmp_path, {}, {listing: "after"}).write()
    assert (listing.read_text(), stat.S_IMODE(listing.stat().st_mode)) == ("after", 0o640)
    assert [*tmp_path.iterdir()] == [listing]


def test_a_folder_that_has_only_bytecode_in_it_is_free(tmp_path: Path) -> None:
    (tmp_path / "poet" / "__pycache__").mkdir(parents=True)
    change = Change(tmp_path, {tmp_path / "poet" / "__init__.py": "new"})
    change.write()
    assert (tmp_path / "poet" / "__init__.py").read_text() == "new"
    (tmp_path / "poet" / "__init__.py").write_text("mine")
    with pytest.raises(InvalidInput, match=r"^poet/__init__.py is there already"):
        change.write()


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ALL: Final = (\n)\n", "ALL: Final = (two,)\n"),
        ("ALL: Final = (one,)\n", "ALL: Final = (one, two)\n"),
        ("ALL: Final = (one, ö)  # why\nx = 1\n", "ALL: Final = (one, ö, two)  # why\nx = 1\n"),
        ("ALL: Final = (\n    one,  # why\n)\n", "ALL: Final = (\n    one,  # why\n    two,\n)\n"),
        (f"ALL: Final = ({'o' * 130},)\n", f"ALL: Final = (\n    {'o' * 130},\n    two,\n)\n"),
    ],
)
def test_an_element_is_added_at_the_end(before: str, after: str) -> None:
    assert with_element(before, "ALL", "two") == after


@pytest.mark.parametrize(("name", "place"), [("app.a", 0), ("app.b10", 2), ("app.b2a", 1), ("app.c", 3)])
def test_an_import_stands_where_the_sorter_would_put_it(name: str, place: int) -> None:
    source = '"""Words."""\n\nfrom typing import Final\n\nfrom app.b import b\nfrom app.b9 import b9\nfrom app.bb import bb\n'
    assert with_import(source, name, "x").splitlines()[4:].index(f"from {name} import x") == place
