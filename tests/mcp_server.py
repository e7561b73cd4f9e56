"""A real MCP server of ours, for tests: `python tests/mcp_server.py stdio`, or `http PORT`.

Each process writes a line with its id into the file that PIDS names, so that tests see how many there were and which are left.
"""

import asyncio
import base64
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any, Final

from mcp.server.fastmcp import Context, FastMCP, Image
from mcp.types import ToolAnnotations

from tests.pictures import png

BIG: Final = 300_000

server = FastMCP("tests", log_level="CRITICAL", host="127.0.0.1", port=int(sys.argv[2]) if len(sys.argv) > 2 else 0)


def _make(file: str) -> None:
    if file:
        Path(file).touch()


@server.tool()
async def echo(text: str) -> str:
    """Say the same again."""
    return text


@server.tool()
async def add(a: int, b: int) -> int:
    """Add two whole numbers."""
    return a + b


@server.tool()
async def slow(seconds: float, file: str = "") -> str:
    """Take a while; this file is there once it has begun."""
    _make(file)
    await asyncio.sleep(seconds)
    return "At last."


@server.tool()
def stuck(seconds: float, file: str = "") -> str:
    """Hear nothing meanwhile, not even a signal's end of input; this file is there once it has begun."""
    _make(file)
    time.sleep(seconds)
    return "Awake."


@server.tool()
async def crash() -> str:
    """Die in the middle of the call."""
    os.kill(os.getpid(), signal.SIGKILL)
    return "never"


@server.tool()
async def fail() -> str:
    """Fail, with words of its own."""
    raise ValueError("the flux is not aligned")


@server.tool()
async def big() -> str:
    """Say too much."""
    return "x" * BIG


@server.tool(structured_output=False)
async def picture() -> list[Any]:
    """Show something."""
    return ["Look:", Image(data=png(), format="png")]


@server.tool(annotations=ToolAnnotations(title="Book", destructiveHint=True))
async def book(place: str) -> str:
    """Book a place."""
    return f"Booked {place}."


@server.tool()
async def variables() -> list[str]:
    """Name the environment that the process has."""
    return sorted(os.environ)


@server.tool()
async def told(config: str, runtime: str) -> str:
    """Take arguments whose names LangChain keeps for itself."""
    return f"{config} {runtime}"


@server.tool(name="dotted.name")
async def dotted() -> str:
    """Have a name that providers refuse."""
    return "dotted"


@server.tool()
async def grow(context: Context) -> str:  # type: ignore[type-arg]  # the SDK's own three
    """Have one more tool from now on."""
    server.add_tool(_grown, name="grown", description="Came later.")
    await context.session.send_tool_list_changed()
    return "Grown."


@server.tool()
async def noise() -> str:
    """Flood the standard error."""
    sys.stderr.write("NOISE " * 100_000)
    sys.stderr.flush()
    return base64.b64encode(b"quiet").decode()


async def _grown() -> str:
    return "I am new."


if __name__ == "__main__":
    if pids := os.environ.get("PIDS"):
        with Path(pids).open("a") as file:
            file.write(f"{os.getpid()}\n")
    server.run("stdio" if sys.argv[1] == "stdio" else "streamable-http")
