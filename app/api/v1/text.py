"""Text that people send: checked, never changed."""

import re
from math import isfinite
from typing import Annotated, Any, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from app.text import checked, checked_line

MAX_MESSAGE_LENGTH: Final = 32_000
_MAX_DEPTH: Final = 50
_BEGINS_WITH_A_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", re.IGNORECASE)


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401  # JSON of any shape
    match value:
        case str():
            checked(value)
        case int() | float() if not _fits(value):
            raise ValueError("must not contain a number past 64 bits, or one that is none")
        case dict() | list() if depth == _MAX_DEPTH:
            raise ValueError(f"must not be nested more than {_MAX_DEPTH} deep")
        case dict():
            for name, inner in value.items():
                checked(name)
                _plain(inner, depth + 1)
        case list():
            for inner in value:
                _plain(inner, depth + 1)
    return value


def _fits(number: float) -> bool:
    return isfinite(number) if isinstance(number, float) else -(2**63) <= number < 2**63


def _written(moment: object) -> object:
    """Pydantic would take a number for seconds or milliseconds since 1970, by its size."""
    if isinstance(moment, str) and not _BEGINS_WITH_A_DATE.match(moment):
        raise ValueError("must be a date with a time and its zone, as in 2026-01-01T00:00:00Z")
    return moment


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


Moment = Annotated[AwareDatetime, BeforeValidator(_written)]
# JSON of any shape that can be kept.
PlainValue = Annotated[Any, AfterValidator(_plain)]
# Bounds of a length stand before these, or pydantic counts a text's characters as "items".
SOUND: Final = AfterValidator(checked)
# The same of what stands on one line: names, keys and ids.
LINE: Final = AfterValidator(checked_line)
_SAID: Final = AfterValidator(_said)
SoundText = Annotated[str, SOUND]
MessageText = Annotated[str, Field(min_length=1, max_length=MAX_MESSAGE_LENGTH, examples=["What time is it in Oslo?"]), SOUND, _SAID]
Name = Annotated[str, Field(max_length=200, examples=["Trip to Oslo"]), LINE]
GivenName = Annotated[str, Field(min_length=1, max_length=200, examples=["Trip to Oslo"]), LINE, _SAID]
