"""Spans on their way out: bounded, told of, and nobody waits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from threading import get_ident
from uuid import UUID, uuid4

import aiohttp
import pytest

from app import signals
from app.observability.traces.outlet import HttpOutlet
from app.observability.traces.span import Kind, Span
from app.signals import sampled
from tests.langfuse_stub import LangfuseStub, start_langfuse

ADA, BOB = uuid4(), uuid4()


@pytest.fixture
def backend() -> Iterator[LangfuseStub]:
    with start_langfuse() as stub:
        yield stub


@pytest.fixture
def told() -> Iterator[list[tuple[str, int]]]:
    """What was told of spans, in order."""
    heard: list[tuple[str, int]] = []

    def hear(backend: str, outcome: str, spans: int) -> None:
        assert backend == "otlp"
        heard.append((outcome, spans))

    with signals.traces_exported.heard_by(hear):
        yield heard


@asynccontextmanager
async def _outlet(backend: LangfuseStub, most_spans: int = 100) -> AsyncIterator[HttpOutlet]:
    async with aiohttp.ClientSession() as http:
        resource = {"service.name": "milepost", "service.version": "1"}
        yield HttpOutlet(http, f"{backend.url}/v1/traces", {}, name="otlp", most_spans=most_spans, resource=resource, mask=str.upper)


def _span(user_id: UUID = ADA, said: str = "") -> Span:
    shared = {"user.id": str(user_id)}
    return Span(
        trace_id=uuid4(),
        user_id=user_id,
        name="answer",
        kind=Kind.MODEL,
        shared=shared,
        ended_ns=1,
        asked=said or None,
        characters=len(said),
    )


async def test_what_has_no_room_is_dropped_and_counted(backend: LangfuseStub, told: list[tuple[str, int]]) -> None:
    async with _outlet(backend, most_spans=3) as outlet:
        for _ in range(5):
            outlet.put(_span())
        assert (len(outlet), told) == (3, [("dropped", 1), ("dropped", 1)])
        await outlet.close(5)
    assert (len(backend.spans), told[2:]) == (3, [("ok", 3)])


async def test_texts_have_an_end_too(backend: LangfuseStub, told: list[tuple[str, int]]) -> None:
    async with _outlet(backend) as outlet:
        for _ in range(3):
            outlet.put(_span(said="x" * 9_000_000))
        assert (len(outlet), told) == (2, [("dropped", 1)])
        outlet.forget(ADA)
        outlet.put(_span(BOB, said="x" * 9_000_000))
        assert len(outlet) == 1, "what was forgotten has made room"


async def test_of_who_is_erased_nothing_more_is_sent(backend: LangfuseStub) -> None:
    async with _outlet(backend) as outlet:
        outlet.put(_span(ADA))
        outlet.put(_span(BOB))
        outlet.forget(ADA)
        outlet.put(_span(ADA))  # of a run that was about to end
        await outlet.close(5)
    assert [span.attributes["user.id"] for span in backend.spans] == [str(BOB)]


async def test_what_is_refused_for_good_is_not_sent_again(backend: LangfuseStub, told: list[tuple[str, int]]) -> None:
    backend.manner = 400
    async with _outlet(backend) as outlet:
        outlet.put(_span())
        await outlet.close(5)
    assert (backend.asked, told, len(outlet)) == (1, [("failed", 1)], 0)


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
async def test_what_is_not_taken_now_is_kept_for_later(status: int, backend: LangfuseStub, told: list[tuple[str, int]]) -> None:
    backend.manner = status
    async with _outlet(backend) as outlet:
        outlet.put(_span())
        assert not await outlet._send_some()
        assert (len(outlet), told) == (1, [])
        backend.manner = "take"
        assert await outlet._send_some()
    assert (len(backend.spans), told) == (1, [("ok", 1)])


async def test_closing_waits_no_longer_than_it_may_and_says_what_is_lost(backend: LangfuseStub, told: list[tuple[str, int]]) -> None:
    backend.manner = "hold"
    async with asyncio.timeout(10), _outlet(backend) as outlet:
        outlet.put(_span())
        await outlet.close(0.2)
        assert (told, len(outlet), backend.go_on.is_set()) == ([("dropped", 1)], 0, False)


async def test_masks_are_put_over_all_that_was_said_and_over_nothing_else(backend: LangfuseStub) -> None:
    async with _outlet(backend) as outlet:
        span = _span()
        span.asked, span.answered = [{"role": "user", "content": ["hello", {"more": "words"}]}], "yes \ud800"
        outlet.put(span)
        await outlet.close(5)
    [seen] = backend.spans
    assert seen.attributes["langfuse.observation.input"] == '[{"role":"USER","content":["HELLO",{"more":"WORDS"}]}]'
    assert seen.attributes["langfuse.observation.output"] == "YES ?"
    assert seen.attributes["user.id"] == str(ADA)


async def test_a_span_may_come_from_a_thread(backend: LangfuseStub) -> None:
    async with _outlet(backend) as outlet:
        await asyncio.to_thread(outlet.put, _span())
        await asyncio.sleep(0)
        await outlet.close(5)
    assert len(backend.spans) == 1


async def test_the_queue_is_one_threads_though_a_tool_has_a_loop_of_its_own(backend: LangfuseStub) -> None:
    async def put() -> None:
        outlet.put(_span())

    threads: list[int] = []
    with signals.traces_exported.heard_by(lambda *_: threads.append(get_ident())):
        async with _outlet(backend, most_spans=0) as outlet:
            await asyncio.to_thread(lambda: asyncio.run(put()))
            await asyncio.sleep(0)
    assert threads == [get_ident()]


async def test_what_a_user_who_is_erased_leaves_is_no_request(backend: LangfuseStub, told: list[tuple[str, int]]) -> None:
    waiting: asyncio.Queue[tuple[str | int, ...]] = asyncio.Queue()
    with sampled.traces_waiting.heard_by(lambda *said: waiting.put_nowait(said)):
        async with _outlet(backend) as outlet, asyncio.timeout(10):
            sending = asyncio.create_task(outlet.keep_sending())
            outlet.put(_span(ADA))
            outlet.forget(ADA)
            assert await waiting.get() == ("otlp", 0)
            sending.cancel()
            await asyncio.wait([sending])
    assert (backend.asked, told) == (0, [])
