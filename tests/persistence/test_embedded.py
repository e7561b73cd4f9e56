"""The embedded Postgres with real processes: who starts it, who shares it, and that nobody leaves it behind."""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import psycopg
import pytest
from sqlalchemy import create_engine, text

from app.errors import DatabaseUnavailable
from app.persistence import keeper
from app.persistence.embedded import embedded_postgres, is_at_work, throwaway_postgres
from tests.persistence.clients import ROOT, ask, client, eventually, keepers, nothing_runs, postmasters, suspended

GONE_SECONDS = 5


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder whose cluster has been made, so that tests need not wait for it."""
    folder = tmp_path_factory.mktemp("made")
    with embedded_postgres(folder, durable=False):
        pass
    assert eventually(lambda: nothing_runs(folder), GONE_SECONDS)
    return folder


@pytest.fixture
def home(made: Path) -> Iterator[Path]:
    yield made
    assert eventually(lambda: nothing_runs(made), GONE_SECONDS)


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    """For a test that breaks it or gives it another name."""
    return shutil.copytree(made, tmp_path / "copy")


def clients_lock_is_free(folder: Path, kind: int) -> bool:
    with keeper.clients_lock(folder / "postgres-18").open("a") as clients:
        return keeper.try_lock(clients, kind)


def ends(folder: Path) -> int:
    """Count how often a Postgres of a folder ended, be it that it would not start."""
    return (folder / "postgres.log").read_text().count("database system is shut down")


def needs_root_and(namespace: str) -> None:
    """Skip a test of what root does, where that cannot be: a plain user runs all the others as one."""
    if os.geteuid() != 0 or subprocess.run(["unshare", f"--{namespace}", "true"], check=False).returncode != 0:  # noqa: S603, S607
        pytest.skip(f"needs root and {namespace} namespaces")


@pytest.fixture
def public_folder() -> Iterator[Path]:
    """A folder that nobody may enter and write, unlike pytest's own, where we are root and can see the world as others do."""
    needs_root_and("mount")
    if not all(folder.stat().st_mode & 0o001 for folder in (ROOT, *ROOT.parents)):
        pytest.skip("nobody may enter this checkout")
    with tempfile.TemporaryDirectory(prefix="public-") as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)
        assert eventually(lambda: nothing_runs(Path(folder)), GONE_SECONDS)


def test_a_first_start_makes_a_durable_server_with_the_settings_we_rely_on(tmp_path: Path) -> None:
    with embedded_postgres(tmp_path / "not" / "yet" / "there") as url, psycopg.connect(url, autocommit=True) as connection:
        settings = {
            name: connection.execute("SELECT current_setting(%s)", [name]).fetchone()
            for name in (
                "fsync",
                "synchronous_commit",
                "full_page_writes",
                "listen_addresses",
                "max_connections",
                "timezone",
                "server_encoding",
            )
        }
        assert [value for row in settings.values() for value in row or ()] == ["on", "on", "on", "", "200", "UTC", "UTF8"]
        assert connection.execute("SELECT lower('ÉÅ'), current_user, current_database()").fetchone() == ("éå", "postgres", "milepost")
        connection.execute("CREATE EXTENSION vector")


def test_a_throwaway_server_does_not_wait_for_the_disk(home: Path) -> None:
    with embedded_postgres(home, durable=False) as url:
        assert [ask(url, f"SHOW {name}") for name in ("fsync", "synchronous_commit", "full_page_writes")] == ["off", "off", "off"]


def test_a_throwaway_server_has_ended_when_it_is_left(home: Path) -> None:
    with throwaway_postgres(home):
        assert is_at_work(home)
    assert not is_at_work(home)


@pytest.mark.parametrize("name", ["%2 &?ü", "a,b", "x" * 107], ids=["odd", "comma", "long"])
def test_a_folder_of_any_name_gives_a_url_for_psycopg_and_sqlalchemy(copy: Path, name: str) -> None:
    folder = copy.rename(copy.with_name(name))
    with embedded_postgres(folder, durable=False) as url:
        engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
        with engine.connect() as connection:
            assert connection.execute(text("SELECT current_database()")).scalar_one() == ask(url, "SELECT current_database()") == "milepost"
        engine.dispose()


