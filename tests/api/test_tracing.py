"""Runs as Langfuse sees them: what is told, what is not, and that nobody waits for it."""

import asyncio
import json
from collections.abc import Callable, Mapping
from uuid import UUID

import httpx
import psycopg
import pytest
from opentelemetry import trace as opentelemetry_trace

from app.llm.words_embedder import WordsEmbedder
from app.persistence.database import open_database
from app.persistence.users import UserTable
from tests.conftest import Server, serving
from tests.langfuse_stub import LangfuseStub, SeenSpan
from tests.persistence.memories import remember
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import PASSWORD, Visitor, types_of

SUM = ToolCalls([ToolCall("calculate", {"expression": "6*7"})], content="Let me see.")
EMAIL = "grace@example.org"


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], langfuse: LangfuseStub) -> dict[str, str]:
    return {**langfuse.variables, **variables_of_test}


def _by_name(spans: list[SeenSpan]) -> dict[str, SeenSpan]:
    return {span.name: span for span in spans}


async def _remember(server: Server, text: str) -> None:
    """Remember something of Ada."""
    async with open_database(server.settings.database.url, server.settings.database) as database:
        found = await UserTable(database).find("ada@example.com")
        assert found
        await remember(database, found[0], text, embedder=WordsEmbedder())


def _said(spans: list[SeenSpan]) -> str:
    """All that is in them."""
    return str([(span.name, span.error, dict(span.attributes)) for span in spans])


def _noted(span: SeenSpan, name: str) -> object:
    return json.loads(span.attributes[f"langfuse.observation.metadata.{name}"])


async def _run(visitor: Visitor, message: str, **more: object) -> str:
    """Have a message answered; the id of its trace."""
    answer = await visitor.ask(await visitor.open_session(), message, **more)
    assert answer.status_code == httpx.codes.OK, answer.text
    return UUID(answer.json()["run_id"]).hex


@pytest.mark.variables(DEFAULT_LLM_MODEL="gpt-5")
async def test_a_run_is_one_trace_with_its_user_session_model_calls_tools_and_memories(
    ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub, server: Server
) -> None:
    await _remember(server, "Does not eat meat")
    await provider.script(SUM, Text("It is 42."))
    session = await ada.open_session()
    run_id = (await ada.ask(session, "What can I eat but meat?")).json()["run_id"]
    await langfuse.until(1, "assistant")
    spans = langfuse.seen(trace=UUID(run_id).hex)
    [root], models = [span for span in spans if not span.parent], [span for span in spans if span.kind == "generation"]
    me = (await ada.http.get("/auth/me")).json()["id"]
    for span in spans:
        assert (span.attributes["user.id"], span.attributes["session.id"]) == (me, session)
        assert sorted(span.attributes["langfuse.trace.tags"]) == ["agent:assistant", "environment:test", "release:0.1.0", "tier:free"]
        assert span.ended_ns >= span.begun_ns
    assert (root.name, root.kind, root.error, _noted(root, "outcome"), _noted(root, "attempt")) == (
        "assistant",
        "agent",
        "",
        "completed",
        1,
    )
    nodes = {span.id: span.name for span in spans if span.kind == "chain"}
    assert [nodes[span.parent] for span in models] == ["respond", "respond"]
    [tool], [recall] = [span for span in spans if span.kind == "tool"], [span for span in spans if span.kind == "retriever"]
    assert (tool.name, nodes[tool.parent], tool.error) == ("calculate", "tools", "")
    assert (recall.name, recall.parent, _noted(recall, "memories")) == ("recall", root.id, 1)
    first = models[0].attributes
    usage = json.loads(first["langfuse.observation.usage_details"])
    assert usage["total"] == first["gen_ai.usage.input_tokens"] + first["gen_ai.usage.output_tokens"] > 0
    assert json.loads(first["langfuse.observation.cost_details"])["total"] > 0
    assert (first["langfuse.observation.model.name"], first["gen_ai.request.model"]) == ("gpt-5", "gpt-5")
    assert 0 <= first["gen_ai.response.time_to_first_chunk"] <= (models[0].ended_ns - models[0].begun_ns) / 1e9 + 0.01
    assert json.loads(first["langfuse.observation.completion_start_time"]).endswith("Z")
    assert spans[0].resource["service.name"] == "milepost"
    assert langfuse.headers[0]["x-langfuse-ingestion-version"] == "4"
    assert langfuse.headers[0]["content-encoding"] == "gzip"
    assert isinstance(opentelemetry_trace.get_tracer_provider(), opentelemetry_trace.ProxyTracerProvider), "the global one is nobody's"


