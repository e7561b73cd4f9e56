"""A run asks each case as often as it should, keeps what comes, and can be gone on with whatever ended it."""

import asyncio
import json
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from evals.answers import Answer, Turn
from evals.budget import Budget
from evals.cases import Case, Checks, Dataset
from evals.errors import EvalsError
from evals.metrics import metrics_for
from evals.options import Options
from evals.running import Run, spent_before
from evals.store import Folder
from evals.targets.http import open_http
from evals.tries import no_player
from tests.evals.trying import Length, Silent, begun, cases, running
from tests.stub.answers import HttpError, Text
from tests.stub.client import ProviderStub

_DATASET = "name: counted\nversion: 1\ncases:\n" + "".join(f"  - {{id: case-{n}, input: Question {n} of six}}\n" for n in range(1, 7))


async def _go(folder: Folder, url: str, metric: Length | None = None, budget: Budget | None = None) -> Run:
    async with open_http(Options(url=url, model=folder.head.options.model)) as target:
        run = Run(folder, target, [metric or Length()], no_player, budget or spent_before(folder))
        await run.go(Silent())
    return run


async def test_each_case_is_tried_as_often_as_asked_for_and_scored(logged_in: str, provider: ProviderStub, tmp_path: Path) -> None:
    await provider.script(Text("Good day to you.", times=6))
    with begun(tmp_path, cases("Hello", "Bye"), repeat=3, concurrency=2) as folder:
        run = await _go(folder, logged_in)
    assert run.left == []
    with Folder.resume(folder.path) as kept:
        assert {*kept.answers} == {*kept.scores} == {(f"case-{case}", attempt) for case in (1, 2) for attempt in (1, 2, 3)}
        assert {score.value for scores in kept.scores.values() for score in scores} == {4}


async def test_an_answer_that_did_not_come_passes_no_check_and_measures_nothing(
    logged_in: str, provider: ProviderStub, tmp_path: Path
) -> None:
    """Else an agent would be the better, the more of its answers fail."""
    await provider.script(HttpError(500))
    dataset = Dataset(name="tried", version=1, cases=(Case(id="hello", input="Hello", checks=Checks(lacks=("Oslo",))),))
    with begun(tmp_path, dataset) as folder:
        async with open_http(Options(url=logged_in)) as target:
            await Run(folder, target, metrics_for(dataset), no_player, spent_before(folder)).go(Silent())
        assert [answer.error for answer in folder.answers.values()] == ["model_unavailable"]
        [scores] = folder.scores.values()
    assert [(score.metric, score.value) for score in scores] == [("lacks", 0)]


async def test_nothing_is_asked_once_the_budget_is_spent_by_answers(logged_in: str, provider: ProviderStub, tmp_path: Path) -> None:
    await provider.script(Text("Good day.", times=10))
    with begun(tmp_path, cases(*"abcdefghij"), concurrency=1, budget_usd=1e-9, model="gpt-5") as folder:
        run = await _go(folder, logged_in)
        assert (len(folder.answers), len(run.left)) == (1, 9)
        assert spent_before(folder).is_spent, "also for who goes on with it"
    assert len(await provider.requests()) == 1


async def test_nothing_is_asked_once_the_budget_is_spent_by_judges(logged_in: str, provider: ProviderStub, tmp_path: Path) -> None:
    await provider.script(Text("Good day.", times=10))
    with begun(tmp_path, cases(*"abcdefghij"), concurrency=1, budget_usd=2.5, model="gpt-5") as folder:
        run = await _go(folder, logged_in, Length(cost_usd=1))
        assert (len(folder.answers), len(run.left)) == (3, 7)


async def test_an_answer_without_its_scores_is_scored_and_not_asked_again(logged_in: str, provider: ProviderStub, tmp_path: Path) -> None:
    await provider.script(Text("Good day."))
    with begun(tmp_path, cases("Hello")) as folder:
        await _go(folder, logged_in)
    (folder.path / "scores.jsonl").write_bytes(b"")
    with Folder.resume(folder.path) as kept:
        await _go(kept, logged_in)
        assert len(kept.scores) == 1
    assert len(await provider.requests("Hello")) == 1


async def test_two_of_one_server_at_once_do_not_meet(logged_in: str, provider: ProviderStub, tmp_path: Path) -> None:
    await provider.script(Text("Good day.", times=8))
    with begun(tmp_path, cases(*"abcd")) as one, begun(tmp_path, cases(*"abcd")) as other:
        await asyncio.gather(_go(one, logged_in), _go(other, logged_in))
        assert len(one.answers) == len(other.answers) == 4
        assert one.path != other.path


