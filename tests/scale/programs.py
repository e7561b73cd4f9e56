"""A real proxy and a real pooler, with the files in deploy/, but for where they listen and whom they pass things on to."""

import configparser
import os
import re
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

import httpx
import psutil
import psycopg
from psycopg.conninfo import conninfo_to_dict

from app.settings import ROOT
from tests.ports import held_port
from tests.tools import UNTIL_INPUT_ENDS, libraries, needed

PROXY_FILE: Final = ROOT / "deploy" / "proxy" / "haproxy.cfg"
POOLER_FILE: Final = ROOT / "deploy" / "pgbouncer" / "pgbouncer.ini"

_START_SECONDS: Final = 20
# Who may not be there, where nobody but root may write, and more files than a test may open.
_OF_ITS_MACHINE: Final = re.compile(r"^ +(?:user|group|stats socket|log stdout|maxconn) .*\n", re.MULTILINE)
_OWN_PLACES: Final = ("bind", "server")
# Root in name only: pgbouncer takes no root, and another user could not reach the embedded Postgres.
_AS_NOBODY: Final = ("unshare", "--map-user=65534", "--")


class _Program:
    """A program that runs until the block is left; `port` is where it listens."""

    def __init__(self, folder: Path, name: str) -> None:
        self._held = held_port()
        self.port: int = self._held.getsockname()[1]
        self._folder = folder / f"{name}-{self.port}"
        self._process: subprocess.Popen[bytes] | None = None

    def _start(self, command: Sequence[str], is_ready: Callable[[], bool]) -> None:
        log = self._folder / "log"
        with log.open("ab") as output:
            self._process = subprocess.Popen(  # noqa: S603  # the programs that `make test-tools` brings
                [*UNTIL_INPUT_ENDS, *command],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
                start_new_session=True,
                env={**os.environ, **libraries()},
            )
        deadline = time.monotonic() + _START_SECONDS
        while not is_ready():
            if time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(log.read_text())
            time.sleep(0.02)

    def __exit__(self, *_: object) -> None:
        if self._process:
            assert self._process.stdin
            self._process.stdin.close()
            self._process.wait()
        self._held.close()

    @property
    def process(self) -> psutil.Process:
        """The program itself, which the shell started."""
        assert self._process
        (program,) = psutil.Process(self._process.pid).children()
        return program


class ProxyProcess(_Program):
    """HAProxy before these servers, given by their ports."""

    def __init__(self, folder: Path, servers: Sequence[int]) -> None:
        super().__init__(folder, "proxy")
        self.url = f"http://127.0.0.1:{self.port}"
        self._servers = servers

    def __enter__(self) -> Self:
        self._folder.mkdir()
        (self._folder / "haproxy.cfg").write_text(self.configuration())
        self._start([str(needed("haproxy")), "-db", "-f", str(self._folder / "haproxy.cfg")], self._is_ready)
        return self

    def configuration(self) -> str:
        shipped = _OF_ITS_MACHINE.sub("", PROXY_FILE.read_text())
        lines = [line for line in shipped.splitlines() if line.split()[:1] not in ([name] for name in _OWN_PLACES)]
        lines.insert(lines.index("frontend milepost_in") + 1, f"    bind 127.0.0.1:{self.port}")
        return "\n".join([*lines, *(f"    server at{port} 127.0.0.1:{port}" for port in self._servers), ""])

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health/live", trust_env=False).is_success
        except httpx.TransportError:
            return False


class PoolerProcess(_Program):
    """pgbouncer before the server of the database at `url`, for each of its databases, with some of its settings changed."""

    def __init__(self, folder: Path, url: str, **changed: str) -> None:
        super().__init__(folder, "pooler")
        place = {name: str(value) for name, value in conninfo_to_dict(url).items()}
        self._host, self._port = place["host"], place["port"]
        self.url = f"postgresql://postgres@127.0.0.1:{self.port}/{place['dbname']}"
        self._changed = changed

    def __enter__(self) -> Self:
        self._folder.mkdir()
        (self._folder / "users").write_text('"postgres" ""\n')
        file = self._folder / "pgbouncer.ini"
        with file.open("w") as written:
            self.configuration().write(written)
        self._start([*(_AS_NOBODY if os.geteuid() == 0 else ()), str(needed("pgbouncer")), str(file)], self._is_ready)
        return self

    def configuration(self) -> configparser.ConfigParser:
        config = configparser.ConfigParser(interpolation=None)
        config.read(POOLER_FILE)
        _, _, per_backend = config["databases"]["milepost"].partition(" connect_query=")
        config["databases"] = {"*": f"host={self._host} port={self._port} connect_query={per_backend}"}
        ours = {
            "listen_port": str(self.port),
            "unix_socket_dir": "",
            "auth_type": "trust",
            "auth_file": str(self._folder / "users"),
        }
        config["pgbouncer"].update(ours | self._changed)
        return config

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url).close()
        except psycopg.OperationalError:
            return False
        return True
