"""The graph answers in this process, on a database of its own, as it does behind a server."""

import asyncio
from pathlib import Path

import pytest

from app.settings import Settings
from evals.cases import Case
from evals.conducting import conduct
from evals.errors import Misused
from evals.store import read_experiment
from evals.targets.graph import Graph, open_graph, settings_apart
from evals.tries import answer_of
from tests.evals.trying import begun, cases
from tests.stub.answers import Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub


async def test_the_graph_answers_with_its_tools_and_keeps_no_session(settings: Settings, provider: ProviderStub) -> None:
    await provider.script(ToolCalls([ToolCall("calculate", {"expression": "12 * 12"})]), Text("It is 144."), Text("Goodbye."))
    async with open_graph(settings, model="gpt-5", agent="") as target:
        answer = await answer_of(Case(id="sum", conversation=("What is 12 * 12?", "Bye")), 1, target, seconds=30)
        late = await _timed_out(provider, target)
        services, user = target._services, target._user
        assert (await services.sessions.page(user.id, limit=10, before=None, search="")).items == []
        assert target.about == {"kind": "graph", "model": "gpt-5", "agent": "assistant"}
    assert (answer.error, [turn.text for turn in answer.turns]) == ("", ["It is 144.", "Goodbye."])
    assert [(call.name, call.result) for call in answer.tool_calls] == [("calculate", "144")]
    assert answer.cost_usd
    assert answer.turns[0].first_token_seconds
    assert late == ("timeout", "One ")


async def _timed_out(provider: ProviderStub, target: Graph) -> tuple[str, str]:
    await provider.script(Text(pieces=["One ", "two "], ending="hang"))
    answer = await answer_of(Case(id="late", input="Count"), 1, target, seconds=1)
    await provider.wait_until_closed_early(containing="Count")
    return answer.error, answer.text[:4]


async def test_nothing_of_a_servers_users_is_touched(settings: Settings) -> None:
    apart = settings_apart(settings)
    assert settings.database.url
    assert apart.database.url == ""
    assert apart.database.data_dir == settings.database.data_dir / "evals"
    assert not apart.memory.is_on


async def test_a_model_and_an_agent_that_are_not_there_are_named(settings: Settings, tmp_path: Path) -> None:
    with begun(tmp_path, cases("Hello"), model="nope") as folder, pytest.raises(Misused, match="there are stub, gpt-5"):
        await conduct(settings, folder)
    assert not folder.path.exists(), "nothing came into it"
    with begun(tmp_path, cases("Hello"), agent="nope") as folder, pytest.raises(Misused, match="agent"):
        await conduct(settings, folder)


async def test_two_experiments_at_once_share_the_database_and_nothing_else(
    settings: Settings, provider: ProviderStub, tmp_path: Path
) -> None:
    await provider.script(Text("Good day.", times=4))
    with begun(tmp_path, cases("Hello", "Bye")) as one, begun(tmp_path, cases("Hello", "Bye")) as other:
        await asyncio.gather(conduct(settings, one), conduct(settings, other))
    for folder in (one, other):
        kept = read_experiment(folder.path)
        assert [(result.case.id, result.answer.text) for result in kept.results] == [("case-1", "Good day."), ("case-2", "Good day.")]
        assert kept.target["kind"] == "graph"
