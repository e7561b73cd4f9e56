"""Have a page read as text."""

import asyncio
import json
import math
import sys
from asyncio.subprocess import DEVNULL, PIPE
from pathlib import Path
from typing import Final

from app.agent.web import Page
from app.agent.web.fetching import Fetched
from app.internet import WebError

_SCRIPT: Final = str(Path(__file__).with_name("page_text.py"))
_READ_AT_ONCE: Final = 2
_SECONDS: Final = 10
_MAX_TITLE: Final = 150
_NOT_READ: Final = "The page could not be read."


class Reader:
    """Reads two pages at a time, each in a process of its own; `characters` of its text at the most."""

    def __init__(self, characters: int, seconds: float = _SECONDS) -> None:
        self._characters = characters
        self._seconds = seconds
        self._free = asyncio.Semaphore(_READ_AT_ONCE)

    async def read(self, fetched: Fetched) -> Page:
        """Raise WebError."""
        title, text = await self._said(fetched)
        if not text:
            raise WebError("The page has no text.")
        return Page(url=fetched.url, title=" ".join(title.split())[:_MAX_TITLE], text=text)

    async def _said(self, fetched: Fetched) -> tuple[str, str]:
        head = {
            "is_plain": fetched.media_type == "text/plain",
            "charset": fetched.charset,
            "bytes": len(fetched.content),
            "characters": self._characters,
            "seconds": math.ceil(self._seconds),
        }
        try:
            told = json.loads(await self._asked(json.dumps(head).encode() + b"\n" + fetched.content))
            return told["title"], told["text"]
        except TimeoutError as error:
            raise WebError("The page took too long to read.") from error
        except (OSError, ValueError) as error:
            raise WebError(_NOT_READ) from error

    async def _asked(self, page: bytes) -> bytes:
        async with self._free:
            # Isolated, and without the environment, which has the server's keys.
            process = await asyncio.create_subprocess_exec(sys.executable, "-I", _SCRIPT, stdin=PIPE, stdout=PIPE, stderr=DEVNULL, env={})
            try:
                async with asyncio.timeout(self._seconds):
                    said, _ = await process.communicate(page)
                return said
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
