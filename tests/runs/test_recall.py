"""Recall on the way to an answer: in time or not at all, and never an error."""

import asyncio
import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest
from structlog.testing import capture_logs

from app import signals
from app.errors import AppError, DatabaseUnavailable, ModelUnavailable
from app.llm.words_embedder import WordsEmbedder
from app.runs.recall import Recall
from app.settings import MemorySettings
from tests.told import between, hearing

ADA = str(uuid4())


class CountingEmbedder(WordsEmbedder):
    def __init__(self) -> None:
        self.embedded: list[str] = []
        self.error: AppError | None = None
        self.hangs = False

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        self.embedded += texts
        if self.hangs:
            await asyncio.Event().wait()
        if self.error:
            raise self.error
        return await super().embed(texts)


@dataclass
class Searches:
    """Finds "tea" for everybody; `stubborn` ones go on when they are cancelled, as one does whose database hangs."""

    asked: list[tuple[UUID, int, float]] = field(default_factory=list)
    error: AppError | None = None
    stubborn: bool = False
    late_error: AppError | None = None
    begun: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)

    async def search(self, user_id: UUID, vector: Sequence[float], *, limit: int, threshold: float) -> Sequence[str]:
        assert len(vector) == WordsEmbedder.dimensions
        self.asked.append((user_id, limit, threshold))
        self.begun.set()
        if self.error:
            raise self.error
        while self.stubborn and not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue
        if self.late_error:
            raise self.late_error
        return ["tea"]


@pytest.fixture
def embedder() -> CountingEmbedder:
    return CountingEmbedder()


@pytest.fixture
def searches() -> Searches:
    return Searches()


@pytest.fixture
def recall(embedder: CountingEmbedder, searches: Searches) -> Recall:
    return Recall(embedder, searches, MemorySettings(MEMORY_RECALL_MS=50, MEMORY_TOP_K=3), 0.25)


async def test_a_question_that_comes_again_is_embedded_once_and_searched_anew(
    recall: Recall, embedder: CountingEmbedder, searches: Searches
) -> None:
    for _ in range(2):
        assert await recall.recall(ADA, "What do I drink?") == ["tea"]
    await recall.recall(str(uuid4()), "What do I drink?")
    assert embedder.embedded == ["What do I drink?"] * 2, "once for each user"
    assert searches.asked[:2] == [(UUID(ADA), 3, 0.25)] * 2


async def test_a_message_without_words_brings_nothing_to_mind(recall: Recall, searches: Searches) -> None:
    assert await recall.recall(ADA, "?!") == ()
    assert (searches.asked, recall.failures) == ([], 0)


async def test_a_database_that_hangs_costs_no_more_than_the_time_that_recall_may_take(recall: Recall, searches: Searches) -> None:
    searches.stubborn = True
    began = time.monotonic()
    with capture_logs() as logs:
        try:
            async with asyncio.timeout(10):  # the search itself would go on for ever
                assert await recall.recall(ADA, "What do I drink?") == ()
        finally:
            searches.let_go.set()
    assert time.monotonic() - began >= 0.05
    assert recall.failures == 1
    assert [(line["event"], line["error"]) for line in logs] == [("recall_failing", "too_slow")]


async def test_how_a_search_ends_that_was_given_up_is_nobodys_affair(
    recall: Recall, searches: Searches, caplog: pytest.LogCaptureFixture
) -> None:
    searches.stubborn, searches.late_error = True, DatabaseUnavailable()
    assert await recall.recall(ADA, "What do I drink?") == ()
    searches.let_go.set()
    await asyncio.sleep(0.01)
    gc.collect()  # where asyncio tells of errors that nobody has asked for, with all their words
    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_an_outage_is_counted_by_the_turn_and_logged_once(recall: Recall, embedder: CountingEmbedder, searches: Searches) -> None:
    with capture_logs() as logs:
        embedder.error = ModelUnavailable()
        assert [await recall.recall(ADA, "One?") for _ in range(3)] == [()] * 3
        embedder.error, searches.error = None, DatabaseUnavailable()
        assert await recall.recall(ADA, "One?") == ()
        searches.error = None
        assert await recall.recall(ADA, "One?") == ["tea"]
        assert await recall.recall(ADA, "One?") == ["tea"]
    assert recall.failures == 4
    assert [line["event"] for line in logs] == ["recall_failing", "recall_works_again"]


