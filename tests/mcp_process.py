"""MCP servers of ours for a test: a file that names them, and one as a process of its own that can be killed and started again."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Self

import httpx
import psutil

from tests.ports import held_port

ROOT: Final = Path(__file__).parents[1]
_START_SECONDS: Final = 30
_LOOK_SECONDS: Final = 0.05


def program(name: str = "ours", **more: Any) -> dict[str, Any]:
    """An entry of the file: our server as a program that speaks through its standard input and output."""
    return {"name": name, "transport": "stdio", "command": sys.executable, "args": ["-m", "tests.mcp_server", "stdio"], **more}


def mcp_file(folder: Path, *servers: dict[str, Any]) -> Path:
    file = folder / "mcp.yaml"
    file.write_text(json.dumps({"servers": servers}))  # JSON is YAML
    return file


def wait_until_gone(pid: int, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, f"process {pid} is still there"
        time.sleep(_LOOK_SECONDS)


async def until_there(file: Path, seconds: float = 20) -> None:
    """Until a tool of ours, in another process, has begun."""
    async with asyncio.timeout(seconds):
        while not file.exists():  # noqa: ASYNC110, ASYNC240  # another process makes it
            await asyncio.sleep(_LOOK_SECONDS)


class HttpMcp:
    """Our server at an address, behind a port that stays its own."""

    def __init__(self) -> None:
        self._held = held_port()
        self.port: int = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}/mcp"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._held.close()

    def entry(self, name: str = "remote", **more: Any) -> dict[str, Any]:
        return {"name": name, "transport": "streamable_http", "url": self.url, **more}

    def start(self) -> None:
        command = [sys.executable, "-m", "tests.mcp_server", "http", str(self.port)]
        self._process = subprocess.Popen(command, cwd=ROOT)  # noqa: S603  # our own module
        deadline = time.monotonic() + _START_SECONDS
        while True:
            assert time.monotonic() < deadline, "the MCP server did not start"
            with suppress(httpx.TransportError):
                httpx.get(self.url)
                return
            time.sleep(_LOOK_SECONDS)

    def kill(self) -> None:
        if self._process and self._process.poll() is None:
            os.kill(self._process.pid, signal.SIGKILL)
            self._process.wait()
