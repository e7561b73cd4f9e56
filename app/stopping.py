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

type _Stop = Callable[[signal.Signals], None]


@asynccontextmanager
async def draining(runs: Runs, seconds: float, then: _Stop | None = None, *, notice_seconds: float = 0) -> AsyncGenerator[None]:
    """On SIGTERM or SIGINT, take no more runs and let the live ones end for so long; hand back the rest, and only then stop.

    Do not stop within `notice_seconds`, whatever there is to end: who sends requests here must have seen first that it is over.
    `then` stops the process; without it the handler that was there before does, which a second signal reaches at once.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # no signal comes here
        return
    drain = _Drain(runs, seconds, notice_seconds, then)
    drain.listen()
    try:
        yield
    finally:
        drain.leave()


class _Drain:
    def __init__(self, runs: Runs, seconds: float, notice_seconds: float, then: _Stop | None) -> None:
        self._runs = runs
        self._seconds = seconds
        self._notice_seconds = notice_seconds
        self._then = then
        self._before = {number: signal.getsignal(number) for number in _SIGNALS}
        self._told_again = False
        self._task: asyncio.Task[None] | None = None

    def listen(self) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().add_signal_handler(number, self._told, number)

    def leave(self) -> None:
        for number in _SIGNALS:
            asyncio.get_running_loop().remove_signal_handler(number)

    def _told(self, number: signal.Signals) -> None:
        self.leave()
        for one in _SIGNALS:
            signal.signal(one, self._tell_again)
        self._task = asyncio.create_task(self._stop(number), name="drain")

    def _tell_again(self, number: int, _: FrameType | None) -> None:
        self._told_again = True
        self._pass_on(signal.Signals(number))

    async def _stop(self, number: signal.Signals) -> None:
        notice = asyncio.create_task(asyncio.sleep(self._notice_seconds), name="notice")
        await self._runs.drain(self._seconds)
        await notice  # before the tails end: until a proxy has seen it, it would send their readers back here
        await self._runs.close()
        if self._then:
            self._then(number)
        elif not self._told_again:  # a third signal would have it leave at once, whatever is open
            self._pass_on(number)

    def _pass_on(self, number: signal.Signals) -> None:
        handler = self._before[number]
        if callable(handler):
            handler(number, None)
        else:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
