"""What is remembered after an answer: each turn once, the newer fact before the older, and no secret ever."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
import pytest_asyncio
from langchain_core.messages.utils import count_tokens_approximately
from structlog.testing import capture_logs

from app.errors import ModelUnavailable
from app.llm.models import open_models
from app.llm.words_embedder import WordsEmbedder
from app.persistence.database import Database, execute, fetch_all, open_database
from app.persistence.extraction import open_extraction
from app.persistence.ledger import LedgerTable
from app.persistence.remembering import RememberingTable
from app.persistence.sessions import SessionTable
from app.persistence.users import UserTable
from app.persistence.values import RunStatus, Session, User
from app.runs.ledger import Ledger
from app.runs.remembering import Remembering
from app.settings import Settings
from tests.persistence.rows import Process, answered, claimed, finished, jobs, process
from tests.stub.answers import HttpError, Text
from tests.stub.client import ProviderStub, Request

EXTRACTION = "## New Messages"
CONSOLIDATION = "<known>"


@pytest_asyncio.fixture
async def database(settings: Settings) -> AsyncIterator[Database]:
    async with open_database(settings.database.url, settings.database) as database:
        yield database


@pytest.fixture
def here(database: Database) -> Process:
    return process(database)


@pytest_asyncio.fixture
async def ada(database: Database) -> User:
    return await UserTable(database).add("ada@example.com", "not-a-hash")


@pytest_asyncio.fixture
async def session(database: Database, ada: User) -> Session:
    return await SessionTable(database).add(ada.id, "")


@pytest_asyncio.fixture
async def remembering(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[Remembering]:
    async with open_models(settings.models, settings.model_keys) as models, open_extraction(tmp_path / "mem0", threads=2) as extraction:
        yield Remembering(
            store=RememberingTable(database.pool),
            models=models,
            ledger=Ledger(LedgerTable(database.pool)),
            embedder=WordsEmbedder(),
            extraction=extraction,
            settings=settings.remembering,
        )


def found(*facts: str) -> Text:
    """What a model answers that finds these facts."""
    return Text(json.dumps({"memory": [{"id": str(at), "text": fact} for at, fact in enumerate(facts)]}), when=EXTRACTION)


def replaces(*pairs: tuple[int, int]) -> Text:
    return Text(json.dumps({"replaced": [{"known": known, "new": new} for known, new in pairs]}), when=CONSOLIDATION)


async def memories(database: Database) -> list[tuple[str, bool]]:
    """Each memory's text, and whether it is open, oldest first."""
    rows = await fetch_all(database.pool, "SELECT payload->>'data' AS text, closed_at FROM memory ORDER BY id", {})
    return [(row["text"], row["closed_at"] is None) for row in rows]


async def due(database: Database) -> Sequence[UUID]:
    """The sessions there is a job for, once all that is new has been looked at."""
    await RememberingTable(database.pool).queue_due(0)
    return await jobs(database, "remember")


async def asked(provider: ProviderStub, words: str) -> list[Request]:
    return await provider.requests(containing=words)


