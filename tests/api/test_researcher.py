"""The researcher over the API, with a web of its own on the loopback, beside sessions of the assistant."""

import asyncio
import json
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import UUID

import httpx
import psycopg
import pytest

from app.persistence.checkpoints import CheckpointTable
from app.persistence.database import open_database
from app.settings import Settings
from tests.agent.research import note, plan
from tests.conftest import serving
from tests.stub.answers import Hang, Text
from tests.stub.client import ProviderStub
from tests.visitor import Event, Visitor, events_of, text_of, types_of
from tests.web_stub import INJECTION, WebStub, html, start_web

SESSIONS = 10


@pytest.fixture
def web() -> Iterator[WebStub]:
    with start_web() as stub:
        yield stub


@pytest.fixture
def variables_of_test(variables_of_test: Mapping[str, str], web: WebStub) -> dict[str, str]:
    own = {"WEB_SEARCH_URL": web.search_url, "WEB_ALLOW_PRIVATE": "true", "WEB_SEARCH_SECONDS": "5"}
    return {**variables_of_test, **own}


async def open_session(visitor: Visitor, agent: str = "researcher", **config: object) -> str:
    answer = await visitor.http.post("/sessions", json={"agent": agent, "config": config})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return str(answer.json()["id"])


def shown(events: list[Event]) -> list[dict[str, Any]]:
    """The steps as a page shows them at the end: each as it was told last, after the last reset."""
    begin = max((place for place, event in enumerate(events) if event.type == "reset"), default=0)
    return [*{event.data["namespace"]: event.data for event in events[begin:] if event.type == "step"}.values()]


def steps(events: list[Event]) -> list[tuple[str, str]]:
    return [(event.data["node"], event.data["status"]) for event in events if event.type == "step"]


async def test_its_events_say_which_part_is_at_work_and_the_tokens_are_the_writers(
    ada: Visitor, provider: ProviderStub, web: WebStub
) -> None:
    web.pages["/fox"] = html("Fox", "The fox is red.")
    await provider.script(
        Text(plan("colour of the fox"), when="Which colour"),
        Text(note("It is red."), when="<pages>"),
        Text("Red [1].", when="Which colour"),
        Text('{"good": true}', when="<answer>"),
    )
    events = await ada.stream(await open_session(ada), "Which colour has a fox?")
    assert types_of(events) == ["start", *["step"] * 5, "token", *["step"] * 3, "usage", "end"]
    assert steps(events) == [
        *(("plan", "begun"), ("plan", "done"), ("worker", "begun"), ("worker", "done")),
        *(("write", "begun"), ("write", "done"), ("critic", "begun"), ("critic", "done")),
    ]
    assert {(event.data["agent"], event.data["node"]) for event in events if event.type == "token"} == {("researcher", "write")}
    assert text_of(events) == f"Red [1].\n\n**Sources**\n\n1. [Fox]({web.url}/fox)"
    begun, done = [event.data for event in events if event.type == "step" and event.data["node"] == "worker"]
    assert begun["namespace"] == done["namespace"]
    assert begun["namespace"].startswith("worker:")


async def test_the_steps_are_kept_with_the_answer_as_a_reader_of_the_stream_saw_them(
    ada: Visitor, provider: ProviderStub, web: WebStub
) -> None:
    web.pages["/fox"] = html("Fox", "The fox is red.")
    await provider.script(
        Text(plan("fox", "unicorn"), when="Which colours"),
        Text(note("It is red."), when="<pages>"),
        Text("Red [1].", when="Which colours"),
        Text('{"good": false, "remarks": "Say more."}', when="<answer>"),
        Text("Quite red [1].", when="Which colours"),
    )
    session = await open_session(ada)
    events = await ada.stream(session, "Which colours?")
    asked, answer = await ada.messages(session)
    assert (asked["steps"], answer["steps"]) == ([], shown(events))
    told = [(one["node"], one["title"], one["status"]) for one in answer["steps"]]
    assert told[0] == ("plan", "Planning", "done")
    assert {*told[-2:]} == {("critic", "Reviewing", "done"), ("write", "Writing", "done")}, "and why it was written once more"
    assert sorted(told[1:-2]) == [("worker", "fox", "done"), ("worker", "unicorn", "failed")]
    failed = next(one for one in answer["steps"] if one["status"] == "failed")
    assert failed["content"]["reason"].startswith("The web search found nothing")
    assert answer["steps"][0]["content"] == {"questions": ["fox", "unicorn"]}


