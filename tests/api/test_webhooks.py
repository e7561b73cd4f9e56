"""Webhooks: a user's own server is told when runs end, and nobody else's is."""

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, Final

import httpx
import psycopg
import pytest

from tests.conftest import Server
from tests.receiver import Heard, Manner, Receiver, start_receiver
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

_AT_WORK: Final = {"WORKER_IN_SERVER": "true", "WEB_ALLOW_PRIVATE": "true", "WEBHOOK_RETRY_SECONDS": "0.1,0.1", "WEBHOOK_SECONDS": "1"}
_works = pytest.mark.variables(**_AT_WORK)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with start_receiver() as receiver:
        yield receiver


async def _made(visitor: Visitor, url: str, **more: Any) -> dict[str, Any]:
    answer = await visitor.http.post("/webhooks", json={"url": url, **more})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def _deliveries(visitor: Visitor, webhook: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await visitor.http.get(f"/webhooks/{webhook}/deliveries")).json()["items"]
    return items


async def _until_over(visitor: Visitor, webhook: str, count: int = 1) -> list[dict[str, Any]]:
    async with asyncio.timeout(30):
        while True:
            found = await _deliveries(visitor, webhook)
            if len(found) == count and all(one["finished_at"] for one in found):
                return found
            await asyncio.sleep(0.05)


def _signature(secret: str, heard: Heard) -> str:
    """As Standard Webhooks has it, written once more."""
    key = b64decode(secret.removeprefix("whsec_"))
    content = f"{heard.headers['webhook-id']}.{heard.headers['webhook-timestamp']}.".encode() + heard.body
    return "v1," + b64encode(hmac.digest(key, content, "sha256")).decode()


@_works
async def test_the_end_of_a_run_is_told_signed_and_without_a_word_of_it(ada: Visitor, receiver: Receiver, provider: ProviderStub) -> None:
    await provider.script(Text("Canary answer."))
    made = await _made(ada, receiver.url)
    session = await ada.open_session()
    answer = (await ada.ask(session, "Canary question")).json()
    [heard] = await receiver.until_heard(1)
    told = heard.told
    assert heard.headers["webhook-signature"] == _signature(made["secret"], heard)
    assert heard.headers["content-type"] == "application/json"
    assert told.keys() == {"id", "event", "created_at", "run"}
    assert (told["id"], told["event"]) == (heard.id, "run.completed")
    assert (told["run"]["id"], told["run"]["session_id"], told["run"]["status"]) == (answer["run_id"], session, "completed")
    assert told["run"]["usage"]["total_tokens"] == answer["usage"]["total_tokens"]
    assert b"Canary" not in heard.body
    [delivery] = await _until_over(ada, made["id"])
    assert (delivery["id"], delivery["status"], delivery["attempt"], delivery["run_id"]) == (heard.id, "delivered", 1, answer["run_id"])
    [tried] = delivery["tries"]
    assert (tried["http_status"], tried["error"]) == (204, None)
    assert tried["ms"] >= 0


@_works
async def test_who_asks_for_it_is_told_what_was_said(ada: Visitor, receiver: Receiver, provider: ProviderStub) -> None:
    await provider.script(Text("To you, too."))
    await _made(ada, receiver.url, include_message=True)
    answer = (await ada.ask(await ada.open_session(), "Hello")).json()
    [heard] = await receiver.until_heard(1)
    said = heard.told["messages"]
    assert [(one["role"], one["content"]) for one in said] == [("user", "Hello"), ("assistant", "To you, too.")]
    assert said[1]["id"] == answer["message"]["id"] == heard.told["run"]["message_id"]


