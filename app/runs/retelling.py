"""What was said before an attempt begins and its readers must know: by earlier attempts, and by the run that asked a question."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage
from langchain_core.runnables import RunnableConfig
from langgraph.types import StateSnapshot

from app.agent.approval import asked_call
from app.agent.origin import Origin
from app.agent.spec import AgentGraph, Recount
from app.llm.calls import noted
from app.llm.reasoning import thoughts_of
from app.persistence.values import TakenRun
from app.runs.stream import Story

# The step of a state that is empty: the first message is one later.
_BEFORE_THE_FIRST: Final = -2


async def retell(agent: AgentGraph, config: RunnableConfig, taken: TakenRun, story: Story, recount: Recount | None = None) -> int | None:
    """Tell all that this run has said since it began, and which calls it was asked about.

    Return how many steps it has made, None when nothing is left to be done.
    """
    now, before = await agent.aget_state(config, subgraphs=True), await _snapshot_at(agent, config, taken.from_checkpoint)
    if before and taken.answers is not None:
        _tell_asked(before, taken.answers, story)
    if kept_from := now.values.get("kept_from"):
        story.compacted(kept_from)
    replayed = await _snapshot_at(agent, config, taken.replays)
    if recount:
        recount(now, replayed or before, story)
        story.answer_begins()  # so that it can be taken back without the steps before it
    known = {message.id for message in _messages(before)}
    # What it replays, another run has paid for.
    paid = {message.id for message in _messages(replayed)}
    _tell(_after_question([message for message in _messages(now) if message.id not in known]), story, paid)
    _tell_within(now, taken.agent, {message.id for message in _messages(now)}, story)
    # Not `next`: it leaves out a step that was done but not checkpointed, and all that should follow it.
    return _step_of(now) - _step_of(replayed or before) if now.tasks else None


def _step_of(snapshot: StateSnapshot | None) -> int:
    """LangGraph's number of the step that the snapshot is after."""
    metadata = snapshot.metadata if snapshot else None
    return metadata["step"] if metadata else _BEFORE_THE_FIRST


def _tell_asked(snapshot: StateSnapshot, answers: Mapping[str, Any], story: Story) -> None:
    for question in (question for task in snapshot.tasks for question in task.interrupts if question.id in answers):
        if call := asked_call(question.value):
            story.tool_called(call["call_id"], call["tool"], call["args"])


def _tell_within(now: StateSnapshot, agent: str, known: Collection[str | None], story: Story) -> None:
    """What tools have answered in a graph within the agent's that is not through: the agent's own messages do not have it yet."""
    for task in now.tasks:
        if isinstance(task.state, StateSnapshot):
            at = story.at(Origin(agent=agent, node=task.name, namespace=str(task.state.config["configurable"]["checkpoint_ns"])))
            for message in _messages(task.state):
                if isinstance(message, ToolMessage) and message.id not in known and story.knows(message.tool_call_id):
                    at.tool_answered(message.tool_call_id, message.name or "", message.text, is_error=message.status == "error")
            _tell_within(task.state, agent, known, story)


async def _snapshot_at(agent: AgentGraph, config: RunnableConfig, checkpoint: str | None) -> StateSnapshot | None:
    if checkpoint is None:
        return None
    return await agent.aget_state({**config, "configurable": {**config["configurable"], "checkpoint_id": checkpoint}})


def _messages(snapshot: StateSnapshot | None) -> Sequence[AnyMessage]:
    messages: Sequence[AnyMessage] = snapshot.values.get("messages", ()) if snapshot else ()
    return messages


def _after_question(messages: Sequence[AnyMessage]) -> Sequence[AnyMessage]:
    place = max((place for place, message in enumerate(messages) if isinstance(message, HumanMessage)), default=-1)
    return messages[place + 1 :]


def _tell(messages: Sequence[AnyMessage], story: Story, paid: Collection[str | None]) -> None:
    for message in messages:
        match message:
            case AIMessage():
                if message.id not in paid and (account := noted(message)):
                    story.called(account)
                if thoughts := thoughts_of(message):
                    story.reasoning(thoughts)
                if message.text:
                    story.token(message.text)
                for call in message.tool_calls:
                    story.tool_called(call["id"] or "", call["name"], call["args"])
            case ToolMessage() if story.knows(message.tool_call_id):  # else the run before this one told it
                story.tool_answered(message.tool_call_id, message.name or "", message.text, is_error=message.status == "error")
