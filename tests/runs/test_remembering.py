"""What is remembered after an answer: each turn once, the newer fact before the older, and no secret ever."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from langchain_core.messages.utils import count_tokens_approximately
from structlog.testing import capture_logs

from app import signals
from app.errors import ModelBadAnswer, ModelError, ModelRejected, ModelUnavailable
from app.llm.models import open_models
from app.llm.words_embedder import WordsEmbedder
from app.persistence.accounts import User
from app.persistence.database import Database, execute, fetch_all, open_database
from app.persistence.extraction import open_extraction
from app.persistence.ledger import LedgerTable
from app.persistence.remembering import RememberingTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import RunStatus, Session
from app.runs.ledger import Ledger
from app.runs.remembering import Remembering
from app.settings import Settings
from tests.persistence.rows import Process, answered, claimed, finished, jobs, process
from tests.stub.answers import HttpError, Text
from tests.stub.client import ProviderStub, Request
from tests.told import between, hearing, of

EXTRACTION = "## New Messages"
CONSOLIDATION = "<known>"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Ada, her session, and a worker that remembers what she says."""

    database: Database
    here: Process
    ada: User
    session: Session
    remembering: Remembering

    async def said(self, *texts: str, session: Session | None = None) -> None:
        """Turns that are over."""
        for text in texts:
            await answered(self.here, self.ada, session or self.session, text)

    async def remembers(self, session: Session | None = None) -> None:
        await self.remembering.remember((session or self.session).id)

    async def memories(self) -> list[tuple[str, bool]]:
        """Each memory's text, and whether it is open, oldest first."""
        rows = await self.rows("SELECT payload->>'data' AS text, closed_at FROM memory ORDER BY id")
        return [(row["text"], row["closed_at"] is None) for row in rows]

    async def due(self) -> Sequence[UUID]:
        """The sessions there is a job for, once all that is new has been looked at."""
        await RememberingTable(self.database.pool).queue_due(0)
        return await jobs(self.database, "remember")

    async def rows(self, statement: str) -> list[dict[str, Any]]:
        return await fetch_all(self.database.pool, statement, {})

    async def change(self, statement: str) -> None:
        await execute(self.database.pool, statement, {})


@pytest_asyncio.fixture
async def scene(settings: Settings, tmp_path: Path) -> AsyncIterator[Scene]:
    async with (
        open_database(settings.database.url, settings.database) as database,
        open_models(settings.models, settings.model_keys) as models,
        open_extraction(tmp_path / "mem0", threads=2) as extraction,
    ):
        ada = await UserTable(database).add("ada@example.com", "not-a-hash")
        yield Scene(
            database=database,
            here=process(database),
            ada=ada,
            session=await SessionTable(database).add(ada.id, ""),
            remembering=Remembering(
                store=RememberingTable(database.pool),
                models=models,
                ledger=Ledger(LedgerTable(database.pool)),
                embedder=WordsEmbedder(),
                extraction=extraction,
                settings=settings.remembering,
            ),
        )


def found(*facts: str) -> Text:
    """What a model answers that finds these facts."""
    return Text(json.dumps({"memory": [{"id": str(at), "text": fact} for at, fact in enumerate(facts)]}), when=EXTRACTION)


def replaces(*pairs: tuple[int, int]) -> Text:
    return Text(json.dumps({"replaced": [{"known": known, "new": new} for known, new in pairs]}), when=CONSOLIDATION)


def tokens(request: Request) -> int:
    messages: list[Any] = [*request.messages]
    return count_tokens_approximately(messages)


