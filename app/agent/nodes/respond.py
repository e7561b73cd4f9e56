"""Ask the model, and hand on every piece of its answer the moment it arrives."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from langchain_core.messages import AIMessage, AIMessageChunk, AnyMessage, SystemMessage, ToolCall
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.base import BaseMessage
from langchain_core.messages.utils import message_chunk_to_message
from langgraph.runtime import Runtime

from app.agent.history import with_every_call_answered
from app.agent.prompts import system_prompt
from app.agent.state import AgentContext, AgentState, AgentUpdate, Chat, Listener
from app.errors import ModelBadAnswer

_MAX_DEPTH: Final = 50


async def respond(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:
    context = runtime.context
    instructions = system_prompt(now=datetime.now(UTC), user_name=context.user_name, memories=state["memories"])
    prompt = [SystemMessage(instructions), *with_every_call_answered(state["messages"])]
    answer = await _streamed(context.model, prompt, context.listener)
    if answer.usage_metadata:
        context.listener.used(answer.usage_metadata)
    for call in answer.tool_calls:
        context.listener.tool_called(call["id"] or "", call["name"], call["args"])
    return {"messages": [answer]}


async def _streamed(model: Chat, prompt: Sequence[BaseMessage], listener: Listener) -> AIMessage:
    """The whole answer; the loop's body is the hot path: it runs once per token."""
    chunks: list[AIMessageChunk] = []
    async for chunk in model.astream([*prompt]):
        if not isinstance(chunk, AIMessageChunk):
            continue
        chunks.append(chunk)
        if content := chunk.content if isinstance(chunk.content, str) else chunk.text:
            listener.token(content)
        if reasoning := chunk.additional_kwargs.get("reasoning_content"):
            listener.reasoning(reasoning)
    return _whole(chunks)


def _whole(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    if not chunks:
        raise ModelBadAnswer("The model's answer was empty.")
    answer: AnyMessage | BaseMessage = message_chunk_to_message(add_ai_message_chunks(chunks[0], *chunks[1:]))
    if not isinstance(answer, AIMessage):
        raise ModelBadAnswer
    return _with_readable_calls(answer)


def _with_readable_calls(answer: AIMessage) -> AIMessage:
    """Take a call whose arguments are no object, or one that nobody can keep, as one without arguments, as LangChain does with broken JSON.

    So its tool tells the model what is missing. Left as invalid it would have no answer, and a provider refuses every later turn.
    """
    for call in answer.invalid_tool_calls:
        answer.tool_calls.append(ToolCall(name=call["name"] or "", args={}, id=call["id"]))
    answer.invalid_tool_calls = []
    for readable in answer.tool_calls:
        if not _is_plain(readable["args"]):
            readable["args"] = {}
        readable["id"] = readable["id"] or f"call_{uuid4().hex}"  # without one, its result could not be told apart
    return answer


def _is_plain(value: object, depth: int = 0) -> bool:
    """Whether a checkpoint can hold it: not too deep, and no number past 64 bits."""
    match value:
        case dict():
            return depth < _MAX_DEPTH and all(_is_plain(inner, depth + 1) for inner in value.values())
        case list():
            return depth < _MAX_DEPTH and all(_is_plain(inner, depth + 1) for inner in value)
        case int():
            return -(2**63) <= value < 2**64
        case _:
            return True
