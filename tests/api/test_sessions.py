"""Conversations: opened, listed, named, read and forgotten."""

from collections.abc import Iterator

import httpx
import psycopg
import pytest
from psycopg import sql

from app.settings import Settings
from tests.conftest import serving
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


async def test_sessions_are_listed_newest_first_page_by_page(ada: Visitor, bob: Visitor) -> None:
    made = [await ada.open_session(f"number {number}") for number in range(7)]
    await bob.open_session("not Ada's")
    seen: list[str] = []
    cursor: str | None = None
    while len(seen) < len(made):
        page = (await ada.http.get("/sessions", params={"limit": 3, **({"cursor": cursor} if cursor else {})})).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert seen == made[::-1]
    assert cursor is None


@pytest.mark.parametrize(("words", "found"), [("OSLO", ["Trip to Oslo"]), ("%", ["100% sure"]), ("_", ["snake_case"]), ("zebra", [])])
async def test_sessions_are_found_by_a_part_of_their_name(words: str, found: list[str], ada: Visitor) -> None:
    for name in ("Trip to Oslo", "100% sure", "snake_case"):
        await ada.open_session(name)
    page = (await ada.http.get("/sessions", params={"q": words})).json()
    assert [item["name"] for item in page["items"]] == found


async def test_a_session_without_a_name_takes_the_first_words_said(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Yes.", times=3))
    unnamed, named = await ada.open_session(""), await ada.open_session("Mine")
    for session in (unnamed, named):
        await ada.ask(session, f"\n  Is it raining?\nOr {'very ' * 100}sunny?")
        await ada.ask(session, "And now?")
    assert (await ada.http.get(f"/sessions/{unnamed}")).json()["name"] == "Is it raining?"
    assert (await ada.http.get(f"/sessions/{named}")).json()["name"] == "Mine"


async def test_a_session_is_renamed(ada: Visitor) -> None:
    session = await ada.open_session("Old")
    renamed = await ada.http.patch(f"/sessions/{session}", json={"name": "<b>New</b> {x}"})
    assert renamed.json()["name"] == "<b>New</b> {x}" == (await ada.http.get(f"/sessions/{session}")).json()["name"]
    assert (await ada.http.patch(f"/sessions/{session}", json={"name": " \t"})).status_code == httpx.codes.UNPROCESSABLE_ENTITY
    refused = await ada.http.patch(f"/sessions/{session}", json={"name": "x" * 201})
    assert refused.json()["errors"][0]["field"] == "name"


async def test_a_transcript_is_read_backwards_page_by_page(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(*(Text(f"answer {number}") for number in range(3)))
    session = await ada.open_session()
    for number in range(3):
        await ada.ask(session, f"question {number}")
    newest = (await ada.http.get(f"/sessions/{session}/messages", params={"limit": 4})).json()
    oldest = (await ada.http.get(f"/sessions/{session}/messages", params={"limit": 4, "before": newest["next_before"]})).json()
    said = [item["content"] for item in [*oldest["items"], *newest["items"]]]
    assert said == ["question 0", "answer 0", "question 1", "answer 1", "question 2", "answer 2"]
    assert oldest["next_before"] is None


TABLES = ("message", "run", "run_event", "checkpoints", "checkpoint_blobs", "checkpoint_writes")


def _counts(database_url: str) -> dict[str, int]:
    with psycopg.connect(database_url) as connection:
        return {table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in TABLES}  # type: ignore[index]  # noqa: S608


@pytest.fixture
def server_elsewhere(database_url: str, settings: Settings) -> Iterator[str]:
    """A server whose database goes by the clocks of Kolkata."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        name = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET timezone = 'Asia/Kolkata'").format(name))
    with serving(settings) as url:
        yield url


async def test_moments_are_told_in_utc_whatever_the_databases_clock(server_elsewhere: str) -> None:
    async with Visitor(server_elsewhere) as visitor:
        await visitor.register("ada@example.com")
        session = await visitor.open_session()
        await visitor.ask(session, "Hello")
        read = (await visitor.http.get(f"/sessions/{session}")).json()
        [listed] = (await visitor.http.get("/sessions")).json()["items"]
        told = [read["created_at"], listed["created_at"], *(message["created_at"] for message in await visitor.messages(session))]
        assert [moment[-1] for moment in told] == ["Z"] * 4
        assert read["created_at"] == listed["created_at"]


async def test_deleting_a_session_leaves_nothing_of_it(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("Gone tomorrow."), ToolCalls([ToolCall("rename_session", {"name": "Oslo"})]))
    session = await ada.open_session()
    await ada.ask(session, "Here today?")
    await ada.ask(session, "Rename it")  # which asks, and so leaves what a step has written
    assert all(_counts(database_url).values())
    assert (await ada.http.delete(f"/sessions/{session}")).status_code == httpx.codes.NO_CONTENT
    assert not any(_counts(database_url).values())
    assert (await ada.http.get(f"/sessions/{session}")).json()["code"] == "session_not_found"


async def test_a_session_is_deleted_in_mid_answer(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("word after word " * 20, seconds_between=0.3))
    session = await ada.open_session()
    async with ada.streaming(session, "Tell me") as events:
        while (await anext(events)).type != "token":
            pass
        assert (await ada.http.delete(f"/sessions/{session}")).status_code == httpx.codes.NO_CONTENT
    assert not any(_counts(database_url).values())
    await provider.wait_until_closed_early()


async def test_a_session_that_is_cleared_after_its_server_died_takes_the_next_message(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Text("Free again."))
    session = await ada.open_session()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO run (id, session_id, user_id, status, attempt, model, asked_id, message_id, body_hash, stop_requested, owner,"
            " lease_expires_at, input_tokens, output_tokens, created_at) SELECT gen_random_uuid(), id, user_id, 'running', 1, 'stub',"
            " gen_random_uuid(), gen_random_uuid(), '', false, gen_random_uuid(), now() + interval '1 hour', 0, 0, now() FROM session"
        )
    assert (await ada.ask(session, "Busy?")).json()["code"] == "session_busy"
    assert (await ada.http.delete(f"/sessions/{session}/messages")).status_code == httpx.codes.NO_CONTENT
    assert (await ada.ask(session, "And now?")).json()["message"]["content"] == "Free again."


async def test_a_cleared_session_is_as_new(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("I know."), Text("I know nothing."))
    session = await ada.open_session("Kept")
    await ada.ask(session, "Remember seven.")
    assert (await ada.http.delete(f"/sessions/{session}/messages")).status_code == httpx.codes.NO_CONTENT
    assert await ada.messages(session) == []
    await ada.ask(session, "Which number?")
    assert "seven" not in str((await provider.requests())[-1].messages)
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == "Kept"
