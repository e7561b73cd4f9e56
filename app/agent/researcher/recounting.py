"""Tell again what the researcher had done when its process died."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from langchain_core.messages import HumanMessage
from langgraph.types import PregelTask, StateSnapshot

from app.agent.researcher.telling import tell_begun, tell_finding, tell_plan
from app.agent.state import Listener
from app.llm.calls import read_account

_SEARCH: Final = "search"


def recount(now: StateSnapshot, before: StateSnapshot | None, listener: Listener) -> None:
    """The plan, what each worker has found, and which are still at work; and what all of it has cost."""
    values = now.values
    if not _is_of_this_turn(values):
        return
    # LangGraph puts in what finished workers have brought, while others are at work.
    paid = before.values.get("accounts", ()) if before else ()
    for written in values.get("accounts", ()):
        if written not in paid:  # by the run that asked whether the plan is good
            listener.called(read_account(written))
    tell_plan(listener, values.get("questions", ()))
    for finding in values.get("findings", ()):
        tell_finding(listener, finding)
    for namespace, question in _at_work(now.tasks):
        tell_begun(listener, namespace, question)


def _is_of_this_turn(values: Mapping[str, Any]) -> bool:
    asked = next((message for message in reversed(values.get("messages", ())) if isinstance(message, HumanMessage)), None)
    return asked is not None and values.get("planned_for") == asked.id


def _at_work(tasks: tuple[PregelTask, ...]) -> Iterator[tuple[str, str]]:
    """The workers that will go on in the middle; one that has not searched yet tells its beginning itself."""
    for task in tasks:
        if isinstance(task.state, StateSnapshot) and task.name == "worker" and task.result is None and _SEARCH not in task.state.next:
            yield f"{task.name}:{task.id}", task.state.values["question"]