async def test_a_burst_of_turns_is_read_at_once_and_each_turn_once(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(found("Lives in Oslo", "Has a cat"))
    await scene.said("I live in Oslo", "I have a cat", "What can cats eat?")
    await RememberingTable(scene.database.pool).queue_due(60)
    assert await jobs(scene.database, "remember") == []
    await asyncio.gather(scene.due(), scene.due())
    assert await scene.due() == [scene.session.id]
    await scene.change("DELETE FROM procrastinate_jobs")

    await scene.remembers()
    await scene.remembers()
    assert await scene.memories() == [("Lives in Oslo", True), ("Has a cat", True)]
    [request] = await provider.requests()
    assert all(text in str(request.messages[-1]) for text in ("I live in Oslo", "I have a cat", "what can cats eat?"))
    assert await scene.due() == []
    [call] = await scene.rows("SELECT user_id, session_id, run_id, purpose FROM model_call")
    assert call == {"user_id": scene.ada.id, "session_id": scene.session.id, "run_id": None, "purpose": "memory"}

    await provider.script(found("Has a dog"), replaces())
    await scene.said("I have a dog")
    assert await scene.due() == [scene.session.id]
    await scene.remembers()
    second = str((await provider.requests(containing=EXTRACTION))[-1].messages[-1])
    assert "I have a dog" in second
    assert "What can cats eat?" not in second
    assert "Has a cat" in second, "what is known is shown, so that it is not found again"


async def test_a_turn_that_is_not_over_is_waited_for_and_one_that_failed_is_not_read(scene: Scene, provider: ProviderStub) -> None:
    await scene.said("I live in Oslo")
    run = await claimed(scene.here, scene.ada, scene.session, text="I moved to Bergen")
    assert await scene.due() == []
    await scene.here.runs.finish(finished(run, status=RunStatus.FAILED))
    await provider.script(found())
    await scene.remembering.remember((await scene.due())[0])
    [request] = await provider.requests()
    assert "I live in Oslo" in str(request.messages[-1])
    assert "I moved to Bergen" not in str(request.messages[-1])


async def test_what_is_said_while_a_job_reads_is_left_for_the_next(scene: Scene, provider: ProviderStub) -> None:
    await scene.said("I live in Oslo")
    turns = await scene.remembering.store.unremembered(scene.session.id)
    assert turns
    await scene.said("I have a cat")
    assert await scene.remembering.store.keep(turns, [], {}) == 0
    await provider.script(found())
    await scene.remembering.remember((await scene.due())[0])
    [request] = await provider.requests()
    assert "I have a cat" in str(request.messages[-1])
    assert "I live in Oslo" not in str(request.messages[-1])


async def test_the_newer_fact_wins_and_the_older_is_closed_and_stays(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(found("Lives in Oslo"))
    await scene.said("I live in Oslo")
    await scene.remembers()
    other = await SessionTable(scene.database).add(scene.ada.id, "")
    answer = Text('Well:\n```json\n{"replaced": [{"known": 1, "new": 2}, {"known": 9, "new": 1}]}\n```', when=CONSOLIDATION)
    await provider.script(found("Has a cat", "Moved to Bergen"), answer)
    await scene.said("I have a cat and moved to Bergen", session=other)
    await scene.remembers(other)
    assert await scene.memories() == [("Lives in Oslo", False), ("Has a cat", True), ("Moved to Bergen", True)]
    [old] = await scene.rows(
        "SELECT newer.payload->>'data' AS by, old.closed_at > old.created_at AS later FROM memory AS old JOIN memory AS newer"
        " ON newer.id = old.replaced_by"
    )
    assert old == {"by": "Moved to Bergen", "later": True}
    assert len(await provider.requests(containing=CONSOLIDATION)) == 1

    await provider.script(found("Moved to Bergen"), replaces())
    await scene.said("As I said, I moved to Bergen", session=other)
    await scene.remembers(other)
    assert [text for text, _ in await scene.memories()].count("Moved to Bergen") == 1


async def test_no_secret_is_shown_to_the_model_or_kept(scene: Scene, provider: ProviderStub) -> None:
    secrets = ("4111 1111 1111 1111", "hunter2", "sk-abcdefghijklmnop1234")
    await provider.script(found("Likes tea", f"Uses the key {secrets[2]}", "The user's password is swordfish"))
    await scene.said(f"My card is {secrets[0]}. My password is {secrets[1]}. Use {secrets[2]}. I like tea.")
    await scene.remembers()
    [request] = await provider.requests()
    assert not any(secret in json.dumps(request.body) for secret in secrets)
    assert "I like tea" in str(request.messages[-1])
    assert await scene.memories() == [("Likes tea", True)]


class Down(WordsEmbedder):
    """An embedder whose server goes down when it is asked for this."""

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        if "Lives in Oslo" in texts:
            raise ModelUnavailable
        return await super().embed(texts)


async def test_a_provider_that_is_down_loses_nothing_and_doubles_nothing(scene: Scene, provider: ProviderStub) -> None:
    await scene.said("I live in Oslo")
    await provider.script(HttpError(503, when=EXTRACTION), found("Lives in Oslo"), found("Lives in Oslo"))
    with pytest.raises(ModelUnavailable):
        await scene.remembers()
    with pytest.raises(ModelUnavailable):
        await replace(scene.remembering, embedder=Down()).remember(scene.session.id)
    assert await scene.memories() == []
    assert await scene.due() == [scene.session.id]
    await scene.change("UPDATE procrastinate_jobs SET status = 'failed', scheduled_at = now()")
    assert await scene.due() == [], "after the queue's last try there is a pause"
    await scene.change("UPDATE procrastinate_jobs SET scheduled_at = now() - interval '11 min'")
    assert await scene.due() == [scene.session.id]
    await scene.remembers()
    assert await scene.memories() == [("Lives in Oslo", True)]
    [row] = await scene.rows("SELECT payload->>'user_id' AS user_id, payload->>'embedder' AS embedder FROM memory")
    assert row == {"user_id": str(scene.ada.id), "embedder": "words-1"}


class WronglySetUp(WordsEmbedder):
    """An embedder that its server does not know, or whose answers are none."""

    def __init__(self, error: ModelError) -> None:
        self.error = error

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:  # noqa: ARG002  # the parent's own
        raise self.error


@pytest.mark.parametrize("error", [ModelRejected(), ModelBadAnswer()])
async def test_what_was_said_waits_for_an_embedder_that_is_mended(scene: Scene, provider: ProviderStub, error: ModelError) -> None:
    await scene.said("I live in Oslo")
    await provider.script(found("Lives in Oslo"), found("Lives in Oslo"))
    with pytest.raises(ModelUnavailable):
        await replace(scene.remembering, embedder=WronglySetUp(error)).remember(scene.session.id)
    assert await scene.due() == [scene.session.id]
    await scene.remembers()
    assert await scene.memories() == [("Lives in Oslo", True)]


async def test_an_answer_that_makes_no_sense_is_asked_for_once_more(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(Text("I found nothing."), found("Lives in Oslo"))
    await scene.said("I live in Oslo")
    await scene.remembers()
    assert await scene.memories() == [("Lives in Oslo", True)]

    await provider.script(found("Moved to Bergen"), Text("The first.", when=CONSOLIDATION), replaces((1, 1)))
    await scene.said("I moved to Bergen")
    await scene.remembers()
    assert await scene.memories() == [("Lives in Oslo", False), ("Moved to Bergen", True)]


async def test_an_answer_that_makes_no_sense_twice_is_logged_by_its_code_and_not_asked_for_again(
    scene: Scene, provider: ProviderStub
) -> None:
    for answer in ("I found nothing.", '{"memory": ["Lives in Oslo"]}', '{"facts": []}', '{"memory": [{"text": "Liv'):
        await provider.script(Text(answer), Text(answer))
        await scene.said("I live in Oslo")
        with capture_logs() as logs:
            await scene.remembers()
        assert [line["error"] for line in logs if line["event"] == "not_remembered"] == ["model_bad_answer"], answer
        assert "Oslo" not in str(logs)
        assert (await scene.due(), await scene.memories()) == ([], [])


async def test_of_two_workers_that_read_the_same_turns_one_writes(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(found("Lives in Oslo"), found("The user lives in Oslo"))
    await scene.said("I live in Oslo")
    await asyncio.gather(scene.remembers(), scene.remembers())
    assert len(await provider.requests(containing=EXTRACTION)) == 2
    assert len(await scene.memories()) == 1


async def test_where_memory_is_off_nothing_is_read_then_or_later(scene: Scene, provider: ProviderStub) -> None:
    for switch in ('"user" SET remembers = {}', "session SET remembers = {}", "session SET temporary = NOT {}"):
        await scene.said("I live in Oslo")
        turns = await scene.remembering.store.unremembered(scene.session.id)
        assert turns
        await scene.change(f"UPDATE {switch.format('false')}")
        await scene.remembers()
        assert await scene.remembering.store.keep(turns, [], {}) is None, "a job that was under way writes nothing"
        assert await scene.due() == []
        await scene.change(f"UPDATE {switch.format('true')}")
        assert await scene.due() == []
        await scene.remembers()
    assert await provider.requests() == []


@pytest.mark.variables(MEMORY_INFER="false")
async def test_without_a_model_plain_statements_are_kept_word_for_word(scene: Scene, provider: ProviderStub) -> None:
    await scene.said("Hi, my name is Ada.", "What can I cook?", "Remember that I do not eat meat", "i do not eat meat!")
    await scene.remembers()
    assert await scene.memories() == [("My name is Ada", True), ("I do not eat meat", True)]
    await scene.said("My name is Bo now. I don’t know. I do not eat meat")  # noqa: RUF001  # phones write it so
    await scene.remembers()
    assert await scene.memories() == [("My name is Ada", False), ("I do not eat meat", True), ("My name is Bo now", True)]
    assert await provider.requests() == []


async def test_turns_read_together_cost_a_fraction_of_turns_read_one_by_one(scene: Scene, provider: ProviderStub) -> None:
    async def tokens_per_turn(count: int, turns: int) -> float:
        await provider.clear()
        await provider.script(*(found() for _ in range(count)))
        for _ in range(count):
            await scene.said(*(f"Question {at}: what would you do in Oslo on a rainy day with two children?" for at in range(turns)))
            await scene.remembers()
        return sum(map(tokens, await provider.requests())) / (count * turns)

    one_by_one, together = await tokens_per_turn(10, 1), await tokens_per_turn(1, 10)
    print(f"prompt tokens per remembered turn: {one_by_one:.0f} one by one, {together:.0f} ten at once")  # noqa: T201  # the figure
    assert together < one_by_one / 5


async def test_a_session_with_nothing_but_a_failed_turn_is_looked_at_once(scene: Scene, provider: ProviderStub) -> None:
    run = await claimed(scene.here, scene.ada, scene.session, text="I moved to Bergen")
    await scene.here.runs.finish(finished(run, status=RunStatus.FAILED))
    assert await scene.due() == [scene.session.id]
    await scene.remembers()
    assert await scene.rows("SELECT unremembered_since FROM session") == [{"unremembered_since": None}]
    assert await provider.requests() == []


async def test_what_is_said_while_memory_is_off_is_not_remembered_once_it_is_on(scene: Scene) -> None:
    users, sessions = UserTable(scene.database), SessionTable(scene.database)
    await users.switch_memory(scene.ada.id, False)
    await scene.said("I live in Oslo")
    await users.switch_memory(scene.ada.id, True)
    assert await scene.due() == []
    await sessions.change(scene.session.id, remembers=False)
    await scene.said("I moved to Bergen")
    await sessions.change(scene.session.id, remembers=True)
    assert await scene.due() == []
    await scene.said("I have a cat")
    assert await scene.due() == [scene.session.id]
    turns = await scene.remembering.store.unremembered(scene.session.id)
    assert turns
    assert turns.said[0].text == "I have a cat"


async def test_of_what_is_very_long_the_model_reads_the_beginning_and_no_fact_is_made(scene: Scene, provider: ProviderStub) -> None:
    await provider.script(found("Likes tea", "Wrote: " + "very " * 100))
    await scene.said("tea " * 2_000 + "coffee")
    await scene.remembers()
    [request] = await provider.requests()
    assert "tea tea" in str(request.messages[-1])
    assert "coffee" not in str(request.messages[-1])
    assert await scene.memories() == [("Likes tea", True)]


async def test_what_came_of_a_reading_is_told_with_as_many_facts_as_are_new(scene: Scene, provider: ProviderStub) -> None:
    with hearing(signals.remembered, signals.model_called) as told:
        await provider.script(found("Lives in Oslo", "Has a cat"))
        await scene.said("I live in Oslo and have a cat")
        await scene.remembers()
        await scene.remembers()  # there is nothing new
        await provider.script(found("Lives in Oslo"))
        await scene.said("I live in Oslo")
        await scene.remembers()  # nor anything that is not known
        await provider.script(HttpError(503, when=EXTRACTION))
        await scene.said("I have a dog")
        with pytest.raises(ModelUnavailable):
            await scene.remembers()
        await provider.script(Text("Hm."), Text("Hm."))
        await scene.remembers()
    assert [(outcome, facts) for outcome, _, facts in of(told, signals.remembered)] == [
        ("kept", 2),
        ("nothing", 0),
        ("nothing", 0),
        ("failed", 0),
        ("failed", 0),
    ]
    assert all(seconds == between() for _, seconds, _ in of(told, signals.remembered))
    kept = await scene.rows(
        "SELECT model, purpose, input_tokens, output_tokens, coalesce(error_code, '') AS error FROM model_call ORDER BY id"
    )
    assert [{name: call[name] for name in kept[0]} for (call,) in of(told, signals.model_called)] == kept
    assert {call["purpose"] for (call,) in of(told, signals.model_called)} == {"memory"}
