"""The researcher's process is killed in the middle of its workers: the next goes on, and does nothing twice that was done."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from tests.faults.server_process import ServerProcess
from tests.persistence.clients import ask, eventually
from tests.stub.answers import Hang, Text
from tests.stub.client import ProviderStub
from tests.visitor import Event, Visitor, text_of
from tests.web_stub import WebStub, html, start_web

QUESTION: Final = "Which is the longest?"
# The last step of a worker by LangGraph's number, as its checkpoints have it.
SEARCHED, READ, NOTED = 1, 2, 3
_COME_TO: Final = """
SELECT array_agg(step ORDER BY step)
  FROM (SELECT max((metadata ->> 'step')::int) AS step FROM checkpoints WHERE checkpoint_ns <> '' GROUP BY checkpoint_ns) AS worker
"""


def notes(says: str) -> str:
    return json.dumps({"notes": [{"page": 1, "says": says}]})


@pytest.fixture
def web() -> Iterator[WebStub]:
    with start_web() as stub:
        stub.pages |= {f"/{name}": html(f"About {name}", f"The {name} is {len(name)} long.") for name in ("fox", "heron", "newt")}
        yield stub


@pytest_asyncio.fixture
async def server(process_variables: Mapping[str, str], web: WebStub, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    variables = {**process_variables, "WEB_SEARCH_URL": web.search_url, "WEB_ALLOW_PRIVATE": "true", "WEB_PAGE_SECONDS": "30"}
    async with ServerProcess(variables, tmp_path / "server.log") as server:
        yield server


async def research(ada: Visitor) -> tuple[str, str]:
    """Ask, and hang up; the session's id and the run's."""
    session = (await ada.http.post("/sessions", json={"agent": "researcher", "config": {"pages": 1}})).json()["id"]
    async with ada.streaming(session, QUESTION) as events:
        return session, (await anext(events)).data["run_id"]


async def workers_come_to(database_url: str, *come_to: int) -> None:
    """Wait until it is written how far each worker has come."""
    assert await asyncio.to_thread(eventually, lambda: ask(database_url, _COME_TO) == [*come_to], 10)


def steps(events: list[Event]) -> list[tuple[str, str, str]]:
    """As a page shows them at the end: after the last reset."""
    begin = max((place for place, event in enumerate(events) if event.type == "reset"), default=0)
    return [(one.data["node"], one.data["title"], one.data["status"]) for one in events[begin:] if one.type == "step"]


async def test_a_kill_in_the_middle_of_the_workers_repeats_no_search_and_no_finished_worker(
    server: ServerProcess, ada: Visitor, web: WebStub, provider: ProviderStub, database_url: str
) -> None:
    web.pages["/newt"] = html("About newt", "Never read.", seconds=30)
    await provider.script(
        Text(json.dumps({"questions": ["fox length", "heron length", "newt length"]}), when=QUESTION),
        Text(notes("Three letters."), when="fox"),
        Hang(when="heron"),
    )
    session, run = await research(ada)
    await provider.wait_until_asked(containing="heron is")
    assert await asyncio.to_thread(eventually, lambda: web.fetches["/newt"] == 1, 5)
    await workers_come_to(database_url, SEARCHED, READ, NOTED)
    server.kill()

    web.pages["/newt"] = html("About newt", "The newt is 4 long.")
    asked_before = len(await provider.requests())
    await provider.script(
        Text(notes("Five letters."), when="heron"),
        Text(notes("Four letters."), when="newt"),
        Text("The heron [2], before newt [3] and fox [1].", when=QUESTION),
        Text('{"good": true}', when="<answer>"),
    )
    await server.start()
    events = await ada.read_on(run)

    assert web.searches == {"fox length": 1, "heron length": 1, "newt length": 1}
    assert web.fetches == {"/fox": 1, "/heron": 1, "/newt": 2}, "the newt's page had not come"
    later = (await provider.requests())[asked_before:]
    assert len([one for one in later if "fox is" in str(one.messages)]) == 0, "the finished worker is not asked again"
    assert [event.type for event in events if event.type in {"reset", "end"}] == ["reset", "end"]
    shown = steps(events)
    assert shown[0] == ("plan", "Planning", "done")
    assert ("worker", "fox length", "done") in shown
    assert {("worker", name, status) for name in ("heron length", "newt length") for status in ("begun", "done")} <= {*shown}
    assert len(shown) == len({*shown}), "nothing is told twice"
    fox = next(event for event in events[::-1] if event.type == "step" and event.data["title"] == "fox length")
    assert fox.data["content"]["sources"] == [{"url": f"{web.url}/fox", "title": "About fox"}]
    assert text_of(events).startswith("The heron [1], before newt [2] and fox [3].")
    [*_, answer] = await ada.messages(session)
    assert (answer["status"], answer["content"]) == ("completed", text_of(events))
    kept = [(one["node"], one["title"], one["status"]) for one in answer["steps"]]
    assert kept == [*dict.fromkeys((node, title, "done") for node, title, _ in shown)]


async def test_what_finished_workers_cost_is_in_the_account_of_the_whole_run(
    server: ServerProcess, ada: Visitor, provider: ProviderStub, database_url: str
) -> None:
    await provider.script(
        Text(json.dumps({"questions": ["fox length", "heron length"]}), when=QUESTION),
        Text(notes("Three letters."), when="fox"),
        Hang(when="heron"),
    )
    _, run = await research(ada)
    await provider.wait_until_asked(containing="heron is")
    await workers_come_to(database_url, READ, NOTED)
    server.kill()
    await provider.script(Text(notes("Five."), when="heron"), Text("Heron.", when=QUESTION), Text('{"good": true}', when="<answer>"))
    await server.start()
    used = next(event.data for event in await ada.read_on(run) if event.type == "usage")
    spent = (await ada.http.get("/usage")).json()
    answered = [one for one in await provider.requests() if one.answered]
    assert len(answered) == 5
    assert spent["total"]["calls"] == 5
    assert used["output_tokens"] == spent["total"]["output_tokens"] > 0
