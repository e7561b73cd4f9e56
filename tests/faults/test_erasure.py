"""A user is erased beside a running server, and nothing of them is found anywhere: the canary test."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4
from zipfile import ZipFile

import httpx
import psycopg
import pytest
from redis.asyncio import Redis

from app.persistence.embedded import binaries
from tests.faults.server_process import ROOT, ServerProcess
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.valkey_process import ValkeyProcess
from tests.visitor import PASSWORD, Event, Visitor

CANARY: Final = f"canary{uuid4().hex}"
EMAIL: Final = f"{CANARY}@example.com"
RENAMES: Final = ToolCalls([ToolCall("rename_session", {"name": CANARY})])
ZERO_VECTOR: Final = "[0,0,0]"

# Where the canary is planted; a test that stops planting it in one of these proves nothing of it.
PLANTED: Final = {
    *("user", "session", "message", "run_event", "interrupt", "feedback", "memory", "procrastinate_jobs"),
    *("checkpoint_blobs", "checkpoint_writes", "attachment", "session_config", "webhook"),
}
EXPORTED: Final = {
    "profile",
    "sessions",
    "configs",
    "transcripts",
    "attachments",
    "memories",
    "feedback",
    "questions",
    "webhooks",
    "the file itself",
}
# One of each but the sessions, on the receipt.
ERASED: Final = {"session": 3, **dict.fromkeys(("user", "memory", "feedback", "export", "attachment_files", "redis_answers"), 1)}
_REMEMBER: Final = """
INSERT INTO memory (id, vector, payload)
SELECT gen_random_uuid(), %(vector)s, jsonb_build_object('data', %(text)s::text, 'user_id', id::text) FROM "user" WHERE email = %(email)s
"""
# Of a queue that nobody works on, so that it stays.
_QUEUE: Final = """
INSERT INTO procrastinate_jobs (queue_name, task_name, queueing_lock, args)
VALUES ('nobodys', 'remember', %(lock)s, jsonb_build_object('about', jsonb_build_array(%(id)s::text, %(text)s::text)))
"""
_JOBS_DOING: Final = "SELECT count(*) FROM procrastinate_jobs WHERE status = 'doing' AND args <> '{}' AND queue_name = 'milepost'"


@pytest.fixture
def process_variables(process_variables: Mapping[str, str], valkey: ValkeyProcess) -> dict[str, str]:
    means = {"REDIS_URL": valkey.url, "RESPONSE_CACHE": "true", "WORKER_IN_SERVER": "true", "ATTACHMENTS": "folder"}
    return {**process_variables, **means}


def _dump(url: str) -> str:
    """All rows of all tables, as text."""
    command = [str(binaries() / "pg_dump"), "--data-only", url]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  # the locked package's program


def _tables_with(dump: str, words: str) -> set[str]:
    """The tables that have these words in a row, as text or as bytes."""
    found, table = set(), ""
    for line in dump.splitlines():
        if line.startswith("COPY "):
            table = line.split()[1].removeprefix("public.").strip('"')
        elif words in line or words.encode().hex() in line:
            found.add(table)
    return found


async def _redis_entries(url: str) -> list[bytes]:
    async with Redis.from_url(url) as client:
        return [key + b"=" + (await client.get(key) or b"") async for key in client.scan_iter()]


def _files(folder: Path) -> list[Path]:
    """Every file but the cluster's own."""
    return [path for path in folder.rglob("*") if path.is_file() and not any(part.startswith("postgres-1") for part in path.parts[:-1])]


def _postgres_folder(url: str) -> Path:
    return Path(parse_qs(urlsplit(url).query)["host"][0]).resolve().parent


async def _app(variables: Mapping[str, str], *arguments: str) -> tuple[int, str]:
    """Run a command as an operator does; its exit code and what it said, which is on standard error when it fails."""
    clean = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "app", *arguments],
        cwd=ROOT,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    assert CANARY not in done.stderr
    return done.returncode, done.stderr if done.returncode else done.stdout


async def _whole_export(visitor: Visitor) -> Mapping[str, Any]:
    asked = await visitor.http.post("/me/export")
    assert (asked.status_code, asked.json()["status"]) == (202, "being_made")
    async with asyncio.timeout(20):
        while (answer := await visitor.http.get("/me/export")).status_code == httpx.codes.ACCEPTED:  # noqa: ASYNC110  # as told
            await asyncio.sleep(0.1)
    assert answer.headers["content-type"] == "application/zip"
    with ZipFile(BytesIO(answer.content)) as zipped:
        assert zipped.testzip() is None
        return {name: json.loads(zipped.read(name)) if name.endswith(".json") else zipped.read(name).decode() for name in zipped.namelist()}


def _base(name: str) -> str:
    return "the file itself" if name.startswith("attachments/") else name.removesuffix(".json")


