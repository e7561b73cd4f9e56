"""The drill: a backup under load, the machine lost, all of it restored elsewhere, and conversations go on."""

import asyncio
import shutil
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx
import psutil

from app.persistence.embedded import embedded_postgres
from tests.backups.commands import run
from tests.faults.server_process import ServerProcess
from tests.persistence.clients import ask, eventually, keepers, postmasters
from tests.pictures import png
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor

_STORY: Final = "one two three four five six seven eight nine ten"
_PICTURE: Final = png()
_RECOVERED_SECONDS: Final = 30
_RETRIED_SECONDS: Final = 60  # workers look each half minute
_DOING: Final = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND task_name = 'make_run'"


def _variables(given: Mapping[str, str], data: Path) -> dict[str, str]:
    """Of a server with an embedded Postgres and its files in a folder of its own."""
    own = {"DATABASE_URL": "", "DATA_DIR": str(data), "MIGRATE_ON_START": "true", "ATTACHMENTS": "folder", "WORKER_IN_SERVER": "true"}
    return {**given, **own, "JWT_SECRET_KEY": "a-secret-of-this-test-with-32-bytes-or-more"}


def _lose(server: ServerProcess, data: Path) -> None:
    """Kill whatever runs, and delete whatever it has written."""
    server.kill()
    for process in (*keepers(data), *postmasters(data)):
        with suppress(psutil.NoSuchProcess):  # a postmaster may follow its keeper by itself
            process.kill()
            process.wait()
    shutil.rmtree(data)


async def _completed(visitor: Visitor, run_id: str) -> dict[str, Any]:
    async with asyncio.timeout(_RECOVERED_SECONDS):
        while True:
            found: dict[str, Any] = (await visitor.http.get(f"/runs/{run_id}")).json()
            if found["status"] not in {"queued", "running"}:
                return found
            await asyncio.sleep(0.1)


def _a_day_passes(data: Path) -> None:
    """Backups are made at night: by the time that they are restored, all who worked then are known to be dead."""
    with embedded_postgres(data) as url:
        assert ask(url, _DOING) == 1
        ask(url, "UPDATE procrastinate_workers SET last_heartbeat = last_heartbeat - interval '1 day'")


def _no_job_is_stalled(data: Path) -> bool:
    with embedded_postgres(data) as url:
        return eventually(lambda: ask(url, _DOING) == 0, _RETRIED_SECONDS)


async def test_what_was_lost_goes_on_elsewhere(process_variables: Mapping[str, str], provider: ProviderStub, tmp_path: Path) -> None:
    here, there = _variables(process_variables, tmp_path / "here"), _variables(process_variables, tmp_path / "there")
    await provider.script(Text("Good day, Ada."), Text(_STORY, when="story", seconds_between=6), Text(_STORY, when="story"))
    async with ServerProcess(here, tmp_path / "here.log") as server, Visitor(server.url) as ada:
        await ada.register("ada@example.com")
        session, other = await ada.open_session(), await ada.open_session()
        picture = (await ada.http.post("/attachments", params={"name": "photo.png"}, content=_PICTURE)).json()["id"]
        assert (await ada.ask(session, "I am Ada.")).json()["status"] == "completed"
        running = (await ada.http.post(f"/sessions/{other}/runs", json={"message": "Tell a story."})).json()["id"]
        await provider.wait_until_asked(containing="Tell a story.")
        await asyncio.to_thread(run, here, "backup", tmp_path / "backups")
        assert (await ada.http.get(f"/runs/{running}")).json()["status"] == "running", "too late to be a backup of a run that is being made"
        token = ada.http.headers["Authorization"]
        await asyncio.to_thread(_lose, server, tmp_path / "here")

    [backup] = (tmp_path / "backups").glob("milepost-*")
    assert (await asyncio.to_thread(run, there, "restore", backup)).startswith("Restored what there was at ")
    await asyncio.to_thread(_a_day_passes, tmp_path / "there")
    async with ServerProcess(there, tmp_path / "there.log") as server, Visitor(server.url) as ada:
        ada.http.headers["Authorization"] = token
        assert [message["content"] for message in await ada.messages(session)] == ["I am Ada.", "Good day, Ada."]
        assert (await ada.ask(session, "Who am I?")).json()["status"] == "completed"
        contents = [message["content"] for message in (await provider.requests("Who am I?"))[-1].messages]
        assert contents[-3:-1] == ["I am Ada.", "Good day, Ada."]
        assert (await _completed(ada, running))["status"] == "completed"
        assert [message["content"] for message in await ada.messages(other)] == ["Tell a story.", _STORY]
        assert (await ada.http.get(f"/attachments/{picture}")).content == _PICTURE
        login = await ada.http.post("/auth/login", data={"username": "ada@example.com", "password": PASSWORD})
        assert login.status_code == httpx.codes.OK
        assert await asyncio.to_thread(_no_job_is_stalled, tmp_path / "there")
