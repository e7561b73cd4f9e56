"""The server as a process that can be killed, frozen and started again."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

import httpx

from tests.ports import held_port

ROOT: Final = Path(__file__).parents[2]
_START_SECONDS: Final = 40
_STOP_SECONDS: Final = 20


class ServerProcess:
    """`python -m app serve` on a port of its own, or another command; leaving kills it with all it started."""

    def __init__(self, variables: Mapping[str, str], log: Path, command: str = "serve", *, ready: int = 200, root: Path = ROOT) -> None:
        """`ready` is the status by which the server is known to answer, `root` the folder that holds its code."""
        self._command, self._ready, self._root = command, ready, root
        self._held = held_port()
        self.port: int = self._held.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._variables = {**_clean(os.environ), **variables, "PORT": str(self.port), "DEBUG": "false"}
        self._log = log
        self.process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        try:
            await self.start()
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process and self.process.poll() is None:
            self.signal(signal.SIGCONT)
            self.kill()
        self._held.close()

    async def start(self) -> None:
        """Start it; of a server wait until it answers."""
        with self._log.open("ab") as output:
            command = [sys.executable, "-m", "app", self._command]
            self.process = subprocess.Popen(  # noqa: ASYNC220, S603  # returns at once; our own module
                command, cwd=self._root, env=self._variables, stdout=output, stderr=output, start_new_session=True
            )
        if self._command != "serve":
            return  # it shows in what it does
        async with asyncio.timeout(_START_SECONDS), httpx.AsyncClient() as client:
            while True:
                assert self.process.poll() is None, self.output()
                with suppress(httpx.TransportError):
                    if (await client.get(f"{self.url}/health/ready")).status_code == self._ready:
                        return
                await asyncio.sleep(0.05)

    def signal(self, number: signal.Signals) -> None:
        assert self.process
        self.process.send_signal(number)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)
        self.wait()

    def wait(self) -> int:
        """Wait for its end; its exit code."""
        assert self.process
        return self.process.wait(_STOP_SECONDS)

    def output(self) -> str:
        return self._log.read_text(errors="replace")


def _clean(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if not name.endswith("_API_KEY")}
