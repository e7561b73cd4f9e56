"""docs/configuration.md: every setting, from the sections in code and the order and headings of .env.example."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from app.settings import ROOT
from app.settings.loading import SECTIONS

_HEAD: Final = """# Configuration

Every setting, its values, and what it does. Settings are variables of the environment or lines of one file; which file, and which of
the two wins, is said in the [quickstart](quickstart.md#your-own-key-or-model-server). Empty counts as not set, a number beyond its
bounds is refused, and so is a name in the file that is no setting. [`.env.example`](../.env.example) is the same list to copy from.

The defaults are production's; where a development server has another, it is named below the production one. Secrets have none.

This page is written by `.venv/bin/python -m handbook write`.
"""
_COLUMNS: Final = "| variable | values | default | what it does |\n|---|---|---|---|\n"
_ROW: Final = re.compile(r"#?([A-Z_]+)=(.*)")
_AT_HOME: Final = re.compile(r"\s*\bIn development(?:, as all of these)?: (\S+?(?: per minute)?)\.$")
_EXPLAINED: Final = re.compile(r"\((docs/[\w-]+\.md)\)")
_NAMED: Final = re.compile(r"(?<![\w`])((?:[A-Z]+_)+[A-Z]+)(?![\w`…])")


def configuration() -> str:
    return _HEAD + "".join(_sections((ROOT / ".env.example").read_text().splitlines()))


def fields() -> Mapping[str, tuple[str, FieldInfo]]:
    """Of each variable the section's class and the field; APP_ENV chooses among them and is none."""
    return {
        str(field.validation_alias): (section.__name__, field) for section in SECTIONS.values() for field in section.model_fields.values()
    }


def _sections(lines: list[str]) -> Iterator[str]:
    known, comment, heading = fields(), "", "The environment"
    for line in lines:
        if line.startswith("# --- "):
            heading = line.removeprefix("# --- ")
        elif row := _ROW.fullmatch(line):
            section, field = known.get(row[1], ("", None))
            if heading:
                yield _heading(heading, section)
                heading = ""
            yield f"| `{row[1]}` | {_values(field)} | {_default(row[2], comment, field)} | {_said(comment)} |\n"
        comment = line.removeprefix("# ")


def _heading(heading: str, section: str) -> str:
    """Its first words are the name; what they say beyond stands under it, with the page that has the rules."""
    page = _EXPLAINED.search(heading)
    words = re.sub(r" *\(docs/.*?\)", "", heading)
    name = re.split("[,:;]", words)[0].strip()
    more = words.removeprefix(name).strip(",:; ")
    told = [f"{more[:1].upper()}{more[1:]}."] if more else []
    told += [f"The rules are in [{Path(page[1]).name}]({Path(page[1]).name})."] if page else []
    told += [f"In code: `{section}`."] if section else []
    said = f"{_marked(' '.join(told))}\n\n" if told else ""
    return f"\n## {name}\n\n{said}{_COLUMNS}"


def _marked(text: str) -> str:
    return _NAMED.sub(r"`\1`", text)


def _said(comment: str) -> str:
    text = _EXPLAINED.sub("", _AT_HOME.sub("", comment)).rstrip(".")
    return _marked(text).replace("|", "\\|")


def _default(written: str, comment: str, field: FieldInfo | None) -> str:
    if field is not None and _is_secret(field.annotation):
        return ""
    shown = f"`{written}`" if written else "empty"
    at_home = _AT_HOME.search(comment)
    return f"{shown}<br>development: `{at_home[1]}`" if at_home else shown


def _is_secret(kind: object) -> bool:
    return kind is SecretStr or any(map(_is_secret, get_args(kind)))


def _values(field: FieldInfo | None) -> str:
    if field is None:
        return "text"
    kind = field.annotation
    if get_origin(kind) in {Union, UnionType}:
        kind = next(one for one in get_args(kind) if one is not type(None))
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    return f"{_in_a_word(kind)}{_bounds(field)}"


def _in_a_word(kind: object) -> str:
    if _is_secret(kind):
        return "secrets, with commas" if get_origin(kind) is tuple else "secret"
    if get_origin(kind) is tuple:
        return "list, with commas"
    words: Mapping[object, str] = {bool: "`true` or `false`", int: "whole number", float: "number"}
    return words.get(kind, "path" if isinstance(kind, type) and issubclass(kind, Path) else "text")


def _bounds(field: FieldInfo) -> str:
    marks = field.metadata
    least = max((_number(mark.ge) for mark in marks if isinstance(mark, Ge)), default=None)
    above = max((_number(mark.gt) for mark in marks if isinstance(mark, Gt)), default=None)
    most = min((_number(mark.le) for mark in marks if isinstance(mark, Le)), default=None)
    if most is None:
        return ""
    if field.annotation is int and above is not None:
        least, above = max(least or 0, above + 1), None
    low = f"{least:,}" if least is not None and (above is None or least > above) else f"more than {above:,}"
    return f",<br>{low} to {most:,}"


def _number(value: object) -> int | float:
    assert isinstance(value, int | float)  # noqa: S101  # bounds of numbers are numbers
    return value