async def test_a_burst_of_turns_is_read_at_once_and_each_turn_once(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    await provider.script(found("Lives in Oslo", "Has a cat"))
    for text in ("I live in Oslo", "I have a cat", "What can cats eat?"):
        await answered(here, ada, session, text)
    await RememberingTable(database.pool).queue_due(60)
    assert await jobs(database, "remember") == []
    assert [*await due(database), *await due(database)] == [session.id, session.id]
    assert len(await due(database)) == 1
    await execute(database.pool, "DELETE FROM procrastinate_jobs", {})

    await remembering.remember(session.id)
    await remembering.remember(session.id)
    assert await memories(database) == [("Lives in Oslo", True), ("Has a cat", True)]
    [request] = await provider.requests()
    assert all(text in str(request.messages[-1]) for text in ("I live in Oslo", "I have a cat", "what can cats eat?"))
    assert await due(database) == []

    [call] = await fetch_all(database.pool, "SELECT user_id, session_id, run_id, purpose FROM model_call", {})
    assert call == {"user_id": ada.id, "session_id": session.id, "run_id": None, "purpose": "memory"}

    await provider.script(found("Has a dog"), replaces())
    await answered(here, ada, session, "I have a dog")
    assert await due(database) == [session.id]
    await remembering.remember(session.id)
    second = str((await asked(provider, EXTRACTION))[-1].messages[-1])
    assert "I have a dog" in second
    assert "What can cats eat?" not in second
    assert "Has a cat" in second, "what is known is shown, so that it is not found again"


async def test_a_turn_that_is_not_over_is_waited_for_and_one_that_failed_is_not_read(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    await answered(here, ada, session, "I live in Oslo")
    run = await claimed(here, ada, session, text="I moved to Bergen")
    assert await due(database) == []
    await here.runs.finish(finished(run, status=RunStatus.FAILED))
    await provider.script(found())
    await remembering.remember((await due(database))[0])
    [request] = await provider.requests()
    assert "Oslo" in str(request.messages)
    assert "Bergen" not in str(request.messages[-1])


async def test_the_newer_fact_wins_and_the_older_is_closed_and_stays(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    await provider.script(found("Lives in Oslo", "Has a cat"))
    await answered(here, ada, session, "I live in Oslo and have a cat")
    await remembering.remember(session.id)
    other = await SessionTable(database).add(ada.id, "")
    await provider.script(found("Moved to Bergen"), Text('```json\n{"replaced": [{"known": 1, "new": 1}, {"known": 9, "new": 1}]}\n```'))
    await answered(here, ada, other, "I moved to Bergen")
    await remembering.remember(other.id)

    [compared] = await asked(provider, CONSOLIDATION)
    first = json.loads(str(compared.messages[-1]["content"]).split("\n")[1])["fact"]
    rows = await fetch_all(database.pool, "SELECT id, payload->>'data' AS text, closed_at, replaced_by FROM memory", {})
    by_text = {row["text"]: row for row in rows}
    new = by_text["Moved to Bergen"]
    assert (by_text[first]["replaced_by"], new["closed_at"]) == (new["id"], None)
    assert by_text[first]["closed_at"]
    assert sorted(row["closed_at"] is None for row in rows) == [False, True, True]

    await provider.script(found("Moved to Bergen"), replaces())
    await answered(here, ada, other, "As I said, I moved to Bergen")
    await remembering.remember(other.id)
    assert [text for text, _ in await memories(database)].count("Moved to Bergen") == 1


async def test_no_secret_is_shown_to_the_model_or_kept(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    secrets = ("4111 1111 1111 1111", "hunter2", "sk-abcdefghijklmnop1234")
    await provider.script(found("Likes tea", f"Uses the key {secrets[2]}", "The user's password is swordfish"))
    await answered(here, ada, session, f"My card is {secrets[0]}. My password is {secrets[1]}. Use {secrets[2]}. I like tea.")
    await remembering.remember(session.id)
    [request] = await provider.requests()
    assert not any(secret in json.dumps(request.body) for secret in secrets)
    assert "I like tea" in str(request.messages[-1])
    assert await memories(database) == [("Likes tea", True)]


async def test_a_provider_that_is_down_loses_nothing_and_doubles_nothing(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    class Down(WordsEmbedder):
        async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
            if "Lives in Oslo" in texts:
                raise ModelUnavailable
            return await super().embed(texts)

    await answered(here, ada, session, "I live in Oslo")
    await provider.script(HttpError(503, when=EXTRACTION), found("Lives in Oslo"), found("Lives in Oslo"))
    with pytest.raises(ModelUnavailable):
        await remembering.remember(session.id)
    with pytest.raises(ModelUnavailable):
        await replace(remembering, embedder=Down()).remember(session.id)
    assert await memories(database) == []
    assert await due(database) == [session.id]
    await remembering.remember(session.id)
    assert await memories(database) == [("Lives in Oslo", True)]


@pytest.mark.parametrize("answer", ["I found nothing.", '{"memory": ["Lives in Oslo"]}', '{"facts": []}', '{"memory": [{"text": "Liv'])
async def test_an_answer_that_makes_no_sense_is_logged_by_its_code_and_not_asked_for_again(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session, answer: str
) -> None:
    await provider.script(Text(answer))
    await answered(here, ada, session, "I live in Oslo")
    with capture_logs() as logs:
        await remembering.remember(session.id)
    [told] = [line for line in logs if line["event"] == "not_remembered"]
    assert told["error"] == "model_bad_answer"
    assert "Oslo" not in str(logs)
    assert (await due(database), await memories(database)) == ([], [])


async def test_of_two_workers_that_read_the_same_turns_one_writes(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    await provider.script(found("Lives in Oslo"), found("The user lives in Oslo"))
    await answered(here, ada, session, "I live in Oslo")
    await asyncio.gather(remembering.remember(session.id), remembering.remember(session.id))
    assert len(await asked(provider, EXTRACTION)) == 2
    assert len(await memories(database)) == 1


@pytest.mark.parametrize("switch", ['"user" SET remembers = {}', "session SET remembers = {}", "session SET temporary = NOT {}"])
async def test_where_memory_is_off_nothing_is_read_then_or_later(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session, switch: str
) -> None:
    await answered(here, ada, session, "I live in Oslo")
    turns = await remembering.store.unremembered(session.id)
    assert turns
    await execute(database.pool, f"UPDATE {switch.format('false')}", {})
    await remembering.remember(session.id)
    assert not await remembering.store.keep(turns, [], {}), "a job that was under way writes nothing"
    assert await due(database) == []
    await execute(database.pool, f"UPDATE {switch.format('true')}", {})
    assert await due(database) == []
    await remembering.remember(session.id)
    assert await provider.requests() == []


@pytest.mark.variables(MEMORY_INFER="false")
async def test_without_a_model_plain_statements_are_kept_word_for_word(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    for text in ("Hi, my name is Ada.", "What can I cook?", "Remember that I do not eat meat", "i do not eat meat!"):
        await answered(here, ada, session, text)
    await remembering.remember(session.id)
    assert await memories(database) == [("My name is Ada", True), ("I do not eat meat", True)]
    await answered(here, ada, session, "My name is Bo now. I don’t know. I do not eat meat")  # noqa: RUF001  # phones write it so
    await remembering.remember(session.id)
    assert await memories(database) == [("My name is Ada", False), ("I do not eat meat", True), ("My name is Bo now", True)]
    assert await provider.requests() == []


async def test_turns_read_together_cost_a_fraction_of_turns_read_one_by_one(
    remembering: Remembering, provider: ProviderStub, database: Database, here: Process, ada: User, session: Session
) -> None:
    async def tokens_per_turn(jobs_: int, turns: int) -> float:
        await provider.clear()
        await provider.script(*(found() for _ in range(jobs_)))
        for _ in range(jobs_):
            for at in range(turns):
                await answered(here, ada, session, f"Question {at}: what would you do in Oslo on a rainy day with two children?")
            await remembering.remember(session.id)
        return sum(tokens(request) for request in await provider.requests()) / (jobs_ * turns)

    one_by_one, together = await tokens_per_turn(10, 1), await tokens_per_turn(1, 10)
    print(f"prompt tokens per remembered turn: {one_by_one:.0f} one by one, {together:.0f} ten at once")  # noqa: T201  # the figure
    assert together < one_by_one / 5


def tokens(request: Request) -> int:
    messages: list[Any] = [*request.messages]
    return count_tokens_approximately(messages)
