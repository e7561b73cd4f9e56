"""OpenAI's Responses API through ChatOpenAI, with what an entry of models.yaml says of it."""

from collections.abc import AsyncIterator
from typing import Any, Final

import openai
import pytest
import pytest_asyncio
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_openai import ChatOpenAI
from pydantic import SecretStr, ValidationError

from app.agent.tools import TOOLS
from app.llm.asking import Asker
from app.llm.catalog import ModelSpec
from app.llm.choice import Choice
from app.llm.models import Model, Models
from app.llm.responses import openai_options
from app.settings import ModelSettings
from tests.fakes import HeardAll
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub

THINKER: Final = ModelSpec.model_validate(
    {"name": "thinker", "api": "responses", "reasoning": {"effort": "low", "summary": "auto"}, "prices": {"input": 1, "output": 10}}
)
PLAIN: Final = ModelSpec(name="plain")
QUESTION: Final = HumanMessage("What is 12*7?")


class Asked:
    def __init__(self, provider: ProviderStub, http: openai.DefaultAsyncHttpxClient) -> None:
        def chat(spec: ModelSpec) -> ChatOpenAI:
            options: dict[str, Any] = {
                "base_url": provider.url,
                "api_key": SecretStr("sk-test"),
                "http_async_client": http,
                "stream_usage": True,
            }
            return ChatOpenAI(model=spec.id_at_provider, **options, **openai_options(spec))

        specs = [THINKER, PLAIN]
        self.listener = HeardAll()
        models = [Model(spec=spec, client=chat(spec), price=spec.prices) for spec in specs]
        self._models = Models(models, Choice(specs=specs, default=THINKER.name), ModelSettings(LLM_FALLBACK=False))

    async def says(self, *prompt: HumanMessage | AIMessage | ToolMessage, model: str = THINKER.name) -> AIMessage:
        return await Asker(self._models, model, self.listener).ask(prompt, tools=TOOLS)


@pytest_asyncio.fixture
async def asked(provider: ProviderStub) -> AsyncIterator[Asked]:
    async with openai.DefaultAsyncHttpxClient() as http:
        yield Asked(provider, http)


async def test_a_tool_is_called_and_its_result_read_with_thoughts_in_between(asked: Asked, provider: ProviderStub) -> None:
    sums = ToolCalls(
        [ToolCall("calculate", {"expression": "12*7"}, id="call_a"), ToolCall("calculate", {"expression": "7*12"}, id="call_b")]
    )
    await provider.script(
        ToolCalls(sums.calls, content="Let me see.", reasoning="A product.\n\nTwice."), Text("It is 84.", reasoning="Done.")
    )
    calling = await asked.says(QUESTION)
    assert [(call["id"], call["args"]) for call in calling.tool_calls] == [
        ("call_a", {"expression": "12*7"}),
        ("call_b", {"expression": "7*12"}),
    ]
    results = [ToolMessage("84", tool_call_id=str(call["id"])) for call in calling.tool_calls]
    # The stub refuses thoughts that are not sealed as it gave them, and calls without a result.
    answer = await asked.says(QUESTION, calling, *results)
    assert (str(calling.text), str(answer.text)) == ("Let me see.", "It is 84.")
    heard = ["".join(content for kind, content in asked.listener.heard if kind == wanted) for wanted in ("reasoning", "token")]
    assert heard == ["A product.\n\nTwice.Done.", "Let me see.It is 84."]
    first, second = (request.body for request in await provider.requests())
    assert (first["reasoning"], first["store"], first["include"]) == (
        {"effort": "low", "summary": "auto"},
        False,
        ["reasoning.encrypted_content"],
    )
    assert [item.get("type", "message") for item in second["input"]] == [
        *("message", "reasoning", "message", "function_call", "function_call"),
        *("function_call_output", "function_call_output"),
    ]


async def test_tokens_thought_are_counted_among_those_written(asked: Asked, provider: ProviderStub) -> None:
    await provider.script(Text("It is 84.", reasoning="A product of two."))
    await asked.says(QUESTION)
    (call,) = asked.listener.calls
    assert (call.input_tokens, call.output_tokens, call.reasoning_tokens) == (3, 7, 4)
    assert call.cost_usd == pytest.approx((3 + 70) / 1_000_000)


async def test_another_api_reads_the_words_and_the_calls_alone(asked: Asked, provider: ProviderStub) -> None:
    await provider.script(
        ToolCalls([ToolCall("calculate", {"expression": "12*7"})], reasoning="A product."), Text("It is 84."), Text("Yes.")
    )
    calling = await asked.says(QUESTION)
    result = ToolMessage("84", tool_call_id=str(calling.tool_calls[0]["id"]))
    # The stub's chat completions refuse any part that is no text.
    answer = await asked.says(QUESTION, calling, result, model=PLAIN.name)
    assert str((await asked.says(QUESTION, calling, result, answer, HumanMessage("Sure?"))).text) == "Yes."
    sent = (await provider.requests())[1].messages[1]
    assert (sent["content"], sent["tool_calls"][0]["id"]) == (None, result.tool_call_id)


@pytest.mark.parametrize(
    "entry",
    [
        {"provider": "anthropic", "api": "responses"},
        {"provider": "anthropic", "reasoning": {"effort": "low"}},
        {"reasoning": {"summary": "auto"}},
        {"options": {"top_p": 1}},
        {"provider": "nobody"},
    ],
    ids=str,
)
def test_an_entry_that_makes_no_sense_is_refused(entry: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match="odd: "):
        ModelSpec.model_validate({"name": "odd", **entry})
