"""Tell again what the researcher had done when its process died."""

from collections.abc import Iterator, Mapping
from typing import Any

from langchain_core.messages import AIMessage, HumanMessage
from langgraph.types import PregelTask, StateSnapshot

from app.agent.researcher.telling import tell_begun, tell_finding, tell_plan, tell_sent_back, tell_written
from app.agent.state import Listener
from app.llm.calls import read_account


def recount(now: StateSnapshot, before: StateSnapshot | None, listener: Listener) -> None:
    """The plan, what each worker has found, which are still at work, and what came after them; and what all of it has cost."""
    values = now.values
    if not _is_of_this_turn(values):
        return
    workers = [*_unfinished(now.tasks)]
    # LangGraph puts in what finished workers have brought, while others are at work.
    states = [values, *(state for _, state in workers)]
    paid = before.values.get("accounts", ()) if before else ()
    for written in (written for state in states for written in state.get("accounts", ())):
        if written not in paid:  # by the run that asked whether the plan is good, or that is replayed
            listener.called(read_account(written))
    tell_plan(listener, values.get("questions", ()))
    for finding in (finding for state in states for finding in state.get("findings", ())):
        tell_finding(listener, finding)
    for namespace, state in workers:
        if "urls" in state and not state.get("findings"):  # one that has not searched tells its beginning itself
            tell_begun(listener, namespace, state["question"])
    _tell_of_answer(values, listener)


def _tell_of_answer(values: Mapping[str, Any], listener: Listener) -> None:
    if isinstance(values["messages"][-1], AIMessage):
        tell_written(listener, values.get("cited", ()))
    if values.get("remarks"):
        tell_sent_back(listener)


def _is_of_this_turn(values: Mapping[str, Any]) -> bool:
    asked = next((message for message in reversed(values.get("messages", ())) if isinstance(message, HumanMessage)), None)
    return asked is not None and values.get("planned_for") == asked.id


def _unfinished(tasks: tuple[PregelTask, ...]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The workers that will go on, by their namespace, with how far they have come: one may be done, and the researcher not know."""
    for task in tasks:
        if task.name == "worker" and task.result is None and isinstance(task.state, StateSnapshot):
            yield f"{task.name}:{task.id}", task.state.values
