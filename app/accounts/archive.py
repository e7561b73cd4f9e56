"""A ZIP of JSON files, made piece by piece: neither the data nor the file is ever in memory as a whole."""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from io import BytesIO
from typing import IO, Final
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

FORMAT: Final = "milepost-export"
FORMAT_VERSION: Final = 1
ATTACHMENTS: Final = "attachments"
_PIECE_BYTES: Final = 256 * 1024
# What no file of some system may have in its name.
_NOT_IN_NAMES: Final = re.compile(r'[<>:"/\\|?*]')
_MAX_NAME: Final = 100


# The content of an attachment; None when it was deleted meanwhile.
type ReadAttachment = Callable[[UUID], Awaitable[bytes | None]]


class _Sink:
    """Takes what the archive writes, until somebody takes it away; it cannot be read or wound back."""

    def __init__(self) -> None:
        self._written = bytearray()

    def __len__(self) -> int:
        return len(self._written)

    def write(self, piece: bytes) -> int:
        self._written += piece
        return len(piece)

    def flush(self) -> None: ...
    def close(self) -> None: ...

    def take(self) -> bytes:
        taken = bytes(self._written)
        self._written.clear()
        return taken


class _Archive:
    """The files of one archive, written one after the other: lists of JSON objects, then what was attached."""

    def __init__(self) -> None:
        self.sink = _Sink()
        self._zip = ZipFile(self.sink, "w", ZIP_DEFLATED)
        self._moment = datetime.now(UTC)
        self._file = ExitStack()
        self._open: IO[bytes] | None = None
        self._attached: IO[bytes] = BytesIO()
        self._counts: dict[str, int] = {}

    def add(self, name: str, lines: Sequence[str]) -> None:
        if name not in self._counts:
            self._end_file()
            self._counts[name] = 0
            self._open = self._file.enter_context(self._begin(f"{name}.json"))
            self._open.write(b"[")
        assert self._open  # noqa: S101  # opened with the first lines
        for line in lines:
            self._open.write((b",\n" if self._counts[name] else b"\n") + line.encode())
            self._counts[name] += 1

    def begin_attached(self, name: str) -> None:
        self._end_file()
        self._attached = self._file.enter_context(self._begin(name))

    def write(self, piece: bytes) -> None:
        self._attached.write(piece)

    def end_attached(self) -> None:
        self._file.close()

    def end(self) -> None:
        self._end_file()
        about = {"format": FORMAT, "version": FORMAT_VERSION, "exported_at": self._moment.isoformat(), "entries": self._counts}
        with self._begin("export.json") as file:
            file.write(json.dumps(about, indent=2).encode())
        self._zip.close()

    def drop(self) -> None:
        """End what is open: zipfile complains of an archive that is left in the middle of a file."""
        self._file.close()

    def _begin(self, name: str) -> IO[bytes]:
        entry = ZipInfo(name, self._moment.timetuple()[:6])
        entry.compress_type = ZIP_DEFLATED
        file: IO[bytes] = self._zip.open(entry, "w", force_zip64=True)  # how large it will be nobody knows yet
        return file

    def _end_file(self) -> None:
        if self._open:
            self._open.write(b"\n]\n")
            self._file.close()
            self._open = None


async def archive(rows: AsyncIterable[tuple[str, Sequence[str]]], read: ReadAttachment) -> AsyncGenerator[bytes]:
    """The archive of these files, whose lines are JSON objects, in pieces of some 256 kB; the last file tells what is in the others.

    What the lines of the file `attachments` name follows as files of its own, one at a time in memory.
    """
    made, attached = _Archive(), list[tuple[UUID, str]]()
    try:
        async for name, lines in rows:
            # To compress is work, and others use this thread.
            await asyncio.to_thread(made.add, name, lines)
            attached += [_named(line) for line in lines if name == ATTACHMENTS]
            if len(made.sink) >= _PIECE_BYTES:
                yield made.sink.take()
        for attachment_id, name in attached:
            async for piece in _file(made, name, await read(attachment_id)):
                yield piece
        await asyncio.to_thread(made.end)
        yield made.sink.take()
    finally:
        made.drop()


async def _file(made: _Archive, name: str, content: bytes | None) -> AsyncGenerator[bytes]:
    if content is None:
        return
    made.begin_attached(name)
    for place in range(0, len(content), _PIECE_BYTES):
        await asyncio.to_thread(made.write, content[place : place + _PIECE_BYTES])
        if len(made.sink) >= _PIECE_BYTES:
            yield made.sink.take()
    made.end_attached()


def _named(line: str) -> tuple[UUID, str]:
    """Whose content is wanted, and what its file is called."""
    attachment = json.loads(line)
    return UUID(attachment["id"]), f"{ATTACHMENTS}/{attachment['id']}-{_NOT_IN_NAMES.sub('_', attachment['name'])[-_MAX_NAME:]}"
