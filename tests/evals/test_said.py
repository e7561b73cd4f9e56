"""What users have said becomes cases, masked; what they disliked, cases that nobody is asked before somebody has read them."""

import stat
from pathlib import Path
from typing import Any

import psycopg
import pytest

from app.persistence.said import Wanted
from app.settings import Settings
from evals.commands.wanting import wanted_of
from evals.errors import EvalsError, Misused
from evals.sources.database import recent_runs
from evals.sources.files import load_dataset
from tests.conftest import Server
from tests.evals.trying import running
from tests.stub.answers import HttpError, Text, ToolCall, ToolCalls
from tests.stub.client import ProviderStub
from tests.visitor import Visitor

_SECRET = "Write to charles@example.com or +44 20 7946 0958. My password is Engine-1843!"


async def _said(visitor: Visitor, message: str, *, session: str = "", **more: Any) -> tuple[str, str, str]:
    session = session or await visitor.open_session()
    answer = (await visitor.ask(session, message, **more)).json()
    return session, answer.get("run_id", ""), answer.get("message", {}).get("id", "")


async def _judge(visitor: Visitor, message: str, score: int, comment: str = "") -> None:
    assert (await visitor.http.post(f"/messages/{message}/feedback", json={"score": score, "comment": comment})).status_code < 300


async def _ids(settings: Settings, wanted: Wanted, limit: int = 100, seed: int = 0) -> list[str]:
    return [case.id for case, _ in await recent_runs(settings, wanted, limit=limit, seed=seed)]


async def test_a_run_becomes_a_case_with_all_that_led_to_it_and_its_answer(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good day."), ToolCalls([ToolCall("calculate", {"expression": "6 * 7"})]), Text("It is 42."))
    session, first, _ = await _said(ada, _SECRET, model="gpt-5")
    _, second, message = await _said(ada, "And 6 * 7?", session=session, model="gpt-5")
    await _judge(ada, message, -1, "Ask ada@example.com")
    found = {case.id: (case, answer) for case, answer in await recent_runs(server.settings, Wanted(), limit=10, seed=0)}
    assert {*found} == {f"run-{first}", f"run-{second}"}
    case, answer = found[f"run-{second}"]
    assert case.conversation[1] == "And 6 * 7?"
    assert [(turn.text, [(call.name, call.result) for call in turn.tool_calls]) for turn in answer.turns] == [
        ("Good day.", []),
        ("It is 42.", [("calculate", "42")]),
    ]
    assert (case.reviewed, case.tags, answer.case_id) == (False, frozenset({"recent", "disliked"}), case.id)
    assert answer.turns[1].cost_usd
    assert answer.turns[1].first_token_seconds
    assert "It is 42." in case.note
    for hidden in ("charles@", "7946", "Engine-1843", "ada@"):
        assert hidden not in repr(found)


async def test_runs_are_chosen_by_what_is_known_of_them(server: Server, ada: Visitor, bob: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good day.", times=2), HttpError(500))
    _, liked, message = await _said(ada, "Hello")
    await _judge(ada, message, 1)
    _, priced, _ = await _said(bob, "Hello", model="gpt-5")
    await bob.ask(await bob.open_session(), "Fail")
    temporary = (await ada.http.post("/sessions", json={"temporary": True})).json()["id"]
    await _said(ada, "Between us", session=temporary)
    with psycopg.connect(server.settings.database.url, autocommit=True) as connection:
        connection.execute("UPDATE \"user\" SET tier = 'pro' WHERE email = 'bob@example.com'")
        connection.execute("UPDATE run SET created_at = now() - interval '9 days' WHERE id = %s", [liked])
    everything = await _ids(server.settings, Wanted())
    assert len(everything) == 3, "and nothing of a temporary session"
    assert await _ids(server.settings, wanted_of(["feedback=up"])) == [f"run-{liked}"]
    assert await _ids(server.settings, wanted_of(["model=gpt-5"])) == [f"run-{priced}"]
    (failed,) = await _ids(server.settings, wanted_of(["error=any"]))
    assert await _ids(server.settings, wanted_of(["error=model_unavailable", "tier=pro"])) == [failed]
    assert {*await _ids(server.settings, wanted_of(["since=7d"]))} == {*everything} - {f"run-{liked}"}
    with pytest.raises(EvalsError, match="No run"):
        await _ids(server.settings, wanted_of(["tier=free", "error=any"]))


async def test_a_sample_is_the_same_for_a_seed_and_another_for_another(server: Server, ada: Visitor, provider: ProviderStub) -> None:
    await provider.script(Text("Good day.", times=8))
    for number in range(8):
        await _said(ada, f"Hello {number}")
    samples = [{*await _ids(server.settings, Wanted(), limit=4, seed=seed)} for seed in range(6)]
    assert all(len(sample) == 4 for sample in samples)
    assert samples[0] == {*await _ids(server.settings, Wanted(), limit=4, seed=0)}
    assert len({frozenset(sample) for sample in samples}) > 1


@pytest.mark.parametrize("where", ["model", "colour=red", "feedback=maybe", "since=yesterday", "tier="])
def test_what_cannot_be_meant_is_refused(where: str) -> None:
    with pytest.raises(Misused, match="--where"):
        wanted_of([where])


async def test_what_was_disliked_is_harvested_and_not_tried_before_it_is_reviewed(
    logged_in: str, ada: Visitor, provider: ProviderStub, variables_of_test: dict[str, str], tmp_path: Path
) -> None:
    await provider.script(Text("Good day.", times=3))
    _, liked, message = await _said(ada, "Hello")
    await _judge(ada, message, 1)
    _, disliked, message = await _said(ada, _SECRET)
    await _judge(ada, message, -1, "Not what I asked.")
    output, log = tmp_path / "harvested.yaml", tmp_path / "log"
    assert _code("harvest", "--output", str(output), variables=variables_of_test, log=log) == 0
    (case,) = load_dataset(str(output)).cases
    assert (case.id, case.reviewed) == (f"run-{disliked}", False)
    assert liked not in output.read_text()
    assert "Not what I asked." in case.note
    assert "charles@" not in output.read_text()
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert _code("harvest", "--output", str(output), variables=variables_of_test, log=log) == 2, "it is there already"
    order = ("run", "--dataset", str(output), "--url", logged_in, "--results", str(tmp_path / "kept"))
    assert _code(*order, variables=variables_of_test, log=log) == 2
    assert "Nobody has reviewed" in log.read_text()
    output.write_text(output.read_text().replace("reviewed: false", "reviewed: true"))
    assert _code(*order, variables=variables_of_test, log=log) == 0, log.read_text()


async def test_what_users_were_answered_is_judged_without_anybody_being_asked(
    server: Server, ada: Visitor, provider: ProviderStub, variables_of_test: dict[str, str], tmp_path: Path
) -> None:
    await provider.script(Text("Good day."))
    await _said(ada, "Hello")
    before, log = len(await provider.requests()), tmp_path / "log"
    assert server
    assert _code("run", "--recent", "5", "--results", str(tmp_path / "kept"), variables=variables_of_test, log=log) == 0, log.read_text()
    (path,) = (tmp_path / "kept").iterdir()
    assert '"Good day."' in (path / "experiment.json").read_text()
    assert len(await provider.requests()) == before


def _code(*order: str, variables: dict[str, str], log: Path) -> int:
    with running(*order, variables=variables, log=log) as process:
        return process.wait(60)
