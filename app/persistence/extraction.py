"""Facts about a user, read out of a conversation by mem0, in threads that nobody else waits for.

mem0 is imported on first use: it takes seconds, and reads its environment then.
"""

import asyncio
import logging
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from app.persistence.remembering import KnownFact, NewFact, Said

_SILENT: Final = logging.CRITICAL + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What mem0 is given instead of clients of its own; each is called on the event loop.

    `ask` takes what the system says and what the user says, and gives JSON of the form that mem0 asks for.
    """

    ask: Callable[[str, str], Awaitable[str]]
    embed: Callable[[Sequence[str]], Awaitable[Sequence[Sequence[float]]]]
    nearest: Callable[[Sequence[float], int], Awaitable[Sequence[KnownFact]]]


class Extraction:
    def __init__(self, threads: ThreadPoolExecutor, folder: Path) -> None:
        self._threads = threads
        self._folder = folder

    async def facts(self, user_id: UUID, said: Sequence[Said], means: Means) -> Sequence[NewFact]:
        """Read the facts that are not known yet, without writing any; raise what `means` raise."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._threads, _import_mem0, self._folder)
        from app.persistence.mem0_reader import Bridge, Reader  # noqa: PLC0415  # see above

        bridge = Bridge(loop, means)
        try:
            return await loop.run_in_executor(self._threads, Reader(bridge).read, user_id, said)
        finally:
            bridge.close()


@asynccontextmanager
async def open_extraction(folder: Path, *, threads: int) -> AsyncGenerator[Extraction]:
    """`folder` is for the file that mem0 writes when it is imported: a random id, and nothing of any user."""
    executor = ThreadPoolExecutor(threads, thread_name_prefix="mem0")
    try:
        yield Extraction(executor, folder)
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


def _import_mem0(folder: Path) -> None:
    os.environ["MEM0_TELEMETRY"] = "False"
    os.environ["MEM0_DIR"] = str(folder)
    # It logs the words of errors, of answers and of memories.
    logging.getLogger("mem0").setLevel(_SILENT)
    from app.persistence import mem0_reader  # noqa: F401, PLC0415
