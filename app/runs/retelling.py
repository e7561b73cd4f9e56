"""What an earlier attempt had said in steps that are finished, told again to the readers of the next."""

from collections.abc import Mapping, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from app.agent.approval import asked_call
from app.agent.graph import Agent
from app.runs.stream import Story


async def retell(agent: Agent, config: RunnableConfig, from_checkpoint: str | None, story: Story) -> bool:
    """Tell all that this run has said since it began; False when nothing is left to be done."""
    now = await agent.aget_state(config)
    before = await _messages_at(agent, config, from_checkpoint)
    known = {message.id for message in before}
    _tell(_after_question([message for message in now.values.get("messages", []) if message.id not in known]), story)
    _tell(_answers_so_far(now), story)
    # Not `next`: it leaves out a step that was done but not checkpointed, and all that should follow it.
    return bool(now.tasks)


async def retell_asked(agent: Agent, config: RunnableConfig, answers: Mapping[str, Any], story: Story) -> None:
    """Tell once more which calls a person was asked about: their results follow."""
    for task in (await agent.aget_state(config)).tasks:
        for question in task.interrupts:
            if question.id in answers and (call := asked_call(question.value)):
                story.tool_called(call["call_id"], call["tool"], call["args"])


async def _messages_at(agent: Agent, config: RunnableConfig, checkpoint: str | None) -> Sequence[AnyMessage]:
    if checkpoint is None:
        return ()
    there: RunnableConfig = {**config, "configurable": {**config["configurable"], "checkpoint_id": checkpoint}}
    messages: Sequence[AnyMessage] = (await agent.aget_state(there)).values.get("messages", ())
    return messages


def _after_question(messages: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
    place = max((place for place, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    return messages[place + 1 :]


def _answers_so_far(snapshot: StateSnapshot) -> list[AnyMessage]:
    """Of a step whose other half is still to be done."""
    results = [task.result for task in snapshot.tasks if isinstance(task.result, dict)]
    return [message for result in results for message in result.get("messages", ())]


def _tell(messages: Sequence[AnyMessage], story: Story) -> None:
    for message in messages:
        match message:
            case AIMessage():
                if message.usage_metadata:
                    story.used(message.usage_metadata)
                if message.text:
                    story.token(message.text)
                for call in message.tool_calls:
                    story.tool_called(call["id"] or "", call["name"], call["args"])
            case ToolMessage():
                story.tool_answered(message.tool_call_id, message.name or "", message.text, is_error=message.status == "error")
