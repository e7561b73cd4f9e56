"""`python -m tests.stub --port 0`: print the port as one line, then serve until stopped."""

import argparse
import asyncio
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from tests.stub.server import serve

_PARENT_CHECK_SECONDS: Final = 0.5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.stub", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port")
    parser.add_argument("--parent", type=int, help="stop when this process is no longer our parent")
    chosen = parser.parse_args(arguments)
    with suppress(KeyboardInterrupt):
        asyncio.run(_serve(chosen.port, chosen.parent))


async def _serve(port: int, parent: int | None) -> None:
    serving = asyncio.create_task(serve(port))
    # A killed parent cannot stop us, and PR_SET_PDEATHSIG exists on Linux only and dies with the parent's thread: so we look.
    while not serving.done() and parent in {None, os.getppid()}:
        await asyncio.wait((serving,), timeout=_PARENT_CHECK_SECONDS)
    serving.cancel()
    await serving


if __name__ == "__main__":
    main()