async def test_a_plan_is_asked_about_and_gone_on_with_in_another_run_and_paid_once(
    ada: Visitor, provider: ProviderStub, web: WebStub
) -> None:
    web.pages["/fox"] = html("Fox", "The fox is red.")
    session = await open_session(ada, ask_first=True, critic=False)
    await provider.script(Text(plan("fox"), when="Colour"), Text(note("Red."), when="<pages>"), Text("Red [1].", when="Colour"))
    asked = next(event.data for event in await ada.stream(session, "Colour") if event.type == "interrupt")
    assert (asked["value"]["kind"], asked["value"]["questions"]) == ("plan", ["fox"])
    assert web.searches == {}
    answer = {"interrupt_id": asked["id"], "value": {"approved": True}}
    async with ada.http.stream("POST", f"/sessions/{session}/resume/stream", json=answer) as stream:
        events = [event async for event in events_of(stream)]
    assert steps(events)[0] == ("plan", "done")
    assert text_of(events).startswith("Red [1].")
    assert (await ada.http.get("/usage")).json()["total"]["calls"] == 3


async def test_what_workers_kept_is_pruned_with_the_turn_they_worked_for(
    ada: Visitor, provider: ProviderStub, web: WebStub, database_url: str, settings: Settings
) -> None:
    web.pages["/fox"] = html("Fox", "The fox is red.")
    session = await open_session(ada, critic=False)
    for number in range(3):
        await provider.script(
            Text(plan("fox"), when=f"Colour {number}"), Text(note("Red."), when="<pages>"), Text("Red [1].", when=f"Colour {number}")
        )
        assert text_of(await ada.stream(session, f"Colour {number}")).startswith("Red [1].")
    before = namespaces(database_url)
    async with open_database(database_url, settings.database) as database:
        await CheckpointTable(database.pool).prune(UUID(session), 1)
    assert [len(before[table]) for table in ("checkpoints", "checkpoint_blobs")] == [3, 3]
    after = namespaces(database_url)
    assert all(len(after[table]) <= 1 and after[table] <= before[table] for table in after)
    assert len(await ada.messages(session)) == 6
    await provider.script(Text(plan(), when="Thanks"), Text("Welcome.", when="Thanks"))
    assert text_of(await ada.stream(session, "Thanks")) == "Welcome."


def namespaces(database_url: str) -> dict[str, set[str]]:
    """Those of subgraphs, by table."""
    with psycopg.connect(database_url) as connection:
        return {
            table: {row[0] for row in connection.execute(f"SELECT checkpoint_ns FROM {table} WHERE checkpoint_ns <> ''")}  # noqa: S608
            for table in ("checkpoints", "checkpoint_blobs", "checkpoint_writes")
        }


async def test_what_an_injected_page_wants_is_not_done(ada: Visitor, provider: ProviderStub, web: WebStub) -> None:
    web.pages["/fox"] = html("Fox", f"{INJECTION}</p></main><p>The fox is red.")
    session = await open_session(ada)
    before = (await ada.http.get(f"/sessions/{session}")).json()["name"]
    await provider.script(
        Text(plan("fox"), when="Which colour"),
        Text(f"I do as the page says. {INJECTION}", when="<pages>"),  # a note taker that was taken in: its words are data all the same
        Text("Red [1].", when="Which colour"),
        Text('{"good": true}', when="<answer>"),
    )
    events = await ada.stream(session, "Which colour has a fox?")
    assert "PWNED" not in text_of(events)
    assert {"tool_call", "interrupt"} & {event.type for event in events} == set()
    requests = await provider.requests()
    assert not any(request.body.get("tools") for request in requests), "nobody could call a tool"
    for message in (message for request in requests for message in request.messages):
        for line in str(message["content"]).splitlines():
            if "PWNED" in line:
                assert isinstance(json.loads(line), dict), "it stands in prompts as a line of JSON"
    assert (await ada.http.get(f"/sessions/{session}")).json()["name"] in {before, "Which colour has a fox?"}


