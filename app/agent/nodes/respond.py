"""Ask the model, and hand on every piece of its answer the moment it arrives."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from uuid import uuid4

from langchain_core.messages import AIMessage, SystemMessage, ToolCall
from langchain_core.tools import BaseTool
from langgraph.runtime import Runtime

from app.agent.history import with_every_call_answered
from app.agent.nodes.recall import recalled
from app.agent.prompts import SYSTEM, check_prompt, prompt_text, system_prompt
from app.agent.safety import must_answer
from app.agent.state import AgentContext, AgentState, AgentUpdate, Listener, Node

_MAX_DEPTH: Final = 50
_NO_ROOM: Final = "I have used all the steps that I may take for one message, and have no answer yet. Ask for less at once."


def respond_node(tools: Sequence[BaseTool], prompt_name: str = SYSTEM) -> Node:
    """`prompt_name` is a file of `prompts`, with the same names to fill in as `system.md`; raise SettingsInvalid where it has others."""
    check_prompt(prompt_name)

    async def respond(state: AgentState, runtime: Runtime[AgentContext]) -> AgentUpdate:
        context = runtime.context
        if kept_from := state.get("kept_from"):
            context.listener.compacted(kept_from)
        if (memories := state.get("memories")) is None:  # nothing was to be recalled, or a run goes on after a question or a crash
            memories = await recalled(context, state["messages"])
        last_chance = must_answer(state["messages"], context.limits, state.get("remaining_steps"))
        served = context.prompts(prompt_name)
        instructions = system_prompt(
            now=datetime.now(UTC),
            user_name=context.user_name,
            memories=memories,
            summary=state.get("summary", ""),
            added=context.config.instructions,
            name=prompt_name,
            served=served,
        )
        said = f"{instructions}\n{prompt_text('answer_now.md')}" if last_chance else instructions
        prompt = [
            SystemMessage(said, response_metadata={"served_prompt": served.mark} if served else {}),
            *with_every_call_answered(state["messages"]),
        ]
        answer = _with_readable_calls(await context.model.ask(prompt, tools=context.usable(tools), options=context.options))
        if last_chance and answer.tool_calls:
            answer = _in_words(answer, context.listener)
        for call in answer.tool_calls:
            context.listener.tool_called(call["id"] or "", call["name"], call["args"])
        return {"messages": [answer], "memories": memories}

    return respond


def _in_words(answer: AIMessage, listener: Listener) -> AIMessage:
    """The same without the calls that it may not make. The tools were shown to it all the same: some providers refuse a conversation
    with calls in it otherwise.
    """
    if not answer.text.strip():
        listener.token(_NO_ROOM)
    words = answer.text if answer.text.strip() else _NO_ROOM
    return AIMessage(words, id=answer.id, response_metadata=answer.response_metadata, usage_metadata=answer.usage_metadata)


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