async def _plant(ada: Visitor, provider: ProviderStub, url: str) -> str:
    """Leave the canary wherever a user can; a session with an open question in the end."""
    await provider.script(
        Text(f"You said {CANARY}", reasoning=f"Hm, {CANARY}", when="Remember"),
        RENAMES,
        Text("As you like."),
        RENAMES,
    )
    session = await ada.open_session(CANARY)
    hook = {"url": f"https://127.0.0.1.invalid/{CANARY}", "include_message": True}
    assert (await ada.http.post("/webhooks", json=hook)).status_code == httpx.codes.CREATED
    await ada.http.patch(f"/sessions/{session}", json={"config": {"instructions": f"Speak of {CANARY}"}})
    attached = await ada.http.post(f"/attachments?name={CANARY}.txt", content=f"Notes on {CANARY}", headers={"Content-Type": "text/plain"})
    answer = (await ada.ask(session, f"Remember {CANARY}", cache=True, attachments=[attached.json()["id"]])).json()
    feedback = {"score": -1, "comment": f"No, {CANARY}"}
    assert (await ada.http.post(f"/messages/{answer['message']['id']}/feedback", json=feedback)).status_code == httpx.codes.NO_CONTENT
    [question] = (await ada.ask(session, "Please rename it")).json()["interrupts"]
    reply = {"interrupt_id": question["id"], "value": {"approved": False, "comment": f"Never {CANARY}"}}
    assert (await ada.http.post(f"/sessions/{session}/resume", json=reply)).json()["message"]["content"] == "As you like."
    assert (await ada.ask(session, "Please rename it again")).json()["status"] == "interrupted"
    # Known already; what Postgres says of it must not stay in its log.
    taken = await ada.http.post("/auth/register", json={"email": EMAIL, "password": PASSWORD})
    assert taken.json()["code"] == "email_taken"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_REMEMBER, {"vector": ZERO_VECTOR, "text": f"Likes {CANARY}", "email": EMAIL})
        connection.execute(_QUEUE, {"lock": f"remember:{session}", "id": session, "text": CANARY})
    return session


async def _until(url: str, statement: str, value: object) -> None:
    async with asyncio.timeout(20):
        with psycopg.connect(url, autocommit=True) as connection:
            while connection.execute(statement).fetchone() != (value,):  # noqa: ASYNC110  # the server makes it true
                await asyncio.sleep(0.05)


async def _read_to_end(events: AsyncIterator[Event]) -> list[Event]:
    async with asyncio.timeout(20):
        return [event async for event in events]


async def _have_one_made_by_a_worker(ada: Visitor, provider: ProviderStub, url: str) -> None:
    """Have an answer begun, and let whoever asks next wait for theirs just as long."""
    await provider.script(Text(f"Well, {CANARY} {CANARY}", ending="hang", after=2, times=2))
    background = await ada.http.post(f"/sessions/{await ada.open_session('Later')}/runs", json={"message": f"Write {CANARY}"})
    assert background.status_code == httpx.codes.ACCEPTED
    await _until(url, _JOBS_DOING, 1)


async def _nowhere(database: str, redis: str, words: Sequence[str], told: str) -> None:
    dump, entries = _dump(database), await _redis_entries(redis)
    for word in words:
        assert _tables_with(dump, word) == set()
        assert [entry for entry in entries if word.encode() in entry] == []
        assert word not in told


async def test_nothing_is_left_of_a_user_who_was_erased_while_they_were_talking(
    first: ServerProcess, process_variables: Mapping[str, str], provider: ProviderStub, valkey: ValkeyProcess, tmp_path: Path
) -> None:
    url = process_variables["DATABASE_URL"]
    async with Visitor(first.url) as ada, Visitor(first.url) as bob:
        await ada.register(EMAIL)
        await bob.register("bob@example.com")
        user = (await ada.http.get("/auth/me")).json()["id"]
        session = await _plant(ada, provider, url)
        assert (await bob.ask(await bob.open_session("Bob's"), "Hello", cache=True)).is_success
        export = await _whole_export(ada)
        assert {_base(name) for name, rows in export.items() if CANARY in json.dumps(rows)} == EXPORTED
        assert len(export["usage.json"]) == 4

        await _have_one_made_by_a_worker(ada, provider, url)
        async with ada.streaming(await ada.open_session("Now"), f"Say {CANARY}", cache=True) as events:
            live = await anext(events)
            while (await anext(events)).type != "token":
                pass
            waiting = {"message": f"And {CANARY}", "on_busy": "enqueue"}
            assert (await ada.http.post(f"/sessions/{live.data['session_id']}/runs", json=waiting)).is_success
            before = _dump(url)
            assert _tables_with(before, CANARY) >= PLANTED
            assert any(CANARY.encode() in entry for entry in await _redis_entries(valkey.url))
            assert [path.read_text() for path in _files(tmp_path) if "attachments" in path.parts] == [f"Notes on {CANARY}"]

            code, told = await _app(process_variables, "erase-user", EMAIL, "--yes")
            assert code == 0, told
            await _read_to_end(events)
        assert [(await ada.http.get(path)).status_code for path in ("/auth/me", "/sessions", f"/sessions/{session}", "/usage")] == [401] * 4
        async with asyncio.timeout(20):
            while first.output().count('"held": false') < 2:  # noqa: ASYNC110  # that it wanted to write, and could not
                await asyncio.sleep(0.05)
        await _until(url, "SELECT count(*) FROM procrastinate_jobs WHERE task_name = 'make_run'", 0)

        receipt = json.loads(told)
        assert receipt["counts"]["message"] > 5
        assert receipt["counts"].items() >= ERASED.items()
        assert receipt["counts"]["procrastinate_jobs"] >= 2
        await _nowhere(url, valkey.url, (CANARY, user, session, live.data["run_id"]), told)
        # Logs name runs and sessions by ids that now are nobody's.
        files_left = [*_files(tmp_path), *_files(_postgres_folder(url))]
        assert {path.name for path in files_left} >= {"first.log", "postgres.log", "valkey.log"}
        assert [path for path in files_left if CANARY.encode() in path.read_bytes()] == []
        assert (await bob.http.get("/sessions")).json()["items"][0]["name"] == "Bob's"
        assert any(b"milepost:answer:" in entry for entry in await _redis_entries(valkey.url))
    assert await _app(process_variables, "erase-user", EMAIL, "--yes") == (1, "There is no account with this email.\n")
