"""Whose turn it is: one answer at a time in a session, one run for a request, and no more runs than there is room for."""

import asyncio
from uuid import uuid4

import pytest

from app.errors import (
    RunNotFound,
    ServerBusy,
    SessionBusy,
    SessionNotFound,
    UnknownModel,
)
from app.runs.asking import OnBusy
from tests.fakes import ADA, says
from tests.runs.conftest import Scenery
from tests.runs.reading import never, text_of, until


async def test_a_client_who_goes_while_its_turn_is_claimed_leaves_no_run_here(scenery: Scenery) -> None:
    async with scenery(says("Hello.")) as scene:
        scene.store.claiming.clear()
        asking = asyncio.create_task(scene.asks())
        await until(lambda: scene.store.claims == 1)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        scene.store.claiming.set()
        assert scene.live() == []
        assert text_of(await scene.reads(await scene.asks())) == "Hello."


async def test_a_second_message_is_told_who_has_the_turn(scenery: Scenery) -> None:
    async with scenery(never()) as scene:
        run = await scene.asks()
        with pytest.raises(SessionBusy) as caught:
            await scene.asks()
        assert caught.value.extra == {"active_run_id": str(run), "retry_after": 1}


async def test_a_message_may_interrupt_the_answer_before_it(scenery: Scenery) -> None:
    async with scenery(never(), says("New.")) as scene:
        first = await scene.asks()
        await scene.until_asked()
        second = await asyncio.wait_for(scene.asks(on_busy=OnBusy.INTERRUPT), 5)
        assert (await scene.reads(first))[-1][1]["status"] == "cancelled"
        assert text_of(await scene.reads(second)) == "New."


async def test_of_many_who_interrupt_each_other_each_gets_the_turn_or_is_told_the_session_is_busy(scenery: Scenery) -> None:
    async with scenery(*[says("New.") for _ in range(12)]) as scene:
        asked = [scene.asks(on_busy=OnBusy.INTERRUPT) for _ in range(12)]
        answers = await asyncio.wait_for(asyncio.gather(*asked, return_exceptions=True), 10)
        refused = {type(answer) for answer in answers if isinstance(answer, Exception)}
        assert refused <= {SessionBusy}
        assert len(scene.store.rows) == sum(not isinstance(answer, Exception) for answer in answers) > 0


async def test_the_same_request_sent_twice_is_one_run(scenery: Scenery) -> None:
    async with scenery(says("Once.")) as scene:
        first = await scene.asks(idempotency_key="k")
        assert await scene.asks(idempotency_key="k") == first
        assert text_of(await scene.reads(first)) == "Once."
        assert await scene.asks(idempotency_key="k") == first
        assert len(scene.chat.asked) == 1


async def test_a_session_or_model_that_is_not_there_starts_nothing(scenery: Scenery) -> None:
    async with scenery() as scene:
        scene.store.strangers.add(scene.session)
        with pytest.raises(SessionNotFound):
            await scene.asks()
        with pytest.raises(UnknownModel):
            await scene.asks(model="unheard-of")
        with pytest.raises(RunNotFound):
            await scene.office.runs.read(ADA.id, uuid4())
        assert scene.live() == []


async def test_a_run_of_somebody_else_is_not_there(scenery: Scenery) -> None:
    async with scenery(says("Mine.")) as scene:
        run = await scene.asks()
        assert (await scene.office.runs.read(ADA.id, run)).id == run
        with pytest.raises(RunNotFound):
            await scene.office.runs.read(uuid4(), run)
        await scene.reads(run)


async def test_no_more_runs_than_the_limit_and_claims_count(scenery: Scenery) -> None:
    async with scenery(never(), never(), says("Room."), MAX_LIVE_RUNS=2) as scene:
        scene.store.claiming.clear()
        claiming = [asyncio.create_task(scene.asks(session_id=uuid4())) for _ in range(2)]
        await until(lambda: scene.store.claims == 2)
        with pytest.raises(ServerBusy) as caught:
            await scene.asks()
        assert caught.value.extra == {"retry_after": 1}
        scene.store.claiming.set()
        [first, _] = await asyncio.gather(*claiming)
        with pytest.raises(ServerBusy):
            await scene.asks()
        await scene.until_asked(2)
        await scene.office.runs.stop(first)
        await scene.reads(first)
        assert text_of(await scene.reads(await scene.asks())) == "Room."
