"""What a user may do with all that is kept of them: judge answers, take everything away, and be erased."""

import asyncio
import gc
import json
from hashlib import sha256
from io import BytesIO
from itertools import count
from zipfile import ZipFile

import httpx
import psycopg
import pytest

from app.llm.kept_answers import AnswersInMemory
from tests.conftest import Server
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor


async def _erase(visitor: Visitor, password: str = PASSWORD) -> httpx.Response:
    return await visitor.http.request("DELETE", "/me", json={"password": password})


async def _export(visitor: Visitor) -> httpx.Response:
    async with asyncio.timeout(20):
        while (answer := await visitor.http.get("/me/export")).status_code == httpx.codes.ACCEPTED:
            assert (answer.json()["status"], answer.headers["retry-after"]) == ("being_made", "2")
            await asyncio.sleep(0.1)
    return answer


async def test_an_answer_is_judged_by_whoever_got_it_and_judged_anew(ada: Visitor, bob: Visitor, server: Server) -> None:
    session = await ada.open_session()
    answer = (await ada.ask(session, "Hello")).json()["message"]["id"]
    question = (await ada.messages(session))[0]["id"]
    for score, comment in ((1, "Good."), (-1, "On second thoughts, no.")):
        judged = await ada.http.post(f"/messages/{answer}/feedback", json={"score": score, "comment": comment})
        assert judged.status_code == httpx.codes.NO_CONTENT
    for visitor, message in ((bob, answer), (ada, question)):
        assert (await visitor.http.post(f"/messages/{message}/feedback", json={"score": 1})).json()["code"] == "message_not_found"
    assert (await ada.http.post(f"/messages/{answer}/feedback", json={"score": 2})).json()["code"] == "invalid_input"
    with psycopg.connect(server.settings.database.url) as connection:
        assert connection.execute("SELECT score, comment FROM feedback").fetchall() == [(-1, "On second thoughts, no.")]