async def test_no_word_of_a_user_is_in_a_trace_unless_it_is_switched_on(
    ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub, server: Server
) -> None:
    await _remember(server, "Does not eat meat, but zyxcanary")
    broken = ToolCalls([ToolCall("calculate", {"expression": "zyxcanary"})], content="zyxcanary")
    await provider.script(broken, Text("zyxcanary"))
    trace = await _run(ada, "What can I eat but meat and zyxcanary?")
    await langfuse.until(1, "assistant", trace=trace)
    spans = langfuse.seen(trace=trace)
    assert {"generation", "tool", "retriever", "chain", "agent"} == {span.kind for span in spans}
    assert "zyxcanary" not in _said(spans)
    assert _by_name(spans)["calculate"].error == "tool_error"


@pytest.mark.variables(TRACE_TEXT="true")
async def test_text_that_is_switched_on_is_masked(ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub) -> None:
    await provider.script(
        ToolCalls([ToolCall("calculate", {"expression": "6*7"})]), Text(f"Write to {EMAIL}, or use sk-abcdefghijklmnop1234.")
    )
    trace = await _run(ada, f"My card is 4111 1111 1111 1111 and my address {EMAIL}: hello")
    await langfuse.until(1, "assistant", trace=trace)
    spans = langfuse.seen(trace=trace)
    said = _said(spans)
    assert EMAIL not in said
    assert "4111" not in said
    assert "sk-abc" not in said
    [root] = [span for span in spans if not span.parent]
    assert root.attributes["langfuse.observation.input"] == "My card is [removed] and my address [email]: hello"
    assert root.attributes["langfuse.observation.output"] == "Write to [email], or use [removed]."
    tool = _by_name(spans)["calculate"].attributes
    assert (json.loads(tool["langfuse.observation.input"]), tool["langfuse.observation.output"]) == ({"expression": "6*7"}, "42")
    last = [span for span in spans if span.kind == "generation"][-1].attributes
    prompt = json.loads(last["langfuse.observation.input"])
    assert [message["role"] for message in prompt] == ["system", "user", "assistant", "tool"]
    assert prompt[2]["tool_calls"] == [{"name": "calculate", "args": {"expression": "6*7"}}]


@pytest.mark.variables(TRACE_TEXT="true", LANGFUSE_MASKING="false")
async def test_masking_can_be_switched_off(ada: Visitor, langfuse: LangfuseStub) -> None:
    trace = await _run(ada, f"My address is {EMAIL}")
    [root] = await langfuse.until(1, "assistant", trace=trace)
    assert root.attributes["langfuse.observation.input"] == f"My address is {EMAIL}"


@pytest.mark.variables(LANGFUSE_SAMPLE_RATE="0")
async def test_a_rate_of_nothing_traces_nothing(ada: Visitor, langfuse: LangfuseStub) -> None:
    await _run(ada, "Hello")
    assert (langfuse.asked, langfuse.spans) == (0, [])


@pytest.mark.variables(LLM_MAX_RETRIES="1")
async def test_a_call_that_fails_is_told_with_its_code_and_the_next_beside_it(
    ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub
) -> None:
    await provider.script(HttpError(500, message="zyxcanary"), Text("Here."))
    trace = await _run(ada, "Hello")
    await langfuse.until(1, "assistant", trace=trace)
    failed, answered = (span for span in langfuse.seen(trace=trace) if span.kind == "generation")
    assert (failed.error, failed.attributes["langfuse.observation.level"], answered.error) == ("model_unavailable", "ERROR", "")
    assert "zyxcanary" not in _said(langfuse.seen())


async def test_what_a_person_is_asked_is_no_error_and_the_answer_is_a_trace_of_the_same_session(
    ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub
) -> None:
    await provider.script(ToolCalls([ToolCall("rename_session", {"name": "Oslo"})]), Text("Done."))
    session = await ada.open_session()
    asked = (await ada.ask(session, "Call it Oslo")).json()
    [question] = asked["interrupts"]
    body = {"interrupt_id": question["id"], "value": {"approved": True}}
    resumed = (await ada.http.post(f"/sessions/{session}/resume", json=body)).json()
    first, second = await langfuse.until(2, "assistant")
    assert (first.trace_id, second.trace_id) == (UUID(asked["run_id"]).hex, UUID(resumed["run_id"]).hex)
    assert [_noted(root, "outcome") for root in (first, second)] == ["interrupted", "completed"]
    assert {span.attributes["session.id"] for span in langfuse.spans} == {session}
    assert [span.name for span in langfuse.spans if span.error] == []


