"""The server with a meter in it: how much later than asked its event loop comes back. Started by `benchmarks.login`."""

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Final

import uvicorn

from app.main import create_app

_TICK_SECONDS: Final = 0.002


class Meter:
    def __init__(self) -> None:
        self._lags: list[float] = []
        self._task: asyncio.Task[None] | None = None

    async def begin(self) -> None:
        self._lags.clear()
        self._task = self._task or asyncio.create_task(self._watch())

    async def read(self) -> Sequence[float]:
        """In milliseconds, one for each tick since it began."""
        return self._lags

    async def _watch(self) -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(_TICK_SECONDS)
            self._lags.append((time.perf_counter() - before - _TICK_SECONDS) * 1000)


if __name__ == "__main__":
    application, meter = create_app(), Meter()
    application.add_api_route("/lag", meter.begin, methods=["POST"])
    application.add_api_route("/lag", meter.read, methods=["GET"])
    uvicorn.run(application, port=int(sys.argv[1]), log_config=None, access_log=False)
