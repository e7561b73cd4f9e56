"""Agents over the API: listed, chosen for a session, and set for it, version by version."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import psycopg
import pytest
from langgraph.checkpoint.memory import InMemorySaver

from app.agent.assistant import ASSISTANT
from app.agent.config import AgentConfig
from app.agent.registry import Agents
from app.api.v1.agents import list_agents
from app.runs.catalog import Catalog
from app.settings import UNLIMITED
from tests.fakes import ScriptedChat, models_of
from tests.stub.answers import Text
from tests.stub.client import ProviderStub
from tests.visitor import Visitor


async def _open(ada: Visitor, **new: Any) -> dict[str, Any]:
    answer = await ada.http.post("/sessions", json=new)
    assert answer.status_code == httpx.codes.CREATED, answer.text
    opened: dict[str, Any] = answer.json()
    return opened


async def test_the_agents_are_listed_with_their_schemas_and_a_picture(ada: Visitor) -> None:
    listed = (await ada.http.get("/agents")).json()
    assert listed["default"] == "assistant"
    assistant = listed["items"][0]
    assert (assistant["name"], assistant["is_default"]) == ("assistant", True)
    assert "message" in assistant["input_schema"]["required"]
    assert {"instructions", "tools_off", "model", "temperature"} <= {*assistant["config_schema"]["properties"]}
    assert {"respond", "tools"} <= {*assistant["mermaid"].replace(";", " ").replace("(", " ").split()}
    assert [tool["name"] for tool in assistant["tools"] if tool["needs_approval"]] == ["rename_session"]
    examples = {agent["name"]: agent["examples"] for agent in listed["items"]}
    assert "What is 12*7?" in examples["assistant"]
    assert examples["researcher"]
    assert "What is 12*7?" not in examples["researcher"]


async def test_the_schemas_are_made_once_however_often_the_agents_are_listed() -> None:
    made = []

    class Counting(AgentConfig):
        @classmethod
        def model_json_schema(cls, *args: Any, **kwargs: Any) -> dict[str, Any]:
            made.append(cls)
            return super().model_json_schema(*args, **kwargs)

    agents = Agents(InMemorySaver(), [replace(ASSISTANT, config=Counting), replace(ASSISTANT, name="another", config=Counting)])
    catalog = Catalog(agents, models_of(ScriptedChat()))
    for _ in range(3):
        assert len((await list_agents(UNLIMITED, catalog)).items) == 2
    assert made == [Counting]


async def test_a_session_keeps_the_agent_it_was_opened_with(ada: Visitor) -> None:
    opened = await _open(ada, agent="assistant")
    assert (opened["agent"], opened["config"], opened["config_version"]) == ("assistant", {}, 0)
    assert (await ada.http.patch(f"/sessions/{opened['id']}", json={"agent": "assistant"})).status_code == 422


async def test_an_unknown_agent_is_refused_with_the_list(ada: Visitor) -> None:
    answer = await ada.http.post("/sessions", json={"agent": "nobody"})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_agent")
    assert "assistant" in answer.json()["detail"]
    assert (await ada.http.get("/sessions")).json()["items"] == []


@pytest.mark.parametrize(
    ("config", "field", "message"),
    [
        ({"temperature": 3}, "temperature", "less than or equal to 2"),
        ({"temperature": True}, "temperature", "valid number"),
        ({"temperature": "0.5"}, "temperature", "valid number"),
        ({"instructions": "x" * 4001}, "instructions", "at most 4000 characters"),
        ({"instructions": 7}, "instructions", "valid string"),
        ({"unheard_of": 1}, "unheard_of", "not permitted"),
        ({"tools_off": ["no_such_tool"]}, "tools_off", "no_such_tool is none of this agent's tools"),
        ({"tools_off": "calculate"}, "tools_off", "valid list"),
        ({"tools_off": ["calculate", 7]}, "tools_off.1", "valid string"),
        ({"workers": 2.0}, "workers", "valid integer"),
        ({"critic": "yes"}, "critic", "valid boolean"),
    ],
)
async def test_what_does_not_fit_the_agents_schema_is_refused_by_name(
    ada: Visitor, config: dict[str, Any], field: str, message: str
) -> None:
    agent = {"agent": "researcher" if {"workers", "critic"} & {*config} else "assistant"}
    session = (await _open(ada, **agent))["id"]
    for answer in (
        await ada.http.post("/sessions", json={"config": config, **agent}),
        await ada.http.patch(f"/sessions/{session}", json={"config": config, "name": "Half done"}),
    ):
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["detail"]) == (422, "invalid_input", f"Not valid: config.{field}.")
        [fault] = problem["errors"]
        assert fault["field"] == f"config.{field}"
        assert message in fault["message"]
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] == ""
    assert len((await ada.http.get("/sessions")).json()["items"]) == 1


@pytest.mark.parametrize("model", ["no-such-model", ""])
async def test_a_model_that_this_server_does_not_have_is_refused(ada: Visitor, model: str) -> None:
    answer = await ada.http.post("/sessions", json={"config": {"model": model}})
    assert (answer.status_code, answer.json()["code"]) == (422, "unknown_model")


async def test_every_fault_is_listed_and_no_more_of_them_than_anybody_reads(ada: Visitor) -> None:
    two = (await ada.http.post("/sessions", json={"config": {"temperature": 3, "instructions": 7}})).json()
    assert {fault["field"] for fault in two["errors"]} == {"config.temperature", "config.instructions"}
    huge = {"x" * 900 + str(n): 1 for n in range(1_000)}
    for body in ({"config": dict([*huge.items()][:90])}, huge):
        answer = await ada.http.post("/sessions", json=body)
        assert answer.status_code == 422
        assert len(answer.json()["errors"]) == 50
        assert len(answer.content) < 50_000


async def test_what_is_set_is_kept_also_where_it_is_the_default_of_today(ada: Visitor) -> None:
    set_ = {"workers": 4, "critic": True, "instructions": "", "tools_off": [], "temperature": None}
    opened = await _open(ada, agent="researcher", config=set_)
    assert (opened["config"], opened["config_version"]) == (set_, 1)
    assert (await ada.http.patch(f"/sessions/{opened['id']}", json={"config": {}})).json()["config_version"] == 2


async def test_a_run_uses_what_the_session_has_set_and_tells_the_version(ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Oui.", times=3))
    opened = await _open(ada, config={"instructions": "Answer in French.", "tools_off": ["calculate"], "temperature": 0.5})
    first = (await ada.ask(opened["id"], "Yes?")).json()["run_id"]
    changed = (await ada.http.patch(f"/sessions/{opened['id']}", json={"config": {"temperature": 0.7}})).json()
    same = (await ada.http.patch(f"/sessions/{opened['id']}", json={"config": {"temperature": 0.7}})).json()
    second = (await ada.ask(opened["id"], "And now?")).json()["run_id"]
    assert (opened["config_version"], changed["config_version"], same["config_version"]) == (1, 2, 2)
    assert changed["config"] == {"temperature": 0.7}
    assert [(await ada.http.get(f"/runs/{run}")).json()["config_version"] for run in (first, second)] == [1, 2]
    history = (await ada.http.get(f"/sessions/{opened['id']}/configs")).json()
    assert [(one["version"], one["config"].get("temperature")) for one in history] == [(2, 0.7), (1, 0.5)]
    before, after = [request.body for request in await provider.requests()][:2]
    assert "Answer in French." in before["messages"][0]["content"]
    assert "calculate" not in {tool["function"]["name"] for tool in before["tools"]}
    assert (before["temperature"], after["temperature"]) == (0.5, 0.7)
    assert "calculate" in {tool["function"]["name"] for tool in after["tools"]}


async def test_of_configurations_that_are_set_at_once_each_is_a_version_and_the_last_one_holds(ada: Visitor) -> None:
    session = (await _open(ada))["id"]
    temperatures = [number / 10 for number in range(1, 11)]
    answers = await asyncio.gather(*(ada.http.patch(f"/sessions/{session}", json={"config": {"temperature": one}}) for one in temperatures))
    assert {answer.status_code for answer in answers} == {200}
    versions = (await ada.http.get(f"/sessions/{session}/configs")).json()
    assert [one["version"] for one in versions] == [*range(10, 0, -1)]
    assert sorted(one["config"]["temperature"] for one in versions) == temperatures
    held = (await ada.http.get(f"/sessions/{session}")).json()
    assert (held["config_version"], held["config"]) == (10, versions[0]["config"])


@pytest.mark.parametrize(
    "config",
    [
        '{"tools_off": [' + ",".join(f'"{number}{"x" * 9_000}"' for number in range(100)) + "]}",
        '{"tools_off": [' + ",".join(f'"{number}{"x" * 190}"' for number in range(100)) + "]}",
        '{"tools_off": [' + ",".join(f'"{number}"' for number in range(100_000)) + "]}",
        '{"instructions": "' + "x" * 900_000 + '"}',
        '{"temperature": ' + "[" * 60 + "]" * 60 + "}",
        '{"temperature": ' + "[" * 100_000 + "]" * 100_000 + "}",
        '{"temperature": NaN}',
        '{"temperature": 1' + "0" * 5_000 + "}",
        '{"instructions": "\\ud800"}',
        '{"instructions": "\\u0000"}',
        "[]",
        "null",
    ],
    ids=[
        "long names",
        "a hundred names",
        "many names",
        "a novel",
        "nested",
        "nested without end",
        "nan",
        "huge number",
        "half a pair",
        "nul",
        "list",
        "null",
    ],
)
async def test_a_configuration_that_is_made_to_hurt_is_refused_in_few_words(ada: Visitor, config: str) -> None:
    answer = await ada.http.post("/sessions", content=f'{{"config": {config}}}', headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")
    assert len(answer.content) < 15_000
    assert (await ada.http.get("/sessions")).json()["items"] == []


async def test_a_session_whose_agent_is_no_longer_served_can_be_read_and_says_so_when_it_is_written_in(
    ada: Visitor, database_url: str, provider: ProviderStub
) -> None:
    await provider.script(Text("Hello."))
    session = (await _open(ada, config={"temperature": 0.5}))["id"]
    await ada.ask(session, "Hello?")
    with psycopg.connect(database_url) as connection:
        connection.execute("UPDATE session SET agent = 'retired' WHERE id = %s", (session,))
    for method, path, body in (
        ("POST", "chat", {"message": "Anybody there?"}),
        ("POST", "chat/stream", {"message": "Anybody there?"}),
        ("POST", "runs", {"message": "Anybody there?"}),
        ("POST", "regenerate", {}),
        ("PATCH", "", {"config": {"temperature": 1}}),
    ):
        answer = await ada.http.request(method, f"/sessions/{session}/{path}".rstrip("/"), json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "unknown_agent"), path
        assert "there are assistant" in answer.json()["detail"]
    for path in ("", "/state", "/messages", "/configs", "/branches", "/checkpoints"):
        assert (await ada.http.get(f"/sessions/{session}{path}")).status_code == 200, path
    assert (await ada.http.patch(f"/sessions/{session}", json={"name": "Of old"})).json()["name"] == "Of old"
    assert (await ada.http.delete(f"/sessions/{session}")).status_code == 204