@_works
async def test_each_end_has_its_event_and_each_webhook_those_it_wants(ada: Visitor, receiver: Receiver, provider: ProviderStub) -> None:
    await provider.script(
        HttpError(400, when="Fail"), ToolCalls([ToolCall("rename_session", {"name": "B"})], when="Rename"), Text("Yes.", when="Say")
    )
    first, second = await ada.open_session(), await ada.open_session("Named, too")
    everything = await _made(ada, f"{receiver.url}/all")
    failures = await _made(ada, f"{receiver.url}/failed", events=["run.failed"])
    of_second = await _made(ada, f"{receiver.url}/second", session_id=second)
    for session, message in ((first, "Fail"), (first, "Rename"), (second, "Say")):
        await ada.ask(session, message)
    queued = (await ada.http.post(f"/sessions/{first}/runs", json={"message": "Wait", "on_busy": "enqueue"})).json()
    await _until_over(ada, everything["id"], 4)
    heard = {(one.path.rpartition("/")[2], one.told["event"]) for one in receiver.heard}
    told = ("run.failed", "run.interrupted", "run.completed")
    assert {event for path, event in heard if path == "all"} == {*told}
    assert [(path, event) for path, event in heard if path == "failed"] == [("failed", "run.failed")]
    assert [(path, event) for path, event in heard if path == "second"] == [("second", "run.completed")]
    assert queued["id"] in {one.told["run"]["id"] for one in receiver.heard}
    failed = next(one.told["run"] for one in receiver.heard if one.told["event"] == "run.failed")
    assert failed["error_code"] == "model_rejected"
    assert len(await _deliveries(ada, failures["id"])) == len(await _deliveries(ada, of_second["id"])) == 1


async def test_a_run_that_is_stopped_before_it_begins_is_told_of_too(ada: Visitor, database_url: str) -> None:
    """By the one statement that ends all runs; here nobody works, so what is to be done can be seen."""
    made = await ada.http.post("/webhooks", json={"url": "https://example.com/hook", "events": ["run.cancelled"]})
    assert made.status_code == httpx.codes.CREATED
    session = await ada.open_session()
    run = (await ada.http.post(f"/sessions/{session}/runs", json={"message": "Wait"})).json()
    await ada.http.post(f"/runs/{run['id']}/cancel")
    with psycopg.connect(database_url) as connection:
        found = connection.execute("SELECT args ->> 'run_id' FROM procrastinate_jobs WHERE task_name = 'announce_run'").fetchall()
    assert found == [(run["id"],)]


@_works
@pytest.mark.parametrize(
    ("manner", "status", "error"),
    [(500, 500, "refused"), (404, 404, "refused"), (302, 302, "redirected"), ("hang", None, "timeout"), ("drip", None, "timeout")],
)
async def test_whatever_a_receiver_does_wrong_it_is_told_again_under_the_same_id(
    manner: Manner, status: int | None, error: str, ada: Visitor, receiver: Receiver
) -> None:
    receiver.manners, receiver.location = [manner], receiver.url.replace("/hook", "/elsewhere")
    made = await _made(ada, receiver.url)
    await ada.ask(await ada.open_session(), "Hello")
    [delivery] = await _until_over(ada, made["id"])
    assert (delivery["status"], delivery["attempt"]) == ("delivered", 2)
    assert [(tried["http_status"], tried["error"]) for tried in delivery["tries"]] == [(status, error), (204, None)]
    first, second = receiver.heard
    assert (first.id, first.body) == (second.id, second.body)
    assert [one.path for one in receiver.heard] == ["/hook", "/hook"]  # and nowhere else


@_works
async def test_a_connection_that_is_dropped_is_no_answer(ada: Visitor, receiver: Receiver) -> None:
    receiver.manners = ["drop"]
    made = await _made(ada, receiver.url)
    await ada.ask(await ada.open_session(), "Hello")
    [delivery] = await _until_over(ada, made["id"])
    assert [tried["error"] for tried in delivery["tries"]] == ["unreachable", None]


@_works
async def test_of_an_answer_without_end_nothing_is_read(ada: Visitor, receiver: Receiver) -> None:
    receiver.manners = ["flood"]
    made = await _made(ada, receiver.url)
    await ada.ask(await ada.open_session(), "Hello")
    [delivery] = await _until_over(ada, made["id"])
    assert (delivery["status"], delivery["attempt"]) == ("delivered", 1)
    assert receiver.sent_bytes < 20_000_000  # what the sockets between them hold


@_works
async def test_one_that_is_given_up_is_delivered_again_on_request(ada: Visitor, receiver: Receiver) -> None:
    receiver.manners = [500, 503, 500]
    made = await _made(ada, receiver.url)
    await ada.ask(await ada.open_session(), "Hello")
    [delivery] = await _until_over(ada, made["id"])
    assert (delivery["status"], delivery["attempt"], len(delivery["tries"])) == ("failed", 3, 3)
    assert (await ada.http.get(f"/webhooks/{made['id']}")).json()["failing_since"]
    again = await ada.http.post(f"/webhooks/{made['id']}/deliveries/{delivery['id']}/redeliver")
    assert (again.status_code, again.json()["id"]) == (202, delivery["id"])
    [delivery] = await _until_over(ada, made["id"])
    assert (delivery["status"], delivery["attempt"]) == ("delivered", 4)
    assert {one.id for one in receiver.heard} == {delivery["id"]}
    assert (await ada.http.get(f"/webhooks/{made['id']}")).json()["failing_since"] is None