@pytest.mark.parametrize("manner", ["hold", 500, 401])
async def test_a_turn_ends_as_it_does_without_whatever_langfuse_does(
    ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub, manner: object
) -> None:
    langfuse.manner = manner  # type: ignore[assignment]  # one of the above
    await provider.script(Text("One."), Text("Two."))
    session = await ada.open_session()
    first = await ada.stream(session, "Hello")
    async with asyncio.timeout(20):
        while not langfuse.asked:  # noqa: ASYNC110  # it hears in a thread of its own
            await asyncio.sleep(0.02)
    # What it was asked is not answered, or refused, and yet:
    second = await ada.stream(session, "And again")
    assert types_of(first) == types_of(second)
    assert (first[-1].data["status"], second[-1].data["status"]) == ("completed", "completed")
    assert langfuse.spans == []


async def test_what_langfuse_did_not_take_is_sent_again(ada: Visitor, langfuse: LangfuseStub) -> None:
    langfuse.manner = 503
    trace = await _run(ada, "Hello")
    async with asyncio.timeout(20):
        while langfuse.asked < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    langfuse.manner = "take"
    [root] = await langfuse.until(1, "assistant", trace=trace)
    assert len({span.id for span in langfuse.seen(trace=trace)}) == len(langfuse.seen(trace=trace))
    assert root.error == ""


@pytest.mark.variables(LANGFUSE_BASE_URL="http://127.0.0.1:9")
async def test_nobody_there_is_no_reason_to_fail(ada: Visitor) -> None:
    await _run(ada, "Hello")


async def _until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110  # it hears in a thread of its own
            await asyncio.sleep(0.02)


async def _until_more(count: Callable[[], int], more: int = 3) -> None:
    """Until Langfuse was asked for the third time from now, so that what came of the first two is known."""
    least = count() + more
    await _until(lambda: count() >= least)


async def _until_scored(langfuse: LangfuseStub, value: float) -> Mapping[str, object]:
    async with asyncio.timeout(30):
        while not (found := [score for score in [*langfuse.scores.values()] if score["value"] == value]):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    [score] = found
    return score


@pytest.mark.variables(WORKER_IN_SERVER="true")
async def test_feedback_is_a_score_of_the_trace_and_another_takes_its_place(ada: Visitor, langfuse: LangfuseStub) -> None:
    answer = (await ada.ask(await ada.open_session(), "Hello")).json()
    path = f"/messages/{answer['message']['id']}/feedback"
    langfuse.api_status = 500
    await ada.http.post(path, json={"score": 1, "comment": "zyxcanary"})
    await _until(lambda: langfuse.refusals > 0)
    langfuse.api_status = 0
    up = await _until_scored(langfuse, 1)
    await ada.http.post(path, json={"score": -1})
    down = await _until_scored(langfuse, -1)
    assert len(langfuse.scores) == 1
    assert up["traceId"] == down["traceId"] == UUID(answer["run_id"]).hex
    assert (up["id"], up["timestamp"], up["name"]) == (down["id"], down["timestamp"], "user_feedback")
    assert "zyxcanary" not in str(langfuse.told_scores)


@pytest.mark.variables(WORKER_IN_SERVER="true", TRACE_TEXT="true")
async def test_a_comment_goes_with_the_score_where_text_is_traced(ada: Visitor, langfuse: LangfuseStub) -> None:
    answer = (await ada.ask(await ada.open_session(), "Hello")).json()
    await ada.http.post(f"/messages/{answer['message']['id']}/feedback", json={"score": 1, "comment": f"Tell {EMAIL}"})
    assert (await _until_scored(langfuse, 1))["comment"] == "Tell [email]"


