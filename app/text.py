"""Text of others: what of it can be kept, and how it stands in a prompt."""

import json
import math
import re
from collections.abc import Mapping
from typing import Any, Final

# Fits English, and through UTF-8's longer letters most other languages too.
BYTES_PER_TOKEN: Final = 4

# Neither Postgres nor UTF-8 can hold these.
_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
# What would break a line, or do something to a terminal that shows it.
_CONTROLS: Final = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029]")


def checked(text: str) -> str:
    """The text itself; raise ValueError for one that cannot be kept, in words for pydantic to pass on."""
    if _UNSTORABLE.search(text):
        raise ValueError("must not contain NUL or half a surrogate pair")
    return text


def checked_line(text: str) -> str:
    """The text itself; raise ValueError for one that a name cannot be."""
    if _CONTROLS.search(text):
        raise ValueError("must not contain control characters")
    return checked(text)


def storable(text: str) -> str:
    """The text with U+FFFD for NUL and halves of surrogate pairs."""
    return _UNSTORABLE.sub("\ufffd", text)


def storable_values(value: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    """The value as JSON that Postgres can hold."""
    match value:
        case str():
            return storable(value)
        case Mapping():
            return {storable(str(key)): storable_values(inner) for key, inner in value.items()}
        case list() | tuple():
            return [storable_values(inner) for inner in value]
        case float() if not math.isfinite(value):
            return None  # Python reads NaN and Infinity in JSON, which has neither
        case bool() | int() | float() | None:
            return value
        case _:
            return storable(str(value))


def quoted(value: object) -> str:
    """The value as JSON on one line, in which no newline, quote or tag of ours can stand as itself."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