@_works
async def test_one_that_is_gone_or_fails_for_days_is_switched_off_until_its_user_says_otherwise(
    ada: Visitor, receiver: Receiver, database_url: str
) -> None:
    session = await ada.open_session()
    made = await _made(ada, receiver.url)
    place = f"/webhooks/{made['id']}"
    receiver.manners = [410]
    await ada.ask(session, "Hello")
    [delivery] = await _until_over(ada, made["id"])
    assert (delivery["status"], delivery["attempt"]) == ("failed", 1)
    found = (await ada.http.get(place)).json()
    assert (found["is_on"], found["off_reason"]) == (False, "gone")
    assert (await ada.http.post(f"{place}/deliveries/{delivery['id']}/redeliver")).json()["code"] == "webhook_is_off"
    await ada.ask(session, "Is anybody there?")
    found = (await ada.http.patch(place, json={"is_on": True})).json()
    assert (found["is_on"], found["off_reason"], found["failing_since"]) == (True, None, None)
    receiver.manners = [500, 500, 500, 500]
    await ada.ask(session, "Hello again")
    assert len(await _until_over(ada, made["id"], 2)) == 2
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE webhook SET failing_since = now() - interval '6 days'")
    await ada.ask(session, "And again")
    await _until_over(ada, made["id"], 3)
    found = (await ada.http.get(place)).json()
    assert (found["is_on"], found["off_reason"]) == (False, "failing")
    newest, *_ = await _deliveries(ada, made["id"])
    assert [tried["error"] for tried in newest["tries"]] == ["refused", "webhook_off"]


@_works
async def test_a_new_secret_signs_beside_the_one_before(ada: Visitor, receiver: Receiver) -> None:
    made = await _made(ada, receiver.url)
    rolled = (await ada.http.post(f"/webhooks/{made['id']}/secret")).json()["secret"]
    assert rolled != made["secret"]
    await ada.ask(await ada.open_session(), "Hello")
    [heard] = await receiver.until_heard(1)
    assert heard.headers["webhook-signature"].split(" ") == [_signature(rolled, heard), _signature(made["secret"], heard)]


async def test_what_is_done_to_a_webhook_is_noted_without_its_address(ada: Visitor, bob: Visitor, database_url: str) -> None:
    made = await _made(ada, "https://example.com/hook?secret=canary", include_message=True)
    path = f"/webhooks/{made['id']}"
    for user, status in ((bob, 404), (ada, 200)):
        assert (await user.http.patch(path, json={"url": "https://example.com/canary", "is_on": False})).status_code == status
        assert (await user.http.post(f"{path}/secret")).status_code == status
        assert (await user.http.delete(path)).status_code == (404 if user is bob else 204)
    with psycopg.connect(database_url) as connection:
        noted = connection.execute(
            """SELECT event, details, user_id = actor_id AND email = 'ada@example.com', address
                 FROM audit JOIN "user" ON "user".id = user_id WHERE starts_with(event, 'webhook') ORDER BY audit.id"""
        ).fetchall()
    which = {"webhook_id": made["id"]}
    assert noted == [
        ("webhook_made", which | {"tells_messages": True}, True, "127.0.0.1"),
        ("webhook_changed", which | {"changed": ["url", "is_on"]}, True, "127.0.0.1"),
        ("webhook_secret_changed", which, True, "127.0.0.1"),
        ("webhook_deleted", which, True, "127.0.0.1"),
    ]


