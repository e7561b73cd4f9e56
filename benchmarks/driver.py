"""The process that talks, as the measuring process sees it: start it, give it orders."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

from benchmarks.orders import ORDER, READY, REPLY, Order, Reply
from benchmarks.processes import BYTECODE, ROOT, stop

# What a process may need beyond an order's own time to judge its answers.
_GRACE_SECONDS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    process: psutil.Process
    orders: IO[bytes]
    replies: IO[bytes]

    def obey(self, order: Order) -> Reply:
        """Wait for what comes of an order; raise RuntimeError when the process dies or goes on for too long."""
        watchdog = threading.Timer(order.seconds + _GRACE_SECONDS, self.process.kill)
        watchdog.start()
        try:
            self.orders.write(ORDER.dump_json(order) + b"\n")
            self.orders.flush()
            reply = self.replies.readline()
        except BrokenPipeError:
            reply = b""
            with suppress(BrokenPipeError):  # or what is left in the buffer would be tried once more when all is closed
                self.orders.close()
        finally:
            watchdog.cancel()
        if not reply:
            raise RuntimeError("the process that drives the users ended or hung")
        return REPLY.validate_json(reply)


@contextmanager
def start_driver(module: str, *arguments: str, log: Path) -> Iterator[Driver]:
    """Run a module that obeys orders; in a session of its own, out of reach of our terminal's Ctrl-C. It ends with its orders."""
    command = [sys.executable, "-m", module, *arguments]
    with (
        log.open("wb") as errors,
        subprocess.Popen(  # noqa: S603  # our own modules
            command,
            cwd=ROOT,
            env=os.environ | BYTECODE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        ) as process,
    ):
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            if process.stdout.readline() != READY:
                raise RuntimeError(f"{module} did not become ready:\n{log.read_text(errors='replace')[-4_000:]}")
            yield Driver(process=psutil.Process(process.pid), orders=process.stdin, replies=process.stdout)
        finally:
            stop(process)
