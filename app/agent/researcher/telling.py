"""What people are told of the researcher's steps: the same whether a step is just made or told again after a crash."""

from collections.abc import Sequence
from typing import Final

from langgraph.runtime import Runtime

from app.agent.origin import Origin
from app.agent.researcher.state import Finding, Source
from app.agent.state import AgentContext, Listener, StepStatus

PLANNING: Final = "Planning"
WRITING: Final = "Writing"
REVIEWING: Final = "Reviewing"

_AGENT: Final = "researcher"


def at(node: str, namespace: str = "") -> Origin:
    return Origin(agent=_AGENT, node=node, namespace=namespace or node)


def worker_of(runtime: Runtime[AgentContext]) -> str:
    """The namespace of the worker that this is a step of."""
    return runtime.execution_info.checkpoint_ns.partition("|")[0] if runtime.execution_info else ""


def tell_plan(listener: Listener, questions: Sequence[str]) -> None:
    listener.step(at("plan"), "done", PLANNING, {"questions": [*questions]})


def tell_begun(listener: Listener, worker: str, question: str) -> None:
    listener.step(at("worker", worker), "begun", question, {"question": question})


def tell_finding(listener: Listener, finding: Finding) -> None:
    """A worker's end, with the sources it found something in; nothing where there was no worker."""
    if not finding["namespace"]:
        return
    status: StepStatus = "failed" if finding["failure"] else "done"
    content = {"question": finding["question"], "sources": finding["sources"]}
    if finding["failure"]:
        content["reason"] = finding["failure"]
    listener.step(at("worker", finding["namespace"]), status, finding["question"], content)


def tell_written(listener: Listener, sources: Sequence[Source]) -> None:
    numbered = [{"number": number, **source} for number, source in enumerate(sources, start=1)]
    listener.step(at("write"), "done", WRITING, {"sources": numbered})


def tell_sent_back(listener: Listener) -> None:
    listener.step(at("critic"), "done", REVIEWING, {"good": False})
