"""What a server tells watchers of its turns: as much as its ledger, its events and its users' quotas say."""

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
from psycopg.rows import dict_row

from app import signals
from app.llm.money import total_usd
from app.settings import Settings
from tests.conftest import serving
from tests.stub.answers import HttpError, Refusal, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.told import Told, between, hearing, of
from tests.visitor import Visitor

KINDS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
PRICED: Final = "gpt-5"
ROOM: Final = 1_000_000


@pytest.fixture
def variables_of_test(variables_of_test: dict[str, str], tmp_path: Path, request: pytest.FixtureRequest) -> dict[str, str]:
    marked = request.node.get_closest_marker("tiers")
    tier = {"name": "free", "requests_per_second": 1_000, "burst": 10_000, **(marked.args[0] if marked else {})}
    (tmp_path / "tiers.yaml").write_text(json.dumps({"tiers": [tier]}))
    return {**variables_of_test, "TIERS_FILE": str(tmp_path / "tiers.yaml")}


def _sums(calls: list[dict[str, Any]]) -> dict[str, Any]:
    costs = [float(call["cost_usd"]) for call in calls if call["cost_usd"] is not None]
    return {name: sum(call[name] for call in calls) for name in KINDS} | {"cost_usd": total_usd(costs) if costs else None}


def _ledger(database_url: str, condition: str = "true") -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute(f"SELECT * FROM model_call WHERE {condition} ORDER BY id".encode()).fetchall()  # noqa: S608  # our own


def _model_calls(told: Told) -> list[dict[str, Any]]:
    return [call for (call,) in of(told, signals.model_called)]


@pytest.mark.variables(WORKER_IN_SERVER="true", RESPONSE_CACHE="true")
async def test_the_calls_that_are_told_are_the_ledgers_and_the_events(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(
        ToolCalls([ToolCall("calculate", {"expression": "6*7"})]),
        Text("It is 42.", reasoning="Well, well."),
        HttpError(503),
        Refusal("I would rather not."),
        Text("The same.", times=2),
    )
    used = []
    with hearing(signals.model_called, signals.run_ended) as told:
        session = await ada.open_session()
        for words, more in (("What is 6*7?", {}), ("And now?", {}), ("No?", {}), ("Say it", {"cache": True}), ("Say it", {"cache": True})):
            here = session if "cache" not in more else await ada.open_session()
            events = await ada.stream(here, words, model=PRICED, **more)
            used.append(next(event.data for event in events if event.type == "usage"))
    calls, rows = _model_calls(told), _ledger(database_url)
    assert _sums(calls) == _sums(rows) == _sums([{**one, "cost_usd": one["cost_usd"]} for one in used])
    as_told = [(call["model"], call["purpose"], call["error"], call["from_cache"], round(call["seconds"] * 1_000)) for call in calls]
    assert as_told == [(row["model"], row["purpose"], row["error_code"] or "", row["from_cache"], row["latency_ms"]) for row in rows]
    assert [outcome for _, outcome, *_ in of(told, signals.run_ended)] == ["completed", "failed", "refused", "completed", "completed"]
    assert [error for _, _, error, *_ in of(told, signals.run_ended)] == ["", "model_unavailable", "model_refused", "", ""]


@pytest.mark.variables(WORKER_IN_SERVER="true")
async def test_a_name_that_a_model_gives_is_told_as_a_call_of_its_own(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(Text("Good morning."), Text("A greeting"))
    with hearing(signals.model_called) as told:
        session = await ada.open_session("")
        await ada.ask(session, "Hello", model=PRICED)
        async with asyncio.timeout(20):
            while not (await ada.http.get(f"/sessions/{session}")).json()["name_is_final"]:  # noqa: ASYNC110  # the worker makes it true
                await asyncio.sleep(0.05)
    calls, rows = _model_calls(told), _ledger(database_url)
    assert [call["purpose"] for call in calls] == ["answer", "naming"]
    assert _sums(calls) == _sums(rows)


@pytest.mark.tiers({"tokens_per_day": ROOM})
async def test_what_is_set_aside_is_told_until_it_is_settled(ada: Visitor, provider: ProviderStub, database_url: str) -> None:
    await provider.script(*(ToolCalls([ToolCall("calculate", {"expression": f"1+{n}"})]) for n in range(10)), Text("Done."))
    with hearing(signals.quota_moved) as told:
        session = await ada.open_session()
        assert (await ada.ask(session, "Reckon")).is_success
        assert told[0] == ("quota_moved", "reserved")
        assert told[-1] == ("quota_moved", "settled")
        assert {what for _, what in told[1:-1]} == {"extended"}
        told.clear()
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("UPDATE quota SET day_tokens = %s", [ROOM])
        assert (await ada.ask(session, "And now?")).json()["code"] == "quota_exceeded"
    assert told == [("quota_moved", "refused")]


@pytest.mark.tiers({"tokens_per_day": ROOM, "concurrent_runs": 5})
async def test_what_was_set_aside_for_a_message_that_is_stopped_while_it_waits_is_released(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("one two three", ending="hang", after=1))
    session = await ada.open_session()
    with hearing(signals.quota_moved, signals.run_ended) as told:
        async with ada.streaming(session, "Count") as events:
            first = (await anext(events)).data["run_id"]
            waits = (await ada.http.post(f"/sessions/{session}/runs", json={"message": "And then?", "on_busy": "enqueue"})).json()
            await ada.http.post(f"/runs/{waits['id']}/cancel")
            assert told == [
                *[("quota_moved", "reserved")] * 2,
                ("run_ended", "assistant", "cancelled", "run_cancelled", between(), None),
                ("quota_moved", "released"),
            ]
            await ada.http.post(f"/runs/{first}/cancel")
            async for _ in events:
                pass
    assert told[-1] == ("quota_moved", "settled")


async def test_a_question_and_its_answer_are_two_runs(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("rename_session", {"name": "Oslo"})]), Text("Done."))
    heard = (signals.run_started, signals.run_ended, signals.approval_asked, signals.tool_called)
    with hearing(*heard) as told:
        session = await ada.open_session()
        [question] = (await ada.ask(session, "Rename it")).json()["interrupts"]
        reply = {"interrupt_id": question["id"], "value": {"approved": True}}
        await ada.http.post(f"/sessions/{session}/resume", json=reply)
    assert told == [
        ("run_started", "assistant"),
        ("run_ended", "assistant", "interrupted", "", between(), None),
        ("approval_asked", "rename_session"),
        ("run_started", "assistant"),
        ("tool_called", "rename_session", "ok", between()),
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]


