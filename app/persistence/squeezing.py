"""Statements as short as they are meant."""

import re
from typing import Final

# psycopg reads a longer statement anew each time it is executed.
MOST_CHARACTERS: Final = 4_096
_ASIDE: Final = re.compile(r"\n\s*(?:--[^\n]*)?(?=\n|$)")
_MARGIN: Final = re.compile(r"\n\s+")


def squeezed(statement: str) -> str:
    """The same without margins, empty lines and lines of comment; it must have no text with line breaks in it."""
    return _MARGIN.sub("\n", _ASIDE.sub("", statement)).strip()
