"""Text that people send: checked, never changed."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field

_UNSTORABLE: Final = re.compile("[\0\ud800-\udfff]")
MAX_MESSAGE_LENGTH: Final = 32_000


def _sound(text: str) -> str:
    if _UNSTORABLE.search(text):
        raise ValueError("must not contain NUL or half a surrogate pair")
    return text


SoundText = Annotated[str, AfterValidator(_sound)]
MessageText = Annotated[SoundText, Field(min_length=1, max_length=MAX_MESSAGE_LENGTH, examples=["What time is it in Oslo?"])]
Name = Annotated[SoundText, Field(max_length=200, examples=["Trip to Oslo"])]
