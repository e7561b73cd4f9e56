"""Models of Anthropic's, asked by its own client over a real socket, and the same conversation then answered by another provider."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import pytest_asyncio
import yaml

from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.stub.messages import signature
from tests.visitor import Visitor, text_of, types_of

FAILURES: Final = (
    (HttpError(400, message="canary"), 502, "model_rejected"),
    (HttpError(401, message="canary"), 502, "model_auth_failed"),
    (HttpError(403, message="canary"), 502, "model_forbidden"),
    (HttpError(404, message="canary"), 502, "model_rejected"),
    (HttpError(429, message="canary", retry_after="7"), 503, "model_rate_limited"),
    (HttpError(500, message="canary"), 503, "model_unavailable"),
    (HttpError(529, message="canary"), 503, "model_unavailable"),
    (Text("It is 84.", ending="error", after=4), 502, "model_bad_answer"),
    (Text("It is 84.", ending="not_json", after=4), 502, "model_bad_answer"),
    (Text("It is 84.", ending="truncate", after=4), 502, "model_bad_answer"),
    (Text("It is 84.", ending="reset", after=4), 503, "model_unavailable"),
    (Text("It is 84.", ending="hang", after=4), 504, "model_timeout"),
)
SUM: Final = ToolCall("calculate", {"expression": "12*7"})


@pytest.fixture
def variables_of_test(
    variables_of_test: dict[str, str], _stub: ProviderStub, tmp_path: Path, request: pytest.FixtureRequest
) -> dict[str, str]:
    claude: dict[str, Any] = {"provider": "anthropic", "model": "claude-haiku-4-5", "base_url": _stub.address, "max_tokens": 2_000}
    models = [
        {**claude, "name": "thinker", "options": {"thinking": {"type": "enabled", "budget_tokens": 1_024}}},
        {**claude, "name": "claude", "temperature": 0.5, "prices": {"input": 3, "output": 15}},
        {"name": "stub"},
    ]
    (tmp_path / "models.yaml").write_text(yaml.safe_dump({"models": models}))
    marked = request.node.get_closest_marker("variables")
    return {
        **variables_of_test,
        "MODELS_FILE": str(tmp_path / "models.yaml"),
        "ANTHROPIC_API_KEY": "sk-ant-test",
        "DEFAULT_LLM_MODEL": "thinker",
        **(marked.kwargs if marked else {}),
    }


@pytest_asyncio.fixture
async def session(ada: Visitor) -> AsyncIterator[str]:
    yield await ada.open_session("Sums")


async def test_an_answer_comes_word_by_word_with_its_usage_and_price(ada: Visitor, session: str, provider: ProviderStub) -> None:
    await provider.script(Text("It is eighty-four."))
    events = await ada.stream(session, "What is 12*7?", model="claude")
    assert [event.data["content"] for event in events if event.type == "token"] == ["It", " is", " eighty-four."]
    usage = next(event.data for event in events if event.type == "usage")
    assert (usage["input_tokens"], usage["output_tokens"], usage["cost_usd"]) == (3, 3, pytest.approx(54e-6))
    asked = (await provider.requests())[0]
    assert (asked.body["model"], asked.body["temperature"], asked.body["max_tokens"]) == ("claude-haiku-4-5", 0.5, 2_000)
    assert asked.headers["authorization"] == "Bearer sk-ant-test"


async def test_thoughts_are_shown_and_kept_and_go_back_signed_within_the_turn(ada: Visitor, session: str, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([SUM], content="Let me see.", reasoning="A product."), Text("It is 84.", reasoning="Done."))
    events = await ada.stream(session, "What is 12*7?")
    assert types_of(events) == [
        "start",
        "reasoning",
        "reasoning",
        "token",
        "tool_call",
        "tool_result",
        "reasoning",
        "token",
        "usage",
        "end",
    ]
    called = next(event.data for event in events if event.type == "tool_call")
    assert (called["name"], called["args"]) == (SUM.name, SUM.args)
    said = (await ada.messages(session))[-1]
    assert (said["reasoning"], said["content"]) == ("A product.Done.", "Let me see.\n\nIt is 84.") == ("A product.Done.", text_of(events))
    # The stub refuses a changed one, and any key that Anthropic does not know.
    thought = (await provider.requests())[1].messages[1]["content"][0]
    assert thought == {"type": "thinking", "thinking": "A product.", "signature": signature("A product.")}


@pytest.mark.variables(SHOW_REASONING="false")
async def test_thoughts_can_be_kept_from_people_and_still_go_back(ada: Visitor, session: str, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([SUM], reasoning="A secret product."), Text("It is 84."))
    events = await ada.stream(session, "What is 12*7?")
    assert "reasoning" not in types_of(events)
    assert (await ada.messages(session))[-1]["reasoning"] == ""
    assert (await provider.requests())[1].messages[1]["content"][0]["thinking"] == "A secret product."
    assert [model["shows_reasoning"] for model in (await ada.http.get("/models")).json()["items"]] == [False, False, False]


async def test_a_conversation_goes_on_with_another_provider_and_back(ada: Visitor, session: str, provider: ProviderStub) -> None:
    await provider.script(
        ToolCalls([SUM], content="Let me see.", reasoning="A product."), Text("It is 84.", reasoning="Done."), times_three := Text("252.")
    )
    await ada.ask(session, "What is 12*7?")
    # The stub refuses a part that OpenAI's chat completions do not know.
    assert (await ada.ask(session, "Times three?", model="stub")).json()["message"]["content"] == times_three.content
    heard = (await provider.requests())[2].messages
    assert [(message["role"], message["content"]) for message in heard[2:5]] == [
        ("assistant", "Let me see."),
        ("tool", heard[3]["content"]),
        ("assistant", "It is 84."),
    ]
    assert heard[2]["tool_calls"][0]["id"] == heard[3]["tool_call_id"]
    await provider.script(Text("You are welcome."))
    assert (await ada.ask(session, "Thank you")).json()["message"]["content"] == "You are welcome."


@pytest.mark.variables(LLM_IDLE_SECONDS="2")
async def test_what_goes_wrong_at_the_provider_is_told_in_our_words(ada: Visitor, session: str, provider: ProviderStub) -> None:
    for answer, status, code in FAILURES:
        await provider.clear()
        await provider.script(answer)
        refused = await ada.ask(session, "What is 12*7?")
        assert (refused.status_code, refused.json()["code"]) == (status, code), answer
        assert "canary" not in refused.text
        assert refused.json().get("retry_after") == (7 if code == "model_rate_limited" else None)
        # Trying again is not its own class's business.
        assert len(await provider.requests("12*7")) == 1


async def test_models_are_listed_with_what_is_known_of_them(ada: Visitor) -> None:
    thinker, claude, stub = (await ada.http.get("/models")).json()["items"]
    assert (thinker["provider"], thinker["model"], thinker["api"], thinker["is_default"]) == (
        "anthropic",
        "claude-haiku-4-5",
        "chat",
        True,
    )
    assert (claude["input_price"], claude["cached_input_price"], claude["output_price"]) == (3, None, 15)
    # From LangChain's list of models, as the entry says nothing.
    assert (claude["context_window"], stub["context_window"]) == (200_000, None)
    assert (await ada.ask(await ada.open_session(), "Hello", model="claude-3")).status_code == httpx.codes.UNPROCESSABLE_ENTITY