@pytest.mark.variables(WORKER_IN_SERVER="true", EXPORT_HOURS="48")
async def test_an_export_is_asked_for_made_by_a_worker_and_fetched(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    assert (await ada.http.get("/me/export")).json()["code"] == "export_not_found"
    await provider.script(Text("One."), Text("Two."))
    session = await ada.open_session("Numbers")
    first = (await ada.ask(session, "Say a number")).json()
    again = await ada.http.post(f"/sessions/{session}/regenerate", json={})
    await bob.ask(await bob.open_session("Bob's"), "Hello")
    asked = await ada.http.post("/me/export")
    assert (asked.status_code, asked.headers["location"]) == (202, "/api/v1/me/export")
    assert asked.json()["expires_at"][:10] != asked.json()["created_at"][:10]
    fetched = await _export(ada)
    assert fetched.headers["content-disposition"].startswith('attachment; filename="milepost-export-2')
    with ZipFile(BytesIO(fetched.content)) as zipped:
        files = {name: json.loads(zipped.read(name)) for name in zipped.namelist()}
    assert files["profile.json"][0]["email"] == "ada@example.com"
    assert [one["name"] for one in files["sessions.json"]] == ["Numbers"]
    # Both branches, each answer under the run that gave it.
    assert [one["content"] for one in files["transcripts.json"]] == ["Say a number", "One.", "Say a number", "Two."]
    assert {one["run_id"] for one in files["transcripts.json"]} == {first["run_id"], again.json()["run_id"]}
    assert (len(files["usage.json"]), files["memories.json"]) == (2, [])
    about = files["export.json"]
    assert (about["format"], about["entries"]["transcripts"]) == ("milepost-export", 4)
    assert (await bob.http.get("/me/export")).status_code == httpx.codes.NOT_FOUND
    assert (await ada.http.post("/me/export")).json()["status"] == "being_made"  # a new one, in the place of the first
    assert (await _export(ada)).is_success


@pytest.mark.parametrize(
    "kept_in",
    [pytest.param(name, marks=pytest.mark.variables(ATTACHMENTS=name, WORKER_IN_SERVER="true")) for name in ("database", "folder")],
)
async def test_an_export_has_the_files_themselves(ada: Visitor, server: Server, kept_in: str) -> None:
    assert server.settings.attachments.kept_in == kept_in
    contents = {"a b>?.txt": "Blåbær\n".encode() * 100_000, "empty of words.txt": b"\n"}
    ids = {}
    for name, content in contents.items():
        ids[name] = (await ada.http.post("/attachments", params={"name": name}, content=content)).json()["id"]
    await ada.http.post("/me/export")
    with ZipFile(BytesIO((await _export(ada)).content)) as zipped:
        assert zipped.testzip() is None
        found = {name: zipped.read(name) for name in zipped.namelist() if name.startswith("attachments/")}
        assert json.loads(zipped.read("export.json"))["entries"]["attachments"] == len(contents)
    assert found == {f"attachments/{ids[name]}-{name.replace('>?', '__')}": content for name, content in contents.items()}


@pytest.mark.variables(RESPONSE_CACHE="true")
async def test_an_account_is_erased_with_its_password_and_the_process_forgets_its_answers(
    ada: Visitor, bob: Visitor, server: Server, provider: ProviderStub
) -> None:
    await provider.script(Text("Kept for Ada."), Text("Kept for Bob."))
    for visitor in (ada, bob):
        await visitor.ask(await visitor.open_session(), "Hello", cache=True)
    wrong = await _erase(ada, "Wrong-password-1")
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    user = (await ada.http.get("/auth/me")).json()["id"]
    receipt = await _erase(ada)
    assert receipt.status_code == httpx.codes.OK
    counts = receipt.json()["counts"]
    assert (counts["user"], counts["session"], counts["run"], counts["message"], counts["model_call"]) == (1, 1, 1, 2, 1)
    assert "ada" not in receipt.text
    # As docs/privacy.md has it.
    told = {**{name: value for name, value in receipt.json().items() if name != "sha256"}, "user_id": user}
    assert receipt.json()["sha256"] == sha256(json.dumps(told, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    again = await _erase(ada)
    assert (again.status_code, again.json()["code"]) == (401, "not_authenticated")
    stores = [one for one in gc.get_objects() if type(one) is AnswersInMemory]  # asked what they are, lazy ones would be made

    def kept(words: bytes) -> bool:
        return any(words in answer for store in stores for _, answer in [*store._kept.values()])  # a copy: the server's thread changes it

    async with asyncio.timeout(20):
        while kept(b"Kept for Ada."):  # noqa: ASYNC110  # another thread's
            await asyncio.sleep(0.02)
    assert kept(b"Kept for Bob.")
    with psycopg.connect(server.settings.database.url) as connection:
        [(event, details)] = connection.execute("SELECT event, details FROM audit WHERE event = 'user_erased'").fetchall()
    assert (event, details) == ("user_erased", {"counts": counts, "sha256": receipt.json()["sha256"]})
    await ada.register("ada@example.com")  # the address is free, and nothing hangs on it
    assert (await ada.http.get("/sessions")).json()["items"] == []


@pytest.mark.parametrize("kept_in", [pytest.param(name, marks=pytest.mark.variables(ATTACHMENTS=name)) for name in ("database", "folder")])
async def test_who_is_erased_while_uploading_is_erased_and_told_to_sign_in(ada: Visitor, server: Server, kept_in: str) -> None:
    assert server.settings.attachments.kept_in == kept_in

    taken = asyncio.Semaphore(0)

    async def upload_until_refused(name: str) -> httpx.Response:
        for number in count():
            answer = await ada.http.post("/attachments", params={"name": f"{name}.txt"}, content=f"{name} {number}")
            if answer.status_code != httpx.codes.CREATED:
                return answer
            taken.release()
        raise AssertionError

    uploads = [asyncio.create_task(upload_until_refused(name)) for name in "abcdef"]
    for _ in range(2 * len(uploads)):
        await taken.acquire()
    receipt = await _erase(ada)
    assert receipt.status_code == httpx.codes.OK, receipt.text
    assert {(one.status_code, one.json()["code"]) for one in await asyncio.gather(*uploads)} == {(401, "not_authenticated")}
    assert [*(server.settings.database.data_dir / "attachments").rglob("*")] == []


async def test_a_stream_that_is_read_while_its_user_is_erased_has_its_end(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("word after word " * 20, seconds_between=0.3))
    session = await ada.open_session()
    async with ada.streaming(session, "Tell me") as events:
        while (await anext(events)).type != "token":
            pass
        assert (await _erase(ada)).status_code == httpx.codes.OK
        *_, last = [event async for event in events]
    assert (last.type, last.data["status"], last.data["done"]) == ("end", "cancelled", True)
    await provider.wait_until_closed_early()