async def test_an_embedder_that_is_down_is_left_alone_for_a_while(
    recall: Recall, embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder.hangs = True
    with capture_logs() as logs:
        assert [await recall.recall(ADA, "One?") for _ in range(5)] == [()] * 5
        began = time.monotonic()
        assert [await recall.recall(ADA, "One?") for _ in range(100)] == [()] * 100
        assert time.monotonic() - began < 1, "nobody waits for it"
        assert len(embedder.embedded) == 5
        embedder.hangs = False
        monkeypatch.setattr("app.llm.breaker.time", SimpleNamespace(monotonic=lambda: time.monotonic() + 3600))
        assert [await recall.recall(ADA, "One?") for _ in range(2)] == [["tea"]] * 2
    assert recall.failures == 105
    assert [line["event"] for line in logs if "recall" in line["event"]] == ["recall_failing", "recall_works_again"]
    assert [line["event"] for line in logs if line["event"] == "model_breaker_open"] == ["model_breaker_open"]


async def test_a_search_that_is_slow_is_no_fault_of_the_embedders(recall: Recall, searches: Searches) -> None:
    searches.stubborn = True
    assert [await recall.recall(ADA, "One?") for _ in range(6)] == [()] * 6
    assert len(searches.asked) == 6
    searches.let_go.set()
    assert await recall.recall(ADA, "One?") == ["tea"]


async def test_a_turn_that_is_stopped_ends_its_recall(recall: Recall, searches: Searches) -> None:
    searches.stubborn = True
    turn = asyncio.create_task(recall.recall(ADA, "One?"))
    await searches.begun.wait()
    turn.cancel()
    with pytest.raises(asyncio.CancelledError):
        await turn
    searches.let_go.set()
    assert recall.failures == 0


async def test_no_more_vectors_are_kept_than_a_few_hundred(
    recall: Recall, embedder: CountingEmbedder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.runs.recall._MOST_KEPT", 2)
    for question in ("One?", "Two?", "Three?", "Three?", "One?"):
        await recall.recall(ADA, question)
    assert embedder.embedded == ["One?", "Two?", "Three?", "One?"]


async def test_what_was_asked_is_kept_for_its_time_and_until_its_user_is_gone(recall: Recall, embedder: CountingEmbedder) -> None:
    bob = str(uuid4())
    for user in (ADA, bob):
        await recall.recall(user, "One?")
    recall.forget(ADA)
    for user in (ADA, bob):
        await recall.recall(user, "One?")
    assert len(embedder.embedded) == 3, "Bob's is still known"
    recall.forget(None)
    await recall.recall(bob, "One?")
    assert len(embedder.embedded) == 4
    for asked, (kept_at, vector) in [*recall._vectors.items()]:
        recall._vectors[asked] = (kept_at - 31, vector)
    await recall.recall(bob, "One?")
    assert len(embedder.embedded) == 5


async def test_what_came_of_it_and_how_long_it_took_is_told(recall: Recall, embedder: CountingEmbedder, searches: Searches) -> None:
    with hearing(signals.recalled) as told:
        await recall.recall(ADA, "What do I drink?")
        await recall.recall(ADA, "?!")
        searches.error = DatabaseUnavailable()
        await recall.recall(ADA, "What do I drink?")
        searches.error, searches.stubborn = None, True
        await recall.recall(ADA, "What do I drink?")
        searches.let_go.set()
        embedder.hangs = True
        for _ in range(6):
            await recall.recall(ADA, "And now?")
    assert [one[1:] for one in told] == [
        ("found", between()),
        ("nothing", between()),
        ("failed", between()),
        *[("timeout", between(0.04, 5))] * 6,
        ("left_alone", 0),
    ]


async def test_a_recall_that_nobody_waits_for_any_more_is_not_told(recall: Recall, searches: Searches) -> None:
    searches.stubborn = True
    with hearing(signals.recalled) as told:
        turn = asyncio.create_task(recall.recall(ADA, "One?"))
        await searches.begun.wait()
        turn.cancel()
        await asyncio.wait([turn])
        searches.let_go.set()
    assert told == []
