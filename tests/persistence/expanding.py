"""What a statement of a migration takes from servers of the version before, in words."""

import re
from collections.abc import Iterator, Sequence
from typing import Final

_NAME: Final = r'(?:IF (?:NOT )?EXISTS )?(?:ONLY )?((?:"?\w+"?\.)?"?\w+"?)'
_MADE: Final = re.compile(rf"\bCREATE (?:UNLOGGED )?TABLE {_NAME}", re.IGNORECASE)
_CHANGED: Final = re.compile(rf"\bALTER TABLE {_NAME} (.*)|\bCREATE (UNIQUE) INDEX .*? ON {_NAME}", re.IGNORECASE)
_REQUIRED: Final = re.compile(r"^ADD (?:COLUMN )?(?!CONSTRAINT|PRIMARY|UNIQUE|FOREIGN|CHECK)(?=.*NOT NULL)(?!.*(?:DEFAULT|GENERATED))")

# A rule's name, and what it is known by in a statement that changes what was there before. The last are of tables only.
_ANYWHERE: Final = {
    "drops": re.compile(r"^DROP (?!INDEX)|(?:;|\$\$|BEGIN) *DROP (?!INDEX)"),
    "drops an index, which a statement may name its conflict by": re.compile(r"\bDROP INDEX\b"),
    "renames": re.compile(r"\bRENAME\b"),
    "empties": re.compile(r"^TRUNCATE\b"),
}
_OF_TABLES: Final = {
    "drops": re.compile(r"^DROP (?!NOT NULL)"),
    "drops a default": re.compile(r"^ALTER (?:COLUMN )?\S+ DROP DEFAULT"),
    "changes a type": re.compile(r"^ALTER (?:COLUMN )?\S+ (?:SET DATA )?TYPE\b"),
    "has old columns filled": re.compile(r"^ALTER (?:COLUMN )?\S+ SET NOT NULL"),
    "wants a column that others do not fill": _REQUIRED,
    "refuses rows that others write": re.compile(r"^ADD (?:CONSTRAINT|UNIQUE|FOREIGN|CHECK|PRIMARY|EXCLUDE)|^UNIQUE"),
}


def losses(statements: Sequence[str]) -> Iterator[str]:
    """Of one migration's; what it does to tables of its own making is nobody's loss."""
    plain = [_plain(statement) for statement in statements]
    made = {_bare(name) for statement in plain for name in _MADE.findall(statement)}
    for statement in plain:
        yield from (f"{rule}: {statement}" for rule, pattern in _ANYWHERE.items() if pattern.search(statement.upper()))
        for table, change in _changes(statement):
            if table not in made:
                yield from (f"{rule}: {statement}" for rule, pattern in _OF_TABLES.items() if pattern.search(change.upper()))


def _changes(statement: str) -> Iterator[tuple[str, str]]:
    """Tables, and what is done to each; commas in brackets are no ends."""
    for altered, change, unique, indexed in _CHANGED.findall(statement):
        for part in re.split(r", (?![^(]*\))", change) if altered else [unique]:
            yield _bare(altered or indexed), part.strip()


def _plain(statement: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"--[^\n]*", "", statement)).strip().rstrip(";")


def _bare(name: str) -> str:
    return name.rpartition(".")[2].strip('"').lower()
