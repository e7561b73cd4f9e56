"""Webhooks: a user's own server is told when runs end, and nobody else's is."""

import asyncio
import hmac
from base64 import b64decode, b64encode
from collections.abc import Iterator
from typing import Any, Final

import httpx
import pytest

from tests.receiver import Heard, Receiver, start_receiver
from tests.stub.answers import Text
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
    session = await ada.open_session("Named")
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
