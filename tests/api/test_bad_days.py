"""A provider has a bad day, and whoever waits for an answer gets one: whole, once, and told by whom."""

import asyncio
from collections.abc import Mapping
from itertools import groupby

import pytest

from tests.conftest import Server, serving
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Event, Visitor, text_of, types_of


@pytest.fixture
def variables_of_test(
    variables_of_test: dict[str, str], two_providers: dict[str, str], request: pytest.FixtureRequest
) -> Mapping[str, str]:
    marked = request.node.get_closest_marker("variables")
    return {**variables_of_test, **two_providers, **(marked.kwargs if marked else {})}


async def test_a_model_that_dies_in_mid_answer_leaves_one_clean_answer_from_the_next(
    ada: Visitor, provider: ProviderStub, second_provider: ProviderStub, server: Server
) -> None:
    await provider.script(
        ToolCalls([ToolCall("calculate", {"expression": "12*7"})], content="Let me see."),
        Text("I would say it is about", reasoning="Easy.", ending="reset", after=4),
        Text("I remember."),
    )
    await second_provider.script(Text("It is 84.", reasoning="Of course."))
    session = await ada.open_session()
    events = await ada.stream(session, "What is 12*7?")
    before = ["token", "tool_call", "tool_result"]
    # What comes in one read is told as one.
    told = [name for name, _ in groupby(types_of(events))]
    assert told == ["start", *before, "reasoning", "token", "reset", *before, "reasoning", "token", "usage", "end"]
    assert text_of(events) == "Let me see.\n\nIt is 84."
    assert [event.id for event in events] == [*range(1, len(events) + 1)]

    run_id = events[0].data["run_id"]
    asked, answer = await ada.messages(session)
    assert (answer["content"], answer["reasoning"], answer["status"]) == ("Let me see.\n\nIt is 84.", "Of course.", "completed")
    assert [call["content"] for call in answer["tool_calls"]] == ["84"]
    assert (asked["model"], answer["model"]) == (None, "second")
    run = (await ada.http.get(f"/runs/{run_id}")).json()
    assert (run["model"], events[-2].data["model"]) == ("second", "second")
    await _reads_the_same_from_anywhere(ada, server, run_id, events)

    await ada.ask(session, "Do you remember?")
    said = [(message["role"], message.get("content") or "") for message in (await provider.requests())[-1].messages[1:]]
    assert said == [
        ("user", "What is 12*7?"),
        ("assistant", "Let me see."),
        ("tool", "84"),
        ("assistant", "It is 84."),
        ("user", "Do you remember?"),
    ]


async def _reads_the_same_from_anywhere(ada: Visitor, server: Server, run_id: str, events: list[Event]) -> None:
    """From any place in it, and in another process."""
    for after in (0, 3, events[[event.type for event in events].index("reset")].id):
        assert await ada.read_on(run_id, after) == events[after:]
    with serving(server.settings) as other:
        async with Visitor(other) as elsewhere:
            elsewhere.http.headers["Authorization"] = ada.http.headers["Authorization"]
            assert await elsewhere.read_on(run_id) == events


async def test_a_reader_in_another_process_sees_the_answer_taken_back_as_it_happens(
    ada: Visitor, provider: ProviderStub, second_provider: ProviderStub, server: Server
) -> None:
    await provider.script(Text("One two three four five", seconds_between=0.5, ending="reset", after=4))
    await second_provider.script(Text("There.", seconds_between=0.2))
    session = await ada.open_session()
    with serving(server.settings) as other:
        async with Visitor(other) as elsewhere, ada.streaming(session, "Well?") as here:
            elsewhere.http.headers["Authorization"] = ada.http.headers["Authorization"]
            started = await anext(here)
            there = asyncio.create_task(elsewhere.read_on(started.data["run_id"]))
            events = [started, *[event async for event in here]]
            assert await there == events
    assert (types_of(events), text_of(events)) == (["start", "token", "reset", "token", "usage", "end"], "There.")


@pytest.mark.variables(LLM_BREAKER_FAILURES="3", LLM_BREAKER_SECONDS="60")
async def test_fifty_runs_at_once_are_answered_by_the_second_provider(
    ada: Visitor, provider: ProviderStub, second_provider: ProviderStub
) -> None:
    await provider.script(HttpError(503, times=100))
    sessions = [await ada.open_session() for _ in range(50)]
    answers = await asyncio.gather(*(ada.ask(session, f"I am {number}.") for number, session in enumerate(sessions)))
    said = [(answer.json()["message"]["content"], answer.json()["usage"]["model"]) for answer in answers]
    assert said == [(f"You said: I am {number}.", "second") for number in range(50)]
    assert len(await second_provider.requests()) == 50
    models = (await ada.http.get("/models")).json()["items"]
    assert [(model["name"], model["state"]) for model in models] == [("first", "open"), ("second", "closed")]


@pytest.mark.variables(LLM_MAX_RETRIES="1", LLM_FALLBACK="false")
async def test_a_run_that_is_stopped_while_it_waits_for_the_next_try_ends_at_once(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(HttpError(429, retry_after="20"))
    session = await ada.open_session()
    async with asyncio.timeout(15), ada.streaming(session, "Well?") as events:
        run_id = (await anext(events)).data["run_id"]
        await provider.wait_until_asked()
        await ada.http.post(f"/runs/{run_id}/cancel")
        assert [event.data["status"] async for event in events if event.type == "end"] == ["cancelled"]
    assert len(await provider.requests()) == 1


async def test_a_refusal_is_told_in_its_own_code(ada: Visitor, provider: ProviderStub, second_provider: ProviderStub) -> None:
    await provider.script(Text("First you", finish_reason="content_filter", times=2))
    session = await ada.open_session()
    refused = await ada.ask(session, "How?")
    assert (refused.status_code, refused.json()["code"]) == (422, "model_refused")
    events = await ada.stream(session, "How?")
    assert [event.data.get("code") for event in events if event.type == "error"] == ["model_refused"]
    assert await second_provider.requests() == []
