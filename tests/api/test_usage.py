"""What is paid: the usage event, the run and the report are the ledger's sums."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import psycopg
import pytest
from psycopg.rows import dict_row

from app.llm.money import total_usd
from tests.stub.answers import Hang, HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

SUMS: Final = ("input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens")
PRICED: Final = "gpt-5"


def _ledger(database_url: str) -> list[dict[str, Any]]:
    with psycopg.connect(database_url, row_factory=dict_row) as connection:
        return connection.execute("SELECT *, run_id::text AS run FROM model_call ORDER BY created_at").fetchall()


def _sums(rows: list[dict[str, Any]]) -> dict[str, Any]:
    costs = [float(row["cost_usd"]) for row in rows if row["cost_usd"] is not None]
    return {name: sum(row[name] for row in rows) for name in SUMS} | {"cost_usd": total_usd(costs) if costs else None}


async def _usage(visitor: Visitor, **days: str) -> dict[str, Any]:
    answer = await visitor.http.get("/usage", params=days)
    assert answer.status_code == httpx.codes.OK, answer.text
    report: dict[str, Any] = answer.json()
    return report


async def _told(visitor: Visitor, run_id: str) -> list[dict[str, Any]]:
    """What the run's event and its row say."""
    [event] = [event.data for event in await visitor.read_on(run_id) if event.type == "usage"]
    row = (await visitor.http.get(f"/runs/{run_id}")).json()
    return [{name: told[name] for name in (*SUMS, "cost_usd")} for told in (event, row)]


async def _cancelled(visitor: Visitor, session: str) -> str:
    """A run that is stopped after its first token."""
    async with visitor.streaming(session, "Count", model=PRICED) as events:
        run_id = ""
        async for event in events:
            run_id = event.data.get("run_id", run_id)
            if event.type == "token":
                await visitor.http.post(f"/runs/{run_id}/cancel")
    return run_id


async def test_the_event_the_run_and_the_report_are_the_ledgers_sums(
    ada: Visitor, bob: Visitor, provider: ProviderStub, database_url: str
) -> None:
    calculate, rename = ToolCall("calculate", {"expression": "6*7"}), ToolCall("rename_session", {"name": "Oslo"})
    await provider.script(
        ToolCalls([calculate], content="Let me see."),
        Text("It is 42.", reasoning="Well, well."),
        Text("It is still 42."),
        HttpError(400),
        ToolCalls([rename]),
        Text("Done."),
        ToolCalls([calculate]),
        Text("one two three", ending="hang", after=1),
    )
    session = await ada.open_session()
    run_ids = [(await ada.ask(session, "What is 6*7?", model=PRICED)).json()["run_id"]]
    again = await ada.http.post(f"/sessions/{session}/regenerate", json={"model": PRICED})
    run_ids.append(again.json()["run_id"])
    refused = await ada.stream(session, "And now?", model=PRICED)
    run_ids.append(refused[0].data["run_id"])
    asked = (await ada.ask(session, "Rename it", model=PRICED)).json()
    reply = {"interrupt_id": asked["interrupts"][0]["id"], "value": {"approved": True}}
    resumed = (await ada.http.post(f"/sessions/{session}/resume", json=reply)).json()
    run_ids += [asked["run_id"], resumed["run_id"], await _cancelled(ada, session)]

    rows = _ledger(database_url)
    assert [[(row["error_code"], row["cost_usd"] is None) for row in rows if row["run"] == run_id] for run_id in run_ids] == [
        [(None, False), (None, False)],
        [(None, False)],
        [("model_rejected", True)],
        [(None, False)],
        [(None, False)],
        [(None, False), ("run_cancelled", True)],
    ]
    for run_id in run_ids:
        assert await _told(ada, run_id) == [_sums([row for row in rows if row["run"] == run_id])] * 2
    cut = rows[-1]
    assert (cut["input_tokens"], cut["output_tokens"], cut["purpose"], cut["attempt"]) == (0, 0, "answer", 1)
    assert 0 <= cut["first_token_ms"] <= cut["latency_ms"]

    report = await _usage(ada)
    assert {name: report["total"][name] for name in (*SUMS, "cost_usd")} == _sums(rows)
    assert (report["total"]["calls"], report["total"]["failed_calls"], report["total"]["unpriced_calls"]) == (8, 2, 2)
    assert {item["model"] for item in report["items"]} == {PRICED}
    assert sum(item["calls"] for item in report["items"]) == 8
    assert (await _usage(bob))["total"]["calls"] == 0


