"""Keep one Postgres running while anybody uses it: the process that stands between a server and its clients.

Two files beside the cluster are locked with flock, which the kernel undoes however their holder dies:

- `….clients` is held shared by every client as long as it uses the database. The keeper tries to take it exclusively: once it can,
  nobody is left, and it stops Postgres under that lock. Who comes in between waits for its shared lock until Postgres has ended.
- `….server` is held by the keeper and inherited by every process of its Postgres. While it is taken, something of that server is
  alive; when it is free nothing is, and whoever takes it next may start another.

A client that holds its lock starts a keeper whenever the server's lock is free, again and again until Postgres answers: of keepers
that start together one gets the lock and the others leave. So no order of arrivals and deaths gives two servers or none.

Postgres is told by the kernel when its keeper dies and then shuts down too. Only Linux can do that: elsewhere a Postgres whose keeper
was killed serves the next clients and stays.

The keeper is started by its path under a bare interpreter, so it imports nothing but the standard library.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO, Final

_NOBODY: Final = 65534
_PR_SET_PDEATHSIG: Final = 1
_LOOK_SECONDS: Final = 0.2
_SOON_SECONDS: Final = 5
_MAX_FAILURES: Final = 25

_FAST_SHUTDOWN: Final = signal.SIGINT

# The collation is Postgres' own, so that it neither depends on the machine's locales nor changes with its C library.
_INITDB_OPTIONS: Final = (
    *("--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"),
    *("--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"),
)
_SETTINGS: Final = (
    *("listen_addresses=", "unix_socket_directories=.", "port=5432", "max_connections=200"),
    *("timezone=UTC", "log_timezone=UTC", "log_checkpoints=off"),
    # Clients are told what was wrong with a statement; here its words would stay, and they quote rows: an email that is taken, say.
    "log_min_messages=log",
)


def clients_lock(cluster: Path) -> Path:
    return cluster.with_name(f"{cluster.name}.clients")


def server_lock(cluster: Path) -> Path:
    return cluster.with_name(f"{cluster.name}.server")


def try_lock(file: IO[str], kind: int) -> bool:
    """Take a shared or exclusive flock if that is possible at once."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def keep(cluster: Path, binaries: Path, settings: Sequence[str], lock: IO[str]) -> None:
    """Run Postgres until no client is left, and start it again when it dies before that."""
    if not cluster.exists():
        _create_cluster(cluster, binaries, settings, lock)
    options = [option for setting in (*_SETTINGS, *settings) for option in ("-c", setting)]
    command = [str(binaries / "postgres"), "-D", str(cluster), *options]
    failures = 0
    with clients_lock(cluster).open("a") as clients:
        # One that ends soon has a reason; what is left of a killed one may be that reason, for some seconds.
        while failures < _MAX_FAILURES:
            started = time.monotonic()
            if not _run(command, cluster, lock, clients):
                return
            failures = failures + 1 if time.monotonic() - started < _SOON_SECONDS else 0
            time.sleep(_LOOK_SECONDS)


def _run(command: Sequence[str], cluster: Path, lock: IO[str], clients: IO[str]) -> bool:
    """Whether Postgres ended by itself."""
    _forget_dead_postmaster(cluster, lock)
    postgres = _spawn(command, cluster, lock)
    _remember_postmaster(postgres.pid, lock)
    while postgres.poll() is None:
        if try_lock(clients, fcntl.LOCK_EX):
            postgres.send_signal(_FAST_SHUTDOWN)
            postgres.wait()
            return False
        time.sleep(_LOOK_SECONDS)
    return not try_lock(clients, fcntl.LOCK_EX)


def _create_cluster(cluster: Path, binaries: Path, settings: Sequence[str], lock: IO[str]) -> None:
    """Make it under another name first: what a killed initdb leaves behind must not pass for a cluster."""
    unfinished = cluster.with_name(f"{cluster.name}.new")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(mode=0o700)
    if os.geteuid() == 0:
        home = cluster.parent.stat()
        os.chown(unfinished, home.st_uid, home.st_gid)
    sync = ["--no-sync"] if "fsync=off" in settings else []
    initdb = _spawn([str(binaries / "initdb"), "-D", str(unfinished), *_INITDB_OPTIONS, *sync], unfinished, lock)
    if initdb.wait() != 0:
        raise SystemExit("initdb failed")
    unfinished.rename(cluster)


def _remember_postmaster(pid: int, lock: IO[str]) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(f"{pid}")
    lock.flush()


def _forget_dead_postmaster(cluster: Path, lock: IO[str]) -> None:
    """Remove what names a postmaster that a keeper started: we hold its lock, so it is dead, whoever has its number now.

    In a restarted container somebody mostly has, and Postgres would refuse to start beside them.
    """
    lock.seek(0)
    dead = lock.read()
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        file = cluster / name
        if file.exists() and file.read_text().partition("\n")[0] == dead:
            file.unlink()


def _spawn(command: Sequence[str], folder: Path, lock: IO[str]) -> subprocess.Popen[bytes]:
    become_owner = _choose_owner(folder)
    libc = ctypes.CDLL(None)
    keeper = os.getpid()

    def prepare() -> None:
        become_owner()
        if sys.platform == "linux":
            libc.prctl(_PR_SET_PDEATHSIG, _FAST_SHUTDOWN)  # last: the kernel forgets it when a process changes its user
        if os.getppid() != keeper:
            os._exit(1)

    return subprocess.Popen(command, pass_fds=(lock.fileno(),), preexec_fn=prepare)  # noqa: PLW1509, S603  # one thread; our own words


def _choose_owner(folder: Path) -> Callable[[], None]:
    """Choose as whom Postgres runs on `folder`, which it must own, for it refuses to be root."""
    if os.geteuid() != 0:
        return lambda: None
    owner = folder.stat()
    if owner.st_uid == 0 and _can_rename_root():
        return _rename_root
    user, group = (owner.st_uid, owner.st_gid) if owner.st_uid else (_NOBODY, _NOBODY)
    _give(folder, user, group)
    return partial(_become, user, group)


def _rename_root() -> None:
    """Be nobody in a user namespace of our own: still owner of root's files, without any of root's powers."""
    if sys.platform == "linux":
        os.unshare(os.CLONE_NEWUSER)
    # Elsewhere there is no such file, and the error says what we must know.
    Path("/proc/self/uid_map").write_text(f"{_NOBODY} 0 1")


def _can_rename_root() -> bool:
    """Try it in a child, for many containers forbid it."""
    child = os.fork()
    if child == 0:
        try:
            _rename_root()
        except OSError:
            os._exit(1)
        os._exit(0)
    return os.waitpid(child, 0)[1] == 0


def _give(folder: Path, user: int, group: int) -> None:
    """Give a whole folder away, itself last, so that one interrupted half-way is given again."""
    if folder.stat().st_uid == user:
        return
    for parent, folders, files in folder.walk(top_down=False):
        for name in (*folders, *files):
            os.chown(parent / name, user, group, follow_symlinks=False)
    os.chown(folder, user, group)


def _become(user: int, group: int) -> None:
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)


def main(cluster: Path, binaries: Path, *settings: str) -> int:
    """Leave a keeper behind and return 0, or 1 when the server's lock is taken."""
    os.umask(0o077)
    os.chdir("/")
    with server_lock(cluster).open("a+") as lock:
        if not try_lock(lock, fcntl.LOCK_EX):
            return 1
        # The client waits for us and not for our child, which may outlive it and is nobody's to wait for.
        if os.fork() == 0:
            keep(cluster, binaries, settings, lock)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]), *sys.argv[3:]))
