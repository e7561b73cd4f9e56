"""What one's tier allows: models, tools, answers at once, tokens and money, room for attachments."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import httpx
import psycopg
import pytest

from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor, types_of

QUICK: Final = {"name": "free", "requests_per_second": 1_000, "burst": 10_000}
ROOM: Final = 1_000_000


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    marked = request.node.get_closest_marker("tiers")
    tiers = [{**QUICK, **tier} for tier in marked.args] if marked else [QUICK]
    (tmp_path / "tiers.yaml").write_text(json.dumps({"tiers": tiers}))
    return {**variables_of_test, "TIERS_FILE": str(tmp_path / "tiers.yaml")}


async def _quota(visitor: Visitor) -> dict[str, Any]:
    answer = await visitor.http.get("/quota")
    assert answer.status_code == httpx.codes.OK, answer.text
    quota: dict[str, Any] = answer.json()
    return quota


def _reckons(expression: str) -> ToolCalls:
    return ToolCalls([ToolCall("calculate", {"expression": expression})])


def _ledger(database_url: str) -> tuple[int, float]:
    with psycopg.connect(database_url) as connection:
        row: Any = connection.execute(
            "SELECT coalesce(sum(input_tokens + output_tokens), 0), coalesce(sum(cost_usd), 0)::float8 FROM model_call"
        ).fetchone()
    return row[0], row[1]


@pytest.mark.tiers({"tokens_per_day": ROOM, "cost_per_month_usd": 5, "concurrent_runs": 4})
async def test_the_quota_is_the_ledger_after_several_turns(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("Good morning.", times=9))
    session = await ada.open_session()
    for _ in range(3):
        assert (await ada.ask(session, "Hello", model="gpt-5")).is_success
    quota, (tokens, usd) = await _quota(ada), _ledger(database_url)
    assert tokens > 0
    assert usd > 0
    assert quota["tier"] == "free"
    assert (quota["tokens"]["limit"], quota["tokens"]["used"], quota["tokens"]["reserved"]) == (ROOM, tokens, 0)
    assert (quota["cost_month"]["limit"], round(quota["cost_month"]["used"], 9)) == (5, round(usd, 9))
    assert (quota["cost"]["limit"], quota["runs"]["limit"], quota["requests"]["limit"]) == (None, 4, 10_000)
    assert quota["tokens"]["resets_at"].endswith("T00:00:00Z")
    assert quota["tokens_month"]["resets_at"].endswith("-01T00:00:00Z")


async def test_who_has_no_quota_sees_what_they_used(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("Good morning.", times=3))
    assert (await ada.ask(await ada.open_session(), "Hello")).is_success
    quota = await _quota(ada)
    assert (quota["tokens"]["limit"], quota["tokens"]["used"]) == (None, _ledger(database_url)[0])
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT count(*) FROM quota").fetchone() == (0,)


@pytest.mark.tiers({"tokens_per_day": 20})
async def test_who_has_used_all_is_told_until_when(ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good morning, good morning, and good morning once more.", times=9))
    session = await ada.open_session()
    answered = await ada.ask(session, "Hello, how are you this morning?")
    assert answered.is_success
    # What is set aside is more than there is, and so nothing is left for another.
    assert 'tokens-per-day";r=0' in answered.headers["ratelimit"]
    assert '"tokens-per-day";q=20;w=86400;qu="tokens"' in answered.headers["ratelimit-policy"]
    refused = await ada.ask(session, "And now?")
    problem = refused.json()
    assert (refused.status_code, problem["code"]) == (httpx.codes.TOO_MANY_REQUESTS, "quota_exceeded")
    assert (problem["limit"], problem["limit_name"], problem["tier"]) == (20, "tokens_per_day", "free")
    assert 0 < problem["retry_after"] <= 86_400
    assert problem["resets_at"].endswith("T00:00:00Z")
    assert refused.headers["retry-after"] == str(problem["retry_after"])
    assert '"tokens-per-day";r=0' in refused.headers["ratelimit"]
    assert '"tokens-per-day";q=20;w=86400;qu="tokens"' in refused.headers["ratelimit-policy"]
    assert len(await ada.messages(session)) == 2
    assert (await bob.ask(await bob.open_session(), "Hello")).is_success


@pytest.mark.tiers({"tokens_per_day": 20})
async def test_a_message_that_is_sent_again_is_no_new_one(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good morning, good morning, and good morning once more.", times=9))
    session, key = await ada.open_session(), {"Idempotency-Key": "once"}
    path, body = f"/sessions/{session}/chat", {"message": "Hello, how are you this morning?"}
    first = await ada.http.post(path, json=body, headers=key)
    again = await ada.http.post(path, json=body, headers=key)
    assert first.json()["run_id"] == again.json()["run_id"]
    assert (await ada.http.post(path, json=body)).json()["code"] == "quota_exceeded"


@pytest.mark.tiers({"tokens_per_day": ROOM, "cost_per_day_usd": 1_000})
async def test_the_run_that_passes_eighty_and_a_hundred_percent_says_so(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("Good morning.", times=9))
    session = await ada.open_session()
    assert "quota" not in types_of(await ada.stream(session, "Hello"))
    told = []
    for used in (799_999, 850_000, 999_999):
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("UPDATE quota SET day_tokens = %s", [used])
        events = await ada.stream(session, "Go on")
        told += [event.data for event in events if event.type == "quota"]
        if told and used != 850_000:
            assert types_of(events)[-3:] == ["usage", "quota", "end"]
            assert told[-1]["used"] == used + events[-3].data["total_tokens"]
    # Once for each mark.
    assert [(one["name"], one["period"], one["percent"], one["limit"], one["tier"]) for one in told] == [
        ("tokens_per_day", "day", 80, ROOM, "free"),
        ("tokens_per_day", "day", 100, ROOM, "free"),
    ]
    assert told[0]["resets_at"].endswith("T00:00:00Z")


@pytest.mark.tiers({"concurrent_runs": 2})
async def test_as_many_answers_at_once_as_the_tier_has(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three four", seconds_between=0.2, times=5))
    sessions = [await ada.open_session() for _ in range(5)]
    answers = await asyncio.gather(*(ada.ask(session, "Hello") for session in sessions))
    refused = [answer.json() for answer in answers if not answer.is_success]
    assert len(refused) == 3
    assert {(one["code"], one["limit"], one["limit_name"], one["tier"], one["retry_after"]) for one in refused} == {
        ("too_many_runs", 2, "concurrent_runs", "free", 1)
    }
    assert (await ada.ask(sessions[0], "Hello")).is_success
    assert (await _quota(ada))["runs"]["used"] == 0


@pytest.mark.tiers({"tokens_per_day": 40_000})
async def test_a_run_that_needs_more_than_was_set_aside_asks_for_it_and_is_stopped_where_there_is_none(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(*(_reckons(f"1+{n}") for n in range(3)), Text("Done."))
    session = await ada.open_session()
    answer = await ada.ask(session, "Reckon")
    assert answer.is_success, answer.text
    with psycopg.connect(database_url, autocommit=True) as connection:
        row: Any = connection.execute("SELECT reserved_tokens FROM run").fetchone()
        assert row[0] > 5_000
        # The next run is let in, and finds nothing left when it asks for more.
        connection.execute("UPDATE quota SET day_tokens = 39999")
    await provider.script(*(_reckons(f"2+{n}") for n in range(12)), Text("Done."))
    events = await ada.stream(session, "Reckon on")
    assert events[-1].data["status"] == "failed"
    errors = [event.data for event in events if event.type == "error"]
    assert [error["code"] for error in errors] == ["quota_exceeded"]
    assert errors[0]["retryable"]


@pytest.mark.tiers({"models": ["gpt-5"]})
async def test_a_tiers_models_are_all_that_it_may_ask(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good morning.", times=5))
    listed = (await ada.http.get("/models")).json()
    assert {item["name"]: item["allowed"] for item in listed["items"]} == {"stub": False, "gpt-5": True}
    assert listed["default"] == "gpt-5"
    session = await ada.open_session()
    refused = await ada.ask(session, "Hello", model="stub")
    assert (refused.status_code, refused.json()["code"]) == (httpx.codes.FORBIDDEN, "model_not_allowed")
    assert "gpt-5" in refused.json()["detail"]
    # Without a name it is the first that may be asked, and not the server's default.
    assert (await ada.ask(session, "Hello")).json()["usage"]["model"] == "gpt-5"
    configured = await ada.http.patch(f"/sessions/{session}", json={"config": {"model": "stub"}})
    assert configured.is_success
    assert (await ada.ask(session, "Hello")).json()["code"] == "model_not_allowed"


@pytest.mark.tiers({"models": []})
async def test_a_tier_without_models_is_told_so(ada: Visitor) -> None:
    assert (await ada.ask(await ada.open_session(), "Hello")).json()["code"] == "model_not_allowed"
    assert (await ada.http.get("/models")).is_success


@pytest.mark.tiers({"tools": ["current_time"]})
async def test_a_tiers_tools_are_all_that_the_model_is_given_and_may_call(ada: Visitor, provider: ProviderStub) -> None:
    agents = (await ada.http.get("/agents")).json()["items"]
    tools = {tool["name"]: tool["allowed"] for agent in agents for tool in agent["tools"]}
    assert tools["current_time"] is True
    assert tools["calculate"] is False
    await provider.script(_reckons("1+1"), Text("No."))
    events = await ada.stream(await ada.open_session(), "Reckon")
    [result] = [event.data for event in events if event.type == "tool_result"]
    assert result["is_error"]
    assert "not among those that this user may have" in result["content"]
    asked = (await provider.requests())[0]
    assert "calculate" not in json.dumps(asked.body.get("tools", []))


@pytest.mark.tiers({"attachment_bytes": 25})
async def test_attachments_have_so_much_room(ada: Visitor, bob: Visitor) -> None:
    async def upload(visitor: Visitor, content: bytes) -> httpx.Response:
        return await visitor.http.post("/attachments", content=content)

    first = await upload(ada, b"ten bytes.")
    assert first.status_code == httpx.codes.CREATED
    assert (await upload(ada, b"ten bytes.")).status_code == httpx.codes.CREATED, "the same content is kept once"
    refused = await upload(ada, b"and sixteen more")
    assert (refused.status_code, refused.json()["code"]) == (httpx.codes.FORBIDDEN, "attachment_space_full")
    together = await asyncio.gather(*(upload(ada, f"and ten {n} ".encode()) for n in range(6)))
    assert sum(answer.is_success for answer in together) == 1
    assert (await upload(bob, b"and sixteen more")).is_success


@pytest.mark.tiers({"tokens_per_day": ROOM, "concurrent_runs": 30})
async def test_a_run_that_is_stopped_gives_back_what_it_has_not_used(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three four", ending="hang", after=1))
    session = await ada.open_session()
    async with ada.streaming(session, "Hello") as events:
        run = (await anext(events)).data["run_id"]
        await anext(events)
        assert (await _quota(ada))["tokens"]["reserved"] > 0
        await ada.http.post(f"/runs/{run}/cancel")
        async for _ in events:
            pass
    assert (await _quota(ada))["tokens"]["reserved"] == 0
