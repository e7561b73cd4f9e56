"""The demo model: answers by fixed rules, so that everything around a model can be seen at work without a key or a network."""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from typing import Any, Final
from uuid import uuid4

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage, HumanMessage, ToolCall
from langchain_core.messages.ai import UsageMetadata
from langchain_core.messages.tool import tool_call, tool_call_chunk
from langchain_core.messages.utils import count_tokens_approximately
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

from app.llm.attachments import own_words
from app.llm.demo_obedience import may_call_tools
from app.llm.demo_replies import reply
from app.llm.demo_wishes import tool_wishes

DEMO_MODEL: Final = "milepost-demo"


class DemoModel(BaseChatModel):
    """Deterministic but for the ids of its tool calls; streams word by word, `pace_seconds` apart."""

    pace_seconds: float = 0.02

    @property
    def _llm_type(self) -> str:
        return DEMO_MODEL

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],  # the parent's signature
        *,
        tool_choice: str | None = None,  # noqa: ARG002  # it calls the tools that the user wishes for, and no others
        **kwargs: Any,  # noqa: ANN401  # the parent's signature
    ) -> Runnable[LanguageModelInput, AIMessage]:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # the parent's signature
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ANN401
    ) -> ChatResult:
        return ChatResult(generations=[ChatGeneration(message=_answer(messages, kwargs.get("tools", ())))])

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ANN401
    ) -> ChatResult:
        return self._generate(messages, stop, **kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ANN401
    ) -> Iterator[ChatGenerationChunk]:
        for chunk in _pieces(_answer(messages, kwargs.get("tools", ()))):
            yield ChatGenerationChunk(message=chunk)
            time.sleep(self.pace_seconds)

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,  # noqa: ANN401
    ) -> AsyncIterator[ChatGenerationChunk]:
        for chunk in _pieces(_answer(messages, kwargs.get("tools", ()))):
            yield ChatGenerationChunk(message=chunk)
            await asyncio.sleep(self.pace_seconds)


def _answer(messages: Sequence[BaseMessage], tools: Sequence[dict[str, Any]]) -> AIMessage:
    calls = _calls(messages, {tool["function"]["name"] for tool in tools})
    answer = AIMessage(content="" if calls else reply(messages), tool_calls=calls)
    answer.response_metadata = {"model_name": DEMO_MODEL, "finish_reason": "tool_calls" if calls else "stop"}
    asked, said = count_tokens_approximately(messages, tools=list(tools)), count_tokens_approximately([answer])
    answer.usage_metadata = UsageMetadata(input_tokens=asked, output_tokens=said, total_tokens=asked + said)
    return answer


def _calls(messages: Sequence[BaseMessage], bound: set[str]) -> list[ToolCall]:
    last = messages[-1] if messages else None
    wishes = tool_wishes(own_words(str(last.text))) if isinstance(last, HumanMessage) and may_call_tools(messages) else []
    return [tool_call(name=wish.tool, args=dict(wish.args), id=f"call_{uuid4().hex}") for wish in wishes if wish.tool in bound]


def _pieces(answer: AIMessage) -> Iterator[AIMessageChunk]:
    """Cut an answer as a provider streams it: words or whole tool calls, then an empty chunk with what it cost."""
    for word in re.findall(r"\s*\S+\s*", str(answer.text)):
        yield AIMessageChunk(content=word)
    for index, call in enumerate(answer.tool_calls):
        whole = tool_call_chunk(name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index)
        yield AIMessageChunk(content="", tool_call_chunks=[whole])
    yield AIMessageChunk(
        content="", usage_metadata=answer.usage_metadata, response_metadata=answer.response_metadata, chunk_position="last"
    )