async def test_a_secret_is_shown_once_and_is_nowhere_in_the_database(ada: Visitor, server: Server) -> None:
    made = await _made(ada, "https://example.com/hook")
    shown = await asyncio.gather(*(ada.http.get(path) for path in ("/webhooks", f"/webhooks/{made['id']}")))
    assert not [answer.text for answer in shown if "secret" in answer.text or "salt" in answer.text]
    key = b64decode(made["secret"].removeprefix("whsec_"))
    assert len(key) == 32
    with psycopg.connect(server.settings.database.url) as connection:
        [row] = connection.execute("SELECT to_jsonb(webhook)::text FROM webhook").fetchall()
    assert key.hex() not in row[0]
    assert made["secret"] not in row[0]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        *[(f"https://{host}/", "not on the public internet") for host in ("127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]", "0x7f.1")],
        ("http://example.com/", "Only https:// addresses can be called."),
        *[(f"https://{name}/", "not on the public internet") for name in ("localhost", "a.localhost", "nas.local", "db.internal", "db")],
        ("https://localhost./", "not on the public internet"),
        ("https://example.com:22/", "Only the ports 80, 443, 8080, 8443"),
        ("https://user:canary@example.com/", "with a name or password"),
        ("ftp://example.com/", "Only http:// and https://"),
        ("nonsense", "Only http:// and https://"),
    ],
)
async def test_an_address_that_must_not_be_called_is_refused_at_once(url: str, why: str, ada: Visitor) -> None:
    for refused in (
        await ada.http.post("/webhooks", json={"url": url}),
        await ada.http.patch(f"/webhooks/{(await _made(ada, 'https://example.com/'))['id']}", json={"url": url}),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")
        assert why in refused.json()["detail"]
        assert "canary" not in refused.json()["detail"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": ""},
        {"url": "https://example.com/" + "a" * 2_000},
        {"url": "https://example.com/", "events": []},
        {"url": "https://example.com/", "events": ["run.exploded"]},
        {"url": "https://example.com/", "secret": "mine"},
        {"url": "https://example.com/\u0000"},
    ],
)
async def test_what_is_no_webhook_is_refused(body: dict[str, Any], ada: Visitor) -> None:
    assert (await ada.http.post("/webhooks", json=body)).json()["code"] == "invalid_input"


@pytest.mark.variables(WEBHOOKS_PER_USER="2")
async def test_there_are_no_more_than_a_user_may_have_however_many_are_asked_for_at_once(ada: Visitor, bob: Visitor) -> None:
    answers = await asyncio.gather(*(ada.http.post("/webhooks", json={"url": "https://example.com/"}) for _ in range(6)))
    assert sorted(answer.status_code for answer in answers) == [201, 201, 409, 409, 409, 409]
    refused = next(answer.json() for answer in answers if answer.status_code == httpx.codes.CONFLICT)
    assert (refused["code"], refused["limit"]) == ("too_many_webhooks", 2)
    assert len((await ada.http.get("/webhooks")).json()) == 2
    assert (await bob.http.post("/webhooks", json={"url": "https://example.com/"})).is_success


@_works
async def test_nobody_sees_or_hears_of_anothers(ada: Visitor, bob: Visitor, receiver: Receiver) -> None:
    made = await _made(ada, receiver.url)
    session = await ada.open_session()
    stolen = await bob.http.post("/webhooks", json={"url": receiver.url, "session_id": session})
    assert stolen.json()["code"] == "session_not_found"
    await bob.ask(await bob.open_session("Bob's"), "Hello")
    await ada.ask(session, "Hello")
    [heard] = await receiver.until_heard(1)
    assert heard.told["run"]["session_id"] == session
    assert (await bob.http.get("/webhooks")).json() == []
    [delivery] = await _until_over(ada, made["id"])
    mine = await _made(bob, receiver.url)
    for webhook in (made["id"], mine["id"]):
        again = await bob.http.post(f"/webhooks/{webhook}/deliveries/{delivery['id']}/redeliver")
        assert again.json()["code"] == ("webhook_not_found" if webhook == made["id"] else "delivery_not_found")
    assert (await ada.http.delete(f"/webhooks/{made['id']}")).status_code == httpx.codes.NO_CONTENT
    assert (await ada.http.get(f"/webhooks/{made['id']}")).status_code == httpx.codes.NOT_FOUND
    assert len(receiver.heard) == 1


@_works
async def test_the_log_is_read_page_by_page_the_newest_first(ada: Visitor, receiver: Receiver) -> None:
    made = await _made(ada, receiver.url)
    session = await ada.open_session()
    runs = [(await ada.ask(session, "Hello")).json()["run_id"] for _ in range(3)]
    await _until_over(ada, made["id"], 3)
    first = (await ada.http.get(f"/webhooks/{made['id']}/deliveries?limit=2")).json()
    rest = (await ada.http.get(f"/webhooks/{made['id']}/deliveries?limit=2&before={first['next_before']}")).json()
    assert [one["run_id"] for one in first["items"] + rest["items"]] == runs[::-1]
    assert rest["next_before"] is None