async def test_a_call_that_is_cut_off_before_it_says_anything_is_in_the_ledger(
    ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(Hang())
    async with ada.streaming(await ada.open_session(), "Hello", model=PRICED) as events:
        run_id = (await anext(events)).data["run_id"]
        await provider.wait_until_asked()
        await ada.http.post(f"/runs/{run_id}/cancel")
        assert [event.type async for event in events] == ["usage", "end"]
    [row] = _ledger(database_url)
    assert (row["run"], row["error_code"], row["first_token_ms"]) == (run_id, "run_cancelled", None)
    assert await _told(ada, run_id) == [_sums([row])] * 2


async def test_a_price_that_nobody_knows_is_counted_as_unknown(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Yes.", times=3))
    session = await ada.open_session()
    for model in ("stub", "stub", PRICED):
        await ada.ask(session, "Ready?", model=model)
    report = await _usage(ada)
    by_model = {item["model"]: (item["calls"], item["unpriced_calls"], item["cost_usd"]) for item in report["items"]}
    cost_usd = by_model[PRICED][2]
    assert by_model == {"stub": (2, 2, None), PRICED: (1, 0, cost_usd)}
    assert cost_usd > 0
    assert (report["total"]["unpriced_calls"], report["total"]["cost_usd"]) == (2, cost_usd)


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [
        ({}, -29, 0),
        ({"to": -10}, -39, -10),
        ({"from": -3}, -3, 0),
        ({"from": -365, "to": 0}, -365, 0),
        ({"from": -2, "to": -2}, -2, -2),
    ],
)
async def test_the_report_is_of_the_days_that_are_asked_for(ada: Visitor, days: dict[str, int], first: int, last: int) -> None:
    report = await _usage(ada, **{name: _day(days_from_now) for name, days_from_now in days.items()})
    assert (report["from"], report["to"], report["items"]) == (_day(first), _day(last), [])


@pytest.mark.parametrize(
    "days",
    [
        {"from": "2026-11-02", "to": "2026-11-01"},
        {"from": "2025-11-20", "to": "2026-11-21"},
        {"from": "3000-01-01"},
        {"to": "0001-01-01"},
        {"to": "9999-12-31"},
        {"from": "yesterday"},
        {"to": "2026-02-30"},
    ],
)
async def test_days_that_make_no_sense_are_refused(ada: Visitor, days: dict[str, str]) -> None:
    refused = await ada.http.get("/usage", params=days)
    assert refused.headers["content-type"] == "application/problem+json"
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_input")


async def test_only_who_has_logged_in_may_ask_what_was_paid(stranger: Visitor) -> None:
    assert (await stranger.http.get("/usage")).json()["code"] == "not_authenticated"


@pytest.mark.variables(OPENAI_BASE_URL="", DEFAULT_LLM_MODEL="o3", MODELS_FILE="models.yaml")
async def test_models_are_listed_with_the_price_that_is_counted(ada: Visitor) -> None:
    listed = {model["name"]: (model["input_price"], model["output_price"]) for model in (await ada.http.get("/models")).json()["items"]}
    assert (listed["o3"], listed[PRICED]) == ((2, 8), (1.25, 10))


def _day(days_from_now: int) -> str:
    return (datetime.now(UTC) + timedelta(days=days_from_now)).date().isoformat()
