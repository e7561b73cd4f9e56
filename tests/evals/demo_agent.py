"""The demo model with the agent's own prompt and tools, without a graph and a database around it."""

from collections.abc import Sequence
from datetime import UTC, datetime

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage

from app.agent.prompts import system_prompt
from app.agent.tools.calculator import calculate
from app.agent.tools.clock import current_time
from app.llm.demo import DemoModel
from evals.answers import Answer, ToolCall, Turn
from evals.cases import Case

_TOOLS = {tool.name: tool for tool in (current_time, calculate)}
_BOUND = DemoModel(pace_seconds=0).bind_tools([*_TOOLS.values()])


def prompt() -> str:
    return system_prompt(now=datetime.now(UTC), user_name="", memories=[])


async def answer_of(case: Case, told: str) -> Answer:
    """Say all that the case says, in one conversation, to a model that is told this."""
    messages: list[BaseMessage] = [SystemMessage(told)]
    turns = [await _turn(messages, said) for said in case.says]
    return Answer(case_id=case.id, attempt=1, turns=turns)


async def _turn(messages: list[BaseMessage], said: str) -> Turn:
    messages.append(HumanMessage(said))
    answer = await _BOUND.ainvoke(messages)
    messages.append(answer)
    calls = await _called(answer)
    if calls:
        messages += calls
        answer = await _BOUND.ainvoke(messages)
        messages.append(answer)
    made = {call["id"]: call["args"] for message in messages if isinstance(message, AIMessage) for call in message.tool_calls}
    told = [ToolCall(name=str(call.name), args=made[call.tool_call_id], result=str(call.text)) for call in calls]
    return Turn(said=said, text=str(answer.text), tool_calls=told, model="demo", cost_usd=0, first_token_seconds=0)


async def _called(answer: AIMessage) -> Sequence[ToolMessage]:
    results = []
    for call in answer.tool_calls:
        tool = _TOOLS[call["name"]].model_copy(update={"handle_tool_error": True})
        results.append(await tool.ainvoke({**call, "type": "tool_call"}))
    return results