async def test_who_is_erased_is_erased_there_too(ada: Visitor, bob: Visitor, langfuse: LangfuseStub, server: Server) -> None:
    traces = [await _run(ada, "Hello"), await _run(ada, "And again")]
    others = await _run(bob, "Hello")
    await langfuse.until(3, "assistant")
    with psycopg.connect(server.settings.database.url, autocommit=True) as connection:  # one that the database names no more
        connection.execute("UPDATE run SET created_at = now() - interval '2 hours'")
    erased = await ada.http.request("DELETE", "/me", json={"password": PASSWORD})
    assert erased.json()["counts"]["langfuse_traces"] == 2
    assert (langfuse.deleted, others in langfuse.deleted) == ({*traces}, False)


async def test_no_erasure_is_half_done_while_langfuse_is_away(ada: Visitor, langfuse: LangfuseStub) -> None:
    trace = await _run(ada, "Hello")
    langfuse.api_status = 503
    refused = await ada.http.request("DELETE", "/me", json={"password": PASSWORD})
    assert (refused.status_code, refused.json()["code"]) == (503, "traces_unavailable")
    assert (await ada.http.get("/auth/me")).status_code == httpx.codes.OK
    langfuse.api_status = 0
    assert (await ada.http.request("DELETE", "/me", json={"password": PASSWORD})).status_code == httpx.codes.OK
    assert trace in langfuse.deleted, "though Langfuse may not have listed it yet"


@pytest.fixture
def served(langfuse: LangfuseStub) -> LangfuseStub:
    """Langfuse with a prompt."""
    langfuse.prompts["house/system", "production"] = ("You are Zyx, on {{ date }}, for {{user_name}}. It costs $5.\n{{memories}}", 7)
    return langfuse


async def _until_prompted(visitor: Visitor, provider: ProviderStub, words: str) -> str:
    """Ask until the model is given these words; all that it was told of itself."""
    session = await visitor.open_session()
    async with asyncio.timeout(20):
        while True:
            await visitor.ask(session, "Hello")
            told = str((await provider.requests())[-1].messages[0]["content"])
            if words in told:
                return told


@pytest.mark.variables(LANGFUSE_PROMPT="house/system", LANGFUSE_PROMPT_SECONDS="0.1")
async def test_the_system_prompt_is_served_changed_and_kept_and_the_call_says_which_it_was(
    served: LangfuseStub, ada: Visitor, provider: ProviderStub
) -> None:
    told = await _until_prompted(ada, provider, "You are Zyx")
    assert 'for "ada". It costs $5.' in told
    served.prompts["house/system", "production"] = ("You are Xyz.", 8)
    await _until_prompted(ada, provider, "You are Xyz.")
    served.api_status = 500
    await _until_more(lambda: served.refusals)
    await _until_prompted(ada, provider, "You are Xyz.")
    served.api_status = 0
    served.prompts["house/system", "production"] = ("You are {{nobody}}.", 9)
    await _until_more(lambda: served.served)
    await _until_prompted(ada, provider, "You are Xyz.")
    async with asyncio.timeout(20):
        while {7, 8} - {span.attributes.get("langfuse.observation.prompt.version") for span in served.seen("answer")}:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert {span.attributes.get("langfuse.observation.prompt.name") for span in served.seen("answer")} <= {"house/system", None}


@pytest.mark.variables(LANGFUSE_PROMPT="nobody-wrote-it", LANGFUSE_PROMPT_SECONDS="0.1")
async def test_a_prompt_that_is_not_there_leaves_the_file_in_its_place(
    ada: Visitor, provider: ProviderStub, langfuse: LangfuseStub
) -> None:
    assert langfuse.prompts == {}
    assert "You are Milepost's assistant." in await _until_prompted(ada, provider, "Milepost")


def test_leaving_does_not_wait_for_langfuse(settings: object, langfuse: LangfuseStub) -> None:
    langfuse.manner = "hold"
    with serving(settings) as url:  # type: ignore[arg-type]  # conftest's
        answer = httpx.post(f"{url}/api/v1/auth/register", json={"email": EMAIL, "password": PASSWORD})
        headers = {"Authorization": f"Bearer {answer.json()['tokens']['access_token']}"}
        session = httpx.post(f"{url}/api/v1/sessions", json={}, headers=headers).json()["id"]
        said = httpx.post(f"{url}/api/v1/sessions/{session}/chat", json={"message": "Hello"}, headers=headers, timeout=30)
        assert said.status_code == httpx.codes.OK
    assert (langfuse.spans, langfuse.go_on.is_set()) == ([], False), "it is gone, and Langfuse still holds its answer"
