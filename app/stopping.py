"""What a process does when it is told to stop: it ends what it can, and hands the rest on."""

import asyncio
import signal
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Final

from app.runs.service import Runs

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@asynccontextmanager
async def draining(runs: Runs, seconds: float, then: Callable[[signal.Signals], None] | None = None) -> AsyncGenerator[None]:
    """On SIGTERM or SIGINT, take no more runs and let the live ones end for so long; hand back the rest, and only then stop.

    `then` stops the process; without it the handler that was there before does, which a second signal reaches at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal comes here
        return
    loop, tasks = asyncio.get_running_loop(), set[asyncio.Task[None]]()
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    async def stop(number: signal.Signals) -> None:
        await runs.drain(seconds)
        await runs.close()
        (then or _pass_on(before[number]))(number)

    def told(number: signal.Signals) -> None:
        for one in _SIGNALS:
            loop.remove_signal_handler(one)
            signal.signal(one, before[one])
        tasks.add(asyncio.create_task(stop(number), name="drain"))

    for number in _SIGNALS:
        loop.add_signal_handler(number, told, number)
    try:
        yield
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)


def _pass_on(handler: Callable[[int, FrameType | None], object] | int | None) -> Callable[[signal.Signals], None]:
    def pass_on(number: signal.Signals) -> None:
        if callable(handler):
            handler(number, None)
        else:
            signal.raise_signal(number)

    return pass_on
