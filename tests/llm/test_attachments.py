"""What attachments stand for in a prompt: read as far as a model is given it, and no further."""

import threading
from base64 import b64decode, b64encode
from codecs import BOM_UTF8
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from langchain_core.messages import HumanMessage

from app.llm import attachments
from app.llm.attachments import MOST_CHARACTERS, Attached, reference
from app.llm.catalog import ModelSpec

CUT = "[Cut here: a model is given 100,000 characters of a file.]"


@dataclass
class File:
    """One that a user has sent."""

    content: bytes
    media_type: str = "text/plain"
    read: list[int | None] = field(default_factory=list)

    async def __call__(self, _id: UUID, /, most_bytes: int | None) -> bytes:
        self.read.append(most_bytes)
        return self.content[:most_bytes]

    async def told(self) -> Any:
        """What a model is told of it."""
        one = reference(uuid4(), name="it", media_type=self.media_type, size=len(self.content), sha256="")
        asked = HumanMessage([{"type": "text", "text": "What is this?"}, one])
        [message] = await Attached(self).put_into([asked], ModelSpec(name="seeing", images=True))
        return message.content


@pytest.mark.parametrize("letter", ["a", "å", "駅", "🚂"])
@pytest.mark.parametrize("mark", [b"", BOM_UTF8])
@pytest.mark.parametrize("more", [-1, 0, 1, 200_000])
async def test_of_a_text_its_beginning_is_read_and_given_whole_characters(letter: str, mark: bytes, more: int) -> None:
    length = MOST_CHARACTERS + more
    file = File(mark + (letter * length).encode())
    told = await file.told()
    assert told.count(letter * min(length, MOST_CHARACTERS)) == 1
    assert "\ufffd" not in told
    assert (CUT in told) == (more > 0)
    [most] = file.read
    assert most is not None
    assert most < 5 * MOST_CHARACTERS


async def test_an_image_is_read_whole() -> None:
    file = File(b"\x89PNG" * 300_000, "image/png")
    image = (await file.told())[-1]
    assert (b64decode(image["base64"]), file.read) == (file.content, [None])


async def test_what_is_large_is_turned_into_text_beside_the_event_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []

    def noting(content: bytes) -> bytes:
        threads.append(threading.current_thread())
        return b64encode(content)

    monkeypatch.setattr(attachments, "b64encode", noting)
    for size in (1_000, 1_000_000):
        await File(bytes(size), "image/png").told()
    assert [thread is threading.main_thread() for thread in threads] == [True, False]