def test_variables_of_other_postgres_servers_do_not_reach_ours(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"PGPORT": "1", "PGHOST": "127.0.0.1", "PGDATABASE": "other", "PGUSER": "other", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    with embedded_postgres(home, durable=False) as url:
        assert ask(url, "SELECT current_user || ' ' || current_database()") == "postgres milepost"


def test_six_first_starts_at_once_give_one_server(tmp_path: Path) -> None:
    with ExitStack() as stack:
        clients = [stack.enter_context(client(tmp_path)) for _ in range(6)]
        started = {ask(each.line(), "SELECT pg_postmaster_start_time()") for each in clients}
        assert len(started) == len(postmasters(tmp_path)) == len(keepers(tmp_path)) == 1
    assert eventually(lambda: nothing_runs(tmp_path), GONE_SECONDS)


def test_killing_the_last_client_stops_postgres(home: Path) -> None:
    with client(home) as first, client(home) as second:
        url = first.line()
        second.line()
        started = ask(url, "SELECT pg_postmaster_start_time()")
        first.kill()
        assert not eventually(lambda: nothing_runs(home), 0.6)
        assert ask(url, "SELECT pg_postmaster_start_time()") == started
        second.kill()
        assert eventually(lambda: nothing_runs(home), GONE_SECONDS)


def test_orphans_of_a_killed_client_do_not_keep_postgres(home: Path) -> None:
    with client(home, "sleep", "60") as owner:
        owner.line()
        orphan = psutil.Process(int(owner.line()))
        owner.kill()
        assert eventually(lambda: nothing_runs(home), GONE_SECONDS)
        assert orphan.is_running()
        orphan.kill()


def test_a_client_that_comes_while_postgres_stops_gets_a_new_one(home: Path) -> None:
    with ExitStack() as first:
        url = first.enter_context(embedded_postgres(home, durable=False))
        started = ask(url, "SELECT pg_postmaster_start_time()")
        with suspended(postmasters(home)[0]):
            first.close()
            assert eventually(lambda: not clients_lock_is_free(home, fcntl.LOCK_SH), 5)
            late = first.enter_context(client(home))
            assert not late.answers_within(1)
        assert ask(late.line(), "SELECT pg_postmaster_start_time()") != started


def test_a_client_that_returns_at_once_finds_a_server_every_time(home: Path) -> None:
    for pause in (0, 0.2, 0.25, 0.3):
        with embedded_postgres(home, durable=False) as url:
            assert ask(url, "SELECT 1") == 1
        time.sleep(pause)  # a moment of the shutdown each, not a wait for anything


def test_killing_the_keeper_ends_postgres_and_the_next_client_finds_what_was_written(home: Path) -> None:
    with embedded_postgres(home) as url:
        ask(url, "CREATE TABLE kept AS SELECT 42 AS value")
        [ours] = keepers(home)
        ours.kill()
        with client(home) as next_client:
            assert ask(next_client.line(), "SELECT value FROM kept") == 42
            assert len(postmasters(home)) == 1
        assert len(postmasters(home)) == 1, "the first client is still there"


def test_postgres_that_outlives_its_keeper_keeps_the_next_one_waiting(home: Path) -> None:
    with ExitStack() as first:
        first.enter_context(embedded_postgres(home, durable=False))
        ended = ends(home)
        with suspended(postmasters(home)[0]):
            keepers(home)[0].kill()
            first.close()
            late = first.enter_context(client(home))
            assert eventually(lambda: not clients_lock_is_free(home, fcntl.LOCK_EX), 10)
            assert not late.answers_within(0.5)
        assert ask(late.line(), "SELECT 1") == 1
        assert ends(home) == ended + 1


def test_killing_postgres_itself_ends_its_keeper_and_the_next_client_recovers(home: Path) -> None:
    with embedded_postgres(home) as url:
        ask(url, "CREATE TABLE saved AS SELECT 42 AS value")
        [postmaster] = postmasters(home)
        postmaster.kill()
        with embedded_postgres(home) as again:
            assert ask(again, "SELECT value FROM saved") == 42


def test_ctrl_c_in_the_terminal_reaches_neither_keeper_nor_postgres(home: Path) -> None:
    with client(home) as stopping:
        url = stopping.line()
        os.killpg(stopping.process.pid, signal.SIGINT)
        processes = [*keepers(home), *postmasters(home)]
        assert stopping.process.pid not in {os.getsid(process.pid) for process in processes}
        assert not eventually(lambda: nothing_runs(home), 0.6)
        assert ask(url, "SELECT 1") == 1


def test_the_pipes_of_a_client_end_with_it_while_postgres_goes_on(home: Path) -> None:
    with client(home) as starter:
        starter.line()
        with client(home) as other:
            other.line()
            starter.kill()
            assert starter.process.communicate(timeout=5)[0] == ""
            assert postmasters(home)


def test_the_number_of_a_dead_postmaster_may_be_somebody_elses_now(copy: Path) -> None:
    (copy / "postgres-18.server").write_text(f"{os.getpid()}")
    for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
        (copy / "postgres-18" / name).write_text(f"{os.getpid()}\n{copy}\n")
    with embedded_postgres(copy, durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_postmaster_that_no_keeper_started_is_left_alone(copy: Path) -> None:
    pid_file = copy / "postgres-18" / "postmaster.pid"
    pid_file.write_text(f"{os.getpid()}\n{copy}\n")
    with pytest.raises(DatabaseUnavailable, match=r"postgres\.log says why"), embedded_postgres(copy, durable=False):
        pass
    assert pid_file.read_text().startswith(f"{os.getpid()}\n")


def test_what_a_killed_initdb_left_behind_is_made_anew(tmp_path: Path) -> None:
    unfinished = tmp_path / "postgres-18.new"
    unfinished.mkdir()
    (unfinished / "PG_VERSION").write_text("18\n")
    with embedded_postgres(tmp_path, durable=False) as url:
        assert ask(url, "SELECT 1") == 1


def test_a_broken_cluster_is_said_so_soon_and_named(tmp_path: Path) -> None:
    (tmp_path / "postgres-18").mkdir(mode=0o700)
    with pytest.raises(DatabaseUnavailable, match="does not start") as caught, embedded_postgres(tmp_path):
        pass
    assert str(tmp_path / "postgres.log") in caught.value.detail
    assert "postgresql.conf" in (tmp_path / "postgres.log").read_text()


def test_a_folder_that_cannot_be_one_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DatabaseUnavailable, match="cannot use the folder"), embedded_postgres(tmp_path / "file"):
        pass


def test_an_error_of_the_client_stays_its_own(home: Path) -> None:
    with pytest.raises(FileNotFoundError), embedded_postgres(home, durable=False):
        Path("/nowhere/at/all").read_text()


def test_root_lends_postgres_no_powers(home: Path) -> None:
    needs_root_and("user")
    with embedded_postgres(home, durable=False):
        [postmaster] = postmasters(home)
        powers = Path(f"/proc/{postmaster.pid}/status").read_text()
        assert "CapEff:\t0000000000000000" in powers
        assert Path(f"/proc/{postmaster.pid}/ns/user").readlink() != Path("/proc/self/ns/user").readlink()
        assert not keepers(home)[0].uids().real


def test_a_plain_user_needs_nothing_special(public_folder: Path) -> None:
    # The interpreter may live where nobody can go, so it is mounted elsewhere.
    moved = f'mount --bind "{sys.base_prefix}" /mnt && export LD_LIBRARY_PATH=/mnt/lib && exec "$@"'
    python = f"/mnt/bin/{Path(sys.executable).resolve().name}"
    as_nobody = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", python]
    with client(public_folder / "new", through=["unshare", "--mount", "sh", "-c", moved, "sh", *as_nobody]) as plain:
        assert ask(plain.line(), "SELECT 1") == 1
        [postgres], [its_keeper] = postmasters(public_folder / "new"), keepers(public_folder / "new")
        assert postgres.uids().real == its_keeper.uids().real == (public_folder / "new").stat().st_uid == 65534
        plain.kill()
        assert eventually(lambda: nothing_runs(public_folder / "new"), GONE_SECONDS)


def test_root_without_user_namespaces_lets_nobody_run_postgres_and_goes_on_so(public_folder: Path) -> None:
    # The kernel refuses user namespaces to a process under chroot, as many containers do to all.
    changed_root = 'mount --rbind / /mnt && exec chroot /mnt "$@"'
    public_folder.chmod(0o755)
    with client(public_folder, through=["unshare", "--mount", "sh", "-c", changed_root, "sh", sys.executable]) as confined:
        assert ask(confined.line(), "SELECT 1") == 1
        assert postmasters(public_folder)[0].uids().real == (public_folder / "postgres-18").stat().st_uid == 65534
    assert eventually(lambda: nothing_runs(public_folder), GONE_SECONDS)
    with embedded_postgres(public_folder, durable=False):
        assert postmasters(public_folder)[0].uids().real == 65534