async def test_the_same_request_sent_twice_starts_one_run(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good morning.", times=2))
    session, key = await ada.open_session(), {"Idempotency-Key": "once"}
    with hearing(signals.run_started, signals.attempt_begun, signals.run_ended) as told:
        for _ in range(2):
            assert (await ada.http.post(f"/sessions/{session}/chat", json={"message": "Hello"}, headers=key)).is_success
    assert [one[0] for one in told] == ["run_started", "attempt_begun", "run_ended"]


@pytest.mark.variables(WORKER_IN_SERVER="true")
async def test_a_run_in_the_background_is_a_job_too(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Done."))
    with hearing(signals.run_started, signals.attempt_begun, signals.run_ended, signals.job_done, signals.database_sampled) as told:
        session = await ada.open_session()
        run = (await ada.http.post(f"/sessions/{session}/runs", json={"message": "Do it"})).json()
        await ada.read_on(run["id"])
        async with asyncio.timeout(20):
            while not any(one[:2] == ("job_done", "make_run") for one in told):  # noqa: ASYNC110  # as below
                await asyncio.sleep(0.01)
    assert of(told, signals.run_started) == [("assistant",)]  # who takes the run may be faster than who has started it
    assert [one for one in told if one[0] in ("attempt_begun", "run_ended")] == [
        ("attempt_begun", "assistant", 1, between()),
        ("run_ended", "assistant", "completed", "", between(), between()),
    ]
    assert [one[1:] for one in told if one[:2] == ("job_done", "make_run")] == [("make_run", "ok", between())]


@pytest.mark.variables(WORKER_IN_SERVER="true")
async def test_a_server_that_works_samples_what_there_is(settings: Settings) -> None:
    with hearing(signals.database_sampled) as told, serving(settings):
        async with asyncio.timeout(20):
            while not told:  # noqa: ASYNC110  # another thread's loop makes it true
                await asyncio.sleep(0.01)
    sample = told[0][1]
    assert sample.work.runs.count == 0
    assert {"prune_checkpoints", "retry_stalled", "forget_events"} <= set(sample.work.done)
    assert sample.tables["user"].bytes > 0