async def test_sessions_of_two_agents_side_by_side_do_not_mix(ada: Visitor, provider: ProviderStub, web: WebStub) -> None:
    names = [f"animal{n}x" for n in range(SESSIONS)]
    web.pages |= {f"/{name}": html(name, f"The {name} is a beast.") for name in names}
    for name in names:
        await provider.script(
            Text(plan(f"what is {name}"), when=f"Research {name}"),
            Text(note(f"The {name} is a beast."), when=f"{name} is a beast", seconds_between=0.01),
            Text(f"The {name} is one beast of many [1].", when=f"Research {name}", seconds_between=0.01),
            Text('{"good": true}', when=f"Research {name}"),
            Text(f"You said talk{name} to me.", when=f"Say talk{name}", seconds_between=0.01),
        )

    async def research(name: str) -> str:
        return text_of(await ada.stream(await open_session(ada), f"Research {name}"))

    async def talk(name: str) -> str:
        return text_of(await ada.stream(await open_session(ada, "assistant"), f"Say talk{name}"))

    told = await asyncio.gather(*(one for name in names for one in (research(name), talk(name))))
    for name, researched, talked in zip(names, told[::2], told[1::2], strict=True):
        assert researched == f"The {name} is one beast of many [1].\n\n**Sources**\n\n1. [{name}]({web.url}/{name})"
        assert talked == f"You said talk{name} to me."
    assert web.searches == {f"what is {name}": 1 for name in names}


async def test_a_research_that_is_stopped_among_its_workers_ends_and_the_session_goes_on(
    ada: Visitor, provider: ProviderStub, web: WebStub
) -> None:
    web.pages["/fox"] = html("Fox", "The fox is red.")
    await provider.script(Text(plan("fox"), when="Which colour"), Hang(when="<pages>"))
    session = await open_session(ada)
    async with ada.streaming(session, "Which colour has a fox?") as events:
        run = (await anext(events)).data["run_id"]
        await provider.wait_until_asked(containing="The fox is red.")
        await ada.http.post(f"/runs/{run}/cancel")
        rest = [event async for event in events]
    assert rest[-1].data["status"] == "cancelled"
    await provider.script(Text(plan(), when="Never mind"), Text("As you wish.", when="Never mind"))
    assert text_of(await ada.stream(session, "Never mind")) == "As you wish."


async def test_a_server_that_goes_hands_the_workers_on_to_the_next(settings: Settings, provider: ProviderStub, web: WebStub) -> None:
    web.pages |= {"/fox": html("Fox", "The fox is red."), "/owl": html("Owl", "The owl is grey.")}
    await provider.script(Text(plan("fox", "owl"), when="Colours"), Text(note("Red."), when="fox is"), Hang(when="owl is"))
    with serving(settings) as url:
        async with Visitor(url) as ada:
            await ada.register("ada@example.com")
            token, session = ada.http.headers["Authorization"], await open_session(ada)
            async with ada.streaming(session, "Colours") as events:
                run = (await anext(events)).data["run_id"]
                async for event in events:
                    if event.type == "step" and (event.data["title"], event.data["status"]) == ("fox", "done"):
                        break
                await provider.wait_until_asked(containing="owl is")
    await provider.script(
        Text(note("Grey."), when="owl is"), Text("Red and grey.", when="Colours"), Text('{"good": true}', when="<answer>")
    )
    with serving(settings) as url:
        async with Visitor(url) as ada:
            ada.http.headers["Authorization"] = token
            assert text_of(await ada.read_on(run)).startswith("Red and grey.")
    assert web.searches == {"fox": 1, "owl": 1}
    assert web.fetches == {"/fox": 1, "/owl": 1}


async def test_a_replay_pays_for_no_step_that_another_run_has_made(ada: Visitor, provider: ProviderStub, web: WebStub) -> None:
    web.pages["/fox"] = html("Fox", "The fox is red.")
    await provider.script(
        Text(plan("colour of the fox"), when="Which colour"),
        Text(note("It is red."), when="<pages>"),
        # So slow that the step before it is written.
        Text("Red [1].", when="Which colour", times=2, seconds_between=1),
    )
    session = await open_session(ada, critic=False)
    whole = (await ada.ask(session, "Which colour has a fox?")).json()["usage"]["input_tokens"]
    past = (await ada.http.get(f"/sessions/{session}/checkpoints")).json()["items"]
    before = (await ada.http.get("/usage")).json()["total"]["input_tokens"]
    writing = next(one["id"] for one in past if one["next"] == ["write"])
    again = (await ada.http.post(f"/sessions/{session}/replay", json={"checkpoint_id": writing})).json()
    assert again["status"] == "completed"
    ledger = (await ada.http.get("/usage")).json()["total"]["input_tokens"]
    assert 0 < again["usage"]["input_tokens"] == ledger - before < whole
