"""The contract that every agent of the registry keeps; whoever adds one adds no test here."""

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import pytest
from langchain_core.tools import BaseTool
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph.message import add_messages

from app.agent.assistant import ASSISTANT
from app.agent.config import AgentConfig
from app.agent.marks import is_to_be_approved
from app.agent.registry import AGENTS, DEFAULT_AGENT, Agents
from app.agent.spec import Agent
from app.agent.state import AgentContext, Listener
from app.errors import InvalidInput, UnknownAgent
from app.runs import events
from tests.agent.turn import Turn
from tests.fakes import MemoryOf, calls, says

EVERY = pytest.mark.parametrize("agent", AGENTS, ids=lambda agent: agent.name)
# Every run writes these, whatever its agent does.
_OF_RUNS = {"start", "reset", "usage", "quota", "error", "end"}

# What a listener hears, by the events that tell it.
_TOLD_AS = {
    "remembered": "memory",
    "token": "token",
    "reasoning": "reasoning",
    "tool_called": "tool_call",
    "tool_answered": "tool_result",
    "step": "step",
}
# What it hears besides is told in no event of its own; `answer_begins` and `called` are for the account, `at` says where.
_TOLD_OTHERWISE = {"compacted", "answer_taken_back", "answer_begins", "called", "at"}


async def _told(turn: Turn) -> set[str]:
    """The types of the events that readers of the turn would be sent."""
    names = {one[0] for one in turn.listener.heard} - {"taken_back"} - _TOLD_OTHERWISE
    return {_TOLD_AS[name] for name in names} | ({"interrupt"} if await turn.questions() else set())


def _event_types() -> set[str]:
    return {
        kind.type
        for kind in vars(events).values()
        if inspect.isclass(kind) and kind.__module__ == events.__name__ and hasattr(kind, "type")
    }


def _state_of(agent: Agent) -> dict[str, Any]:
    [schema] = [agent.build(InMemorySaver(), agent.tools).builder.state_schema]
    return get_type_hints(schema, include_extras=True)


def _package(agent: Agent) -> Path:
    return Path(inspect.getfile(agent.build)).parent


def _imported(package: Path) -> Iterator[str]:
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                yield from (name.name for name in node.names)
            if isinstance(node, ast.ImportFrom):
                yield node.module or ""


@EVERY
def test_an_agent_has_a_name_for_addresses_and_words_for_people(agent: Agent) -> None:
    assert agent.name.isidentifier()
    assert agent.name == agent.name.lower()
    assert 20 <= len(agent.description) <= 300
    assert _package(agent).name == agent.name, "its package is named as it is"


@EVERY
def test_what_a_page_offers_to_ask_it_is_a_line_that_can_be_asked(agent: Agent) -> None:
    assert len(agent.examples) <= 4
    assert all(example.strip() == example and 0 < len(example) <= 80 and "\n" not in example for example in agent.examples)


@EVERY
def test_its_state_has_messages_that_are_added_to(agent: Agent) -> None:
    messages = _state_of(agent)["messages"]
    assert get_origin(messages) is Annotated
    assert add_messages in get_args(messages)


@EVERY
def test_its_context_is_the_one_that_runs_hand_in(agent: Agent) -> None:
    graph = agent.build(InMemorySaver(), agent.tools)
    assert graph.builder.context_schema is AgentContext
    assert graph.name == agent.name


@EVERY
def test_it_is_compiled_with_the_checkpointer_it_is_given(agent: Agent) -> None:
    saver = InMemorySaver()
    assert agent.build(saver, agent.tools).checkpointer is saver


@EVERY
def test_its_tools_have_names_of_their_own_and_say_what_they_do(agent: Agent) -> None:
    names = [tool.name for tool in agent.tools]
    assert len(names) == len({*names})
    assert all(isinstance(tool, BaseTool) and tool.description and tool.coroutine for tool in agent.tools)  # type: ignore[attr-defined]  # ours are functions


@EVERY
def test_the_events_it_may_write_are_events(agent: Agent) -> None:
    assert agent.events <= _event_types() - _OF_RUNS


@EVERY
async def test_a_message_is_answered_and_its_run_tells_nothing_but_such_events(agent: Agent) -> None:
    turn = Turn(*[says("Hello.")] * 9, agent=agent, memory=MemoryOf(["Ada likes tea."]))
    conversation = await turn.takes("Hi")
    assert (conversation[-1].type, "Hello." in conversation[-1].text) == ("ai", True)
    assert await _told(turn) <= agent.events


@EVERY
def test_one_whose_tools_ask_first_says_that_its_runs_may_be_interrupted(agent: Agent) -> None:
    assert "interrupt" in agent.events or not any(map(is_to_be_approved, agent.tools))


async def test_a_question_and_a_summary_are_seen_by_this_contract_too() -> None:
    asking = Turn(calls(("rename_session", '{"name": "Herons"}')), agent=ASSISTANT)
    await asking.takes("Call this Herons.")
    assert await _told(asking) == {"tool_call", "interrupt"}
    summed_up = Turn(agent=ASSISTANT)
    summed_up.listener.compacted("the first message that is kept")
    assert await _told(summed_up) == set()


def test_whatever_a_listener_can_hear_is_known_to_this_contract() -> None:
    methods = {name for name in dir(Listener) if not name.startswith("_") and callable(getattr(Listener, name))}
    assert methods == {*_TOLD_AS} | _TOLD_OTHERWISE


@EVERY
def test_its_configuration_holds_with_nothing_set_and_refuses_what_it_does_not_know(agent: Agent) -> None:
    assert issubclass(agent.config, AgentConfig)
    assert agent.configured({}) == agent.config()
    with pytest.raises(InvalidInput, match=r"config\.no_such_thing"):
        agent.configured({"no_such_thing": 1})


@EVERY
def test_its_limits_are_within_reason(agent: Agent) -> None:
    limits = agent.limits
    assert (limits.steps > 1, limits.tool_calls >= 0, limits.seconds > 0) == (True, True, True)
    assert limits.cost_usd is None or limits.cost_usd > 0


@EVERY
def test_its_nodes_and_edges_are_async_or_langgraph_would_send_them_to_threads(agent: Agent) -> None:
    builder = agent.build(InMemorySaver(), agent.tools).builder
    nodes = [node.runnable for node in builder.nodes.values()]
    branches = [branch.path for of_node in builder.branches.values() for branch in of_node.values()]
    assert [one for one in [*nodes, *branches] if getattr(one, "func", None) and not getattr(one, "afunc", None)] == []


@EVERY
def test_it_knows_no_web_and_no_database(agent: Agent) -> None:
    strangers = ("fastapi", "starlette", "psycopg", "sqlalchemy", "sqlmodel", "prometheus_client", "langfuse")
    assert [name for name in _imported(_package(agent)) if name.partition(".")[0] in strangers] == []


def test_the_registry_names_each_agent_once_and_the_default_first() -> None:
    names = [agent.name for agent in AGENTS]
    assert len(names) == len({*names})
    assert names[0] == DEFAULT_AGENT


def test_a_name_that_nobody_has_is_refused_with_those_there_are() -> None:
    with pytest.raises(UnknownAgent, match=f"there are {DEFAULT_AGENT}"):
        Agents(InMemorySaver()).get("nobody")
