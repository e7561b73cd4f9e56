"""Text that people send: checked, never changed."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field

MAX_MESSAGE_LENGTH: Final = 32_000


def _sound(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not contain a NUL character")
    return text


SoundText = Annotated[str, AfterValidator(_sound)]
MessageText = Annotated[SoundText, Field(min_length=1, max_length=MAX_MESSAGE_LENGTH, examples=["What time is it in Oslo?"])]
Name = Annotated[SoundText, Field(max_length=200, examples=["Trip to Oslo"])]