def test_nobody_writes_where_another_does(tmp_path: Path) -> None:
    with begun(tmp_path, cases("Hello")) as folder, pytest.raises(EvalsError, match="another process"):
        Folder.resume(folder.path)


async def test_kill_9_in_the_middle_loses_nothing_and_has_nothing_asked_twice(
    logged_in: str, provider: ProviderStub, variables_of_test: Mapping[str, str], tmp_path: Path
) -> None:
    await provider.script(Text("Good day.", times=3), Text(pieces=["Wait"], ending="hang"))
    (tmp_path / "counted.yaml").write_text(_DATASET)
    order = ["--dataset", str(tmp_path / "counted.yaml"), "--url", logged_in, "--concurrency", "1", "--results", str(tmp_path / "kept")]
    with running("run", *order, variables=variables_of_test, log=tmp_path / "log") as first:
        await provider.wait_until_asked(4, seconds=60)
        (path,) = (tmp_path / "kept").iterdir()
        first.kill()
    first.wait()
    with (path / "answers.jsonl").open("ab") as answers:
        answers.write(b'{"case_id":"case-4","att')  # what a process may leave that dies as it writes
    assert _kept(path) == ["case-1", "case-2", "case-3"]
    await provider.script(Text("Good day.", times=3))
    with running("run", "--resume", str(path), variables=variables_of_test, log=tmp_path / "log") as second:
        code = await asyncio.to_thread(second.wait, 60)
    assert code == 0, (tmp_path / "log").read_text()
    assert _kept(path) == [f"case-{number}" for number in range(1, 7)]
    assert [len(await provider.requests(f"Question {number}")) for number in (1, 2, 3, 5, 6)] == [1] * 5
    assert len(json.loads((path / "experiment.json").read_bytes())["results"]) == 6


async def test_ctrl_c_says_how_to_go_on(
    logged_in: str, provider: ProviderStub, variables_of_test: Mapping[str, str], tmp_path: Path
) -> None:
    await provider.script(Text("Good day."), Text(pieces=["Wait"], ending="hang"))
    (tmp_path / "counted.yaml").write_text(_DATASET)
    order = ["--dataset", str(tmp_path / "counted.yaml"), "--url", logged_in, "--concurrency", "1", "--results", str(tmp_path / "kept")]
    with running("run", *order, variables=variables_of_test, log=tmp_path / "log") as process:
        await provider.wait_until_asked(2, seconds=60)
        process.send_signal(signal.SIGINT)
        code = await asyncio.to_thread(process.wait, 30)
    (path,) = (tmp_path / "kept").iterdir()
    assert code == 130
    assert f"python -m evals run --resume {path}" in (tmp_path / "log").read_text()
    assert _kept(path) == ["case-1"]


def _kept(path: Path) -> Sequence[str]:
    with Folder.resume(path) as folder:
        return [case_id for case_id, _ in sorted(folder.answers)]


async def test_turns_before_one_that_was_cut_off_are_paid_for(tmp_path: Path) -> None:
    turns = [Turn(said="a", text="b", cost_usd=0.25), Turn(said="c", text="", cost_usd=None)]
    given = [Answer(case_id="case-1", attempt=1, turns=turns, error="timeout")]
    with begun(tmp_path, cases("Hello"), given, budget_usd=0.2) as folder:
        budget = spent_before(folder)
    assert (budget.spent_usd, budget.unpriced, budget.is_spent) == (0.25, 1, True)


async def test_ctrl_c_before_anything_came_promises_nothing(
    logged_in: str, provider: ProviderStub, variables_of_test: Mapping[str, str], tmp_path: Path
) -> None:
    await provider.script(Text(pieces=["Wait"], ending="hang"))
    (tmp_path / "counted.yaml").write_text(_DATASET)
    order = ["--dataset", str(tmp_path / "counted.yaml"), "--url", logged_in, "--concurrency", "1", "--results", str(tmp_path / "kept")]
    with running("run", *order, variables=variables_of_test, log=tmp_path / "log") as process:
        await provider.wait_until_asked(1, seconds=60)
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 30) == 130
    assert "nothing had come" in (tmp_path / "log").read_text()
    assert not [*(tmp_path / "kept").iterdir()]
