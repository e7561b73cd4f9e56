"""Clients of an embedded Postgres as processes that can be killed, and the sight of what they leave running."""

import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import psutil
import psycopg

ROOT: Final = Path(__file__).parents[2]

_SCRIPT: Final = """
import signal, subprocess, sys
from pathlib import Path
from app.persistence.embedded import embedded_postgres
signal.signal(signal.SIGINT, signal.SIG_IGN)
with embedded_postgres(Path(sys.argv[1]), durable=False) as url:
    print(url, flush=True)
    if sys.argv[2:]:
        print(subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, close_fds=False).pid, flush=True)
    sys.stdin.read()
"""


class Client:
    """Another process that uses the Postgres of a folder until its input is closed."""

    def __init__(self, data_dir: Path, *child: str, through: Sequence[str] = (sys.executable,)) -> None:
        self.process = subprocess.Popen(  # noqa: S603
            [*through, "-c", _SCRIPT, str(data_dir), *child],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )

    def line(self) -> str:
        """Give what it says next: first the URL, when it has the database, then the number of its child."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def answers_within(self, seconds: float) -> bool:
        assert self.process.stdout
        return bool(select.select([self.process.stdout], [], [], seconds)[0])

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def client(data_dir: Path, *child: str, through: Sequence[str] = (sys.executable,)) -> Iterator[Client]:
    started = Client(data_dir, *child, through=through)
    with started.process:
        yield started
        started.process.kill()


def postmasters(data_dir: Path) -> list[psutil.Process]:
    """Find the Postgres processes of a folder that no other of them has started."""
    parents = dict(_postgres_and_parents(data_dir / "postgres-18"))
    return [process for process, parent in parents.items() if parent not in {other.pid for other in parents}]


def keepers(data_dir: Path) -> list[psutil.Process]:
    return [process for process in psutil.process_iter() if _is_keeper(process, data_dir / "postgres-18")]


def nothing_runs(data_dir: Path) -> bool:
    return not postmasters(data_dir) and not keepers(data_dir)


def nobody_uses(folder: Path) -> bool:
    """Whether no process has it in what it was started with: a Postgres that is made there, one that runs, or its keeper."""
    return not any(str(folder) in " ".join(process.info["cmdline"] or ()) for process in psutil.process_iter(["cmdline"]))


@contextmanager
def suspended(process: psutil.Process) -> Iterator[None]:
    """Hold it still, so that what takes it a moment takes as long as we look."""
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def eventually(condition: Callable[[], bool], seconds: float) -> bool:
    """Look until it is so, for at most that long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.05)
    return condition()


def ask(url: str, query: str) -> object:
    """Give the first value of the answer, if it has one."""
    with psycopg.connect(url, autocommit=True) as connection:
        answer = connection.execute(query.encode())
        row = answer.fetchone() if answer.description else None
    return row and row[0]


def _postgres_and_parents(cluster: Path) -> Iterator[tuple[psutil.Process, int]]:
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.name() == "postgres" and process.cwd().endswith(str(cluster)):  # under chroot with more before it
                yield process, process.ppid()


def _is_keeper(process: psutil.Process, cluster: Path) -> bool:
    with suppress(psutil.Error):
        return process.cmdline()[3:5] == [str(ROOT / "app/persistence/keeper.py"), str(cluster)]
    return False
