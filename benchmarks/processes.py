"""Start a process, wait until it answers, and read what it and its children cost."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import httpx
import psutil

ROOT: Final = Path(__file__).parent.parent
# As the image has it, without the columns of each expression, which a process would hold in memory; beside the bytecode of the rest.
BYTECODE: Final = {"PYTHONNODEBUGRANGES": "1", "PYTHONPYCACHEPREFIX": str(ROOT / ".data" / "bytecode")}
_START_SECONDS: Final = 90
_STOP_SECONDS: Final = 20
_QUIET_SECONDS: Final = 0.5
_QUIET_SHARE: Final = 0.05
_MOST_QUIET_CHECKS: Final = 20
# Linux's number of a process's CPU clock is its id's complement shifted by three, and 2 for "as the scheduler counts".
_SCHEDULER_CLOCK: Final = 2


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(
    module: str, *arguments: str, ready_url: str, log: Path, variables: Mapping[str, str] | None = None
) -> Iterator[psutil.Process]:
    """Run one of our modules until the block is left; it is ready when `ready_url` answers 200."""
    command = [sys.executable, "-m", module, *arguments]
    with (
        log.open("wb") as output,
        subprocess.Popen(  # noqa: S603  # our own modules
            command, cwd=ROOT, env=os.environ | {**BYTECODE, **(variables or {})}, stdout=output, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            _wait_until_ready(process, ready_url, log)
            yield psutil.Process(process.pid)
        finally:
            stop(process)


def _wait_until_ready(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, trust_env=False).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"{process.args!r} did not become ready:\n{log.read_text(errors='replace')[-4_000:]}")


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()


def cpu_seconds(root: psutil.Process) -> float:
    """User and system time of the whole tree, of children that have ended too."""
    return _sum_over_tree(root, _own_cpu_seconds) + _sum_over_tree(root, lambda process: sum(process.cpu_times()[2:4]))


def _own_cpu_seconds(process: psutil.Process) -> float:
    # A few turns of a fast server are a few of the 10 ms that the kernel's own table counts in.
    if sys.platform == "linux":
        with suppress(OSError):
            return time.clock_gettime((~process.pid << 3) | _SCHEDULER_CLOCK)
    return sum(process.cpu_times()[:2])


def rss_bytes(root: psutil.Process) -> float:
    return _sum_over_tree(root, lambda process: process.memory_info().rss)


def _sum_over_tree(root: psutil.Process, read: Callable[[psutil.Process], float]) -> float:
    total = read(root)
    for child in root.children(recursive=True):
        # One that ends while we look is passed over: its parent inherits its times.
        with suppress(psutil.NoSuchProcess):
            total += read(child)
    return total


def quiet_cpu_seconds(roots: Sequence[psutil.Process]) -> list[float]:
    """Read the CPU times once they stand still, so that work left over from a turn is counted with it."""
    before = [cpu_seconds(root) for root in roots]
    for _ in range(_MOST_QUIET_CHECKS):
        time.sleep(_QUIET_SECONDS)
        after = [cpu_seconds(root) for root in roots]
        if sum(after) - sum(before) < _QUIET_SECONDS * _QUIET_SHARE:
            return after
        before = after
    return before


def postgres_under(folder: Path) -> psutil.Process:
    """Find the postmaster of the database kept somewhere under this folder by the file it leaves there."""
    return psutil.Process(int(next(folder.rglob("postmaster.pid")).read_text().splitlines()[0]))
