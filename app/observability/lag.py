"""How late the event loop is: what each token of everybody then is, too."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final

from app.observability import metrics

_SECONDS: Final = 1


@asynccontextmanager
async def watching_the_loop(seconds: float = _SECONDS) -> AsyncGenerator[None]:
    """Set an alarm again and again, and time how late it rings."""
    watching = asyncio.create_task(_watch(seconds), name="loop-lag")
    try:
        yield
    finally:
        watching.cancel()
        await asyncio.wait([watching])


async def _watch(seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + seconds
        await asyncio.sleep(seconds)
        metrics.LOOP_LAG_SECONDS.observe(max(loop.time() - due, 0))
