"""How much is delivered at once, and what becomes of what there is no room for."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from app import signals
from app.errors import WebhooksOff
from app.persistence.audit import Actor
from app.persistence.webhook_values import BegunDelivery, Outcome
from app.runs.delivering import Delivering
from app.runs.signing import Secrets
from app.runs.webhooks import WebhookAsk, Webhooks
from app.settings import WebhookSettings
from tests.told import hearing

ADA, BOB = uuid4(), uuid4()
NOBODY = Actor(user_id=None, address=None)
SECRETS = Secrets(["a key of the server's, long enough"])


@dataclass
class Store:
    """Every delivery is due, and each is the user's that it is named for."""

    owners: Mapping[UUID, UUID]
    is_on: bool = True
    failures: int = 0
    secrets: Secrets = SECRETS
    recorded: list[Outcome] = field(default_factory=list)
    put_offs: list[UUID] = field(default_factory=list)
    switches_off: bool = False

    async def announce(self, run_id: UUID) -> None: ...

    async def begin(self, delivery_id: UUID, *, busy: Sequence[UUID], seconds: float) -> BegunDelivery | None:
        assert seconds > 10
        await asyncio.sleep(0)  # as a database takes its time
        owner = self.owners[delivery_id]
        return None if owner in busy else self.begun(delivery_id, owner)

    def begun(self, delivery_id: UUID, owner: UUID) -> BegunDelivery:
        return BegunDelivery(
            id=delivery_id,
            webhook_id=uuid4(),
            user_id=owner,
            attempt=1,
            failures=self.failures,
            event="run.completed",
            created_at=datetime.now(UTC),
            url="https://example.com/",
            is_on=self.is_on,
            seeds=[self.secrets.seed()],
            run={},
            said=None,
        )

    async def record(self, begun: BegunDelivery, outcome: Outcome, off_days: int) -> bool:  # noqa: ARG002  # the Protocol's names
        self.recorded.append(outcome)
        return self.switches_off

    async def put_off(self, delivery_id: UUID, seconds: float) -> None:
        assert 0 < seconds < 5
        self.put_offs.append(delivery_id)

    async def requeue(self) -> int:
        return 0

    async def forget(self, days: int, limit: int) -> int:  # noqa: ARG002
        return 0


class SlowPost:
    """Answers once it is let."""

    def __init__(self) -> None:
        self.may, self.under_way, self.most = asyncio.Event(), 0, 0

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
        assert orjson.loads(body)["event"] == "run.completed"
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        await self.may.wait()
        self.under_way -= 1
        return 200


async def _until(post: SlowPost, store: Store, *, under_way: int, put_off: int) -> None:
    async with asyncio.timeout(10):
        while (post.under_way, len(store.put_offs)) != (under_way, put_off):  # noqa: ASYNC110  # there is no event for all of it
            await asyncio.sleep(0)


async def test_a_slow_server_of_one_user_keeps_no_other_waiting_and_nobody_takes_all_places() -> None:
    adas, bobs = [uuid4() for _ in range(5)], [uuid4() for _ in range(5)]
    store, post = Store({**dict.fromkeys(adas, ADA), **dict.fromkeys(bobs, BOB)}), SlowPost()
    delivering = Delivering(store, post, SECRETS, WebhookSettings(WEBHOOK_CONCURRENCY=3))
    under_way = [asyncio.create_task(delivering.deliver(one)) for one in adas]
    await _until(post, store, under_way=2, put_off=3)
    under_way += [asyncio.create_task(delivering.deliver(one)) for one in bobs]
    await _until(post, store, under_way=3, put_off=7)
    post.may.set()
    await asyncio.gather(*under_way)
    assert (post.most, len(store.recorded)) == (3, 3)
    assert sorted(store.put_offs) == sorted([*adas[2:], *bobs[1:]])
    await delivering.deliver(adas[2])
    assert len(store.recorded) == 4


@pytest.mark.parametrize(("failures", "again"), [(0, 5), (6, 28_800), (7, None)])
async def test_the_wait_grows_until_it_is_given_up(failures: int, again: float | None) -> None:
    class Refusing:
        async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
            return 500

    one = uuid4()
    store = Store({one: ADA}, failures=failures)
    await Delivering(store, Refusing(), SECRETS, WebhookSettings()).deliver(one)
    [outcome] = store.recorded
    assert (outcome.again_seconds is None) is (again is None)
    if again and outcome.again_seconds:
        assert 0.8 * again <= outcome.again_seconds <= 1.2 * again


async def test_what_cannot_be_signed_is_not_sent() -> None:
    one = uuid4()
    post, store = SlowPost(), Store({one: ADA})
    await Delivering(store, post, Secrets(["a key that is not the one it was, long"]), WebhookSettings()).deliver(one)
    assert (post.most, [outcome.error for outcome in store.recorded]) == (0, ["secret_lost"])


async def test_a_server_without_a_key_has_no_webhooks() -> None:
    class Everything:
        async def look(self, url: str) -> None: ...

    webhooks = Webhooks(None, None, Everything(), Secrets([]), WebhookSettings())  # type: ignore[arg-type]  # is not come to
    ask = WebhookAsk(url="https://example.com/", statuses=["completed"], session_id=None, include_message=False)
    with pytest.raises(WebhooksOff):
        await webhooks.add(ADA, ask, NOBODY)
    with pytest.raises(WebhooksOff):
        await webhooks.roll(ADA, uuid4(), NOBODY)


@pytest.mark.parametrize(
    ("status", "failures", "switches_off", "expected"),
    [
        (204, 0, False, [("webhook_delivered", "ok")]),
        (500, 0, False, [("webhook_delivered", "failed")]),
        (500, 7, False, [("webhook_delivered", "given_up")]),
        (410, 0, True, [("webhook_delivered", "given_up"), ("webhook_switched_off",)]),
    ],
)
async def test_what_a_try_came_to_is_told(status: int, failures: int, switches_off: bool, expected: list[Any]) -> None:  # a case
    class Answering:
        async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:  # noqa: ARG002
            return status

    one = uuid4()
    store = Store({one: ADA}, failures=failures, switches_off=switches_off)
    with hearing(signals.webhook_delivered, signals.webhook_switched_off) as told:
        await Delivering(store, Answering(), SECRETS, WebhookSettings()).deliver(one)
    assert told == expected
