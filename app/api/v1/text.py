"""Text that people send: checked, never changed."""

from math import isfinite
from typing import Annotated, Any, Final

from pydantic import AfterValidator, Field

from app.text import checked, checked_line

MAX_MESSAGE_LENGTH: Final = 32_000
_MAX_DEPTH: Final = 50


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


def _said(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty")
    return text


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
