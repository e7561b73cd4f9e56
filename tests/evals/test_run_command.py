"""What `run` is told, what it refuses, and what it says."""

from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from app.settings import Settings
from evals.__main__ import main
from evals.commands.choosing import add_options, ask_for_missing, changed, options_of
from evals.commands.sourcing import sourced
from evals.errors import Misused
from evals.options import Options
from evals.store import Folder
from tests.evals.trying import running
from tests.stub.answers import Text
from tests.stub.client import ProviderStub


def told(*words: str) -> Namespace:
    parser = ArgumentParser()
    add_options(parser)
    return parser.parse_args(words)


def test_what_is_not_said_is_the_default_and_who_answers_follows_from_the_rest() -> None:
    assert options_of(told()) == Options()
    assert options_of(told("--url", "http://127.0.0.1:8000")).target == "http"
    assert options_of(told("--recent", "5", "--url", "http://127.0.0.1:8000")).target == "given"
    assert options_of(told("--recent", "5", "--again")).target == "graph"
    options = options_of(told("--repeat", "3", "--budget", "0.5", "--metric", "a", "--metric", "b"))
    assert (options.repeat, options.budget_usd, options.metrics) == (3, 0.5, ("a", "b"))


def test_an_experiment_goes_on_as_it_began() -> None:
    before = Options(model="one", budget_usd=1)
    after = changed(before, told("--budget", "2", "--concurrency", "9"))
    assert (after.model, after.budget_usd, after.concurrency) == ("one", 2, 9)
    for other in (("--model", "two"), ("--dataset", "tools"), ("--repeat", "2"), ("--tag", "a")):
        with pytest.raises(Misused, match="goes on as it began"):
            changed(before, told(*other))


def test_nobody_is_asked_unless_that_is_asked_for() -> None:
    chosen = told("--ask", "--judge", "three")
    answers = iter(["", " two "])
    ask_for_missing(chosen, lambda _: next(answers))
    assert (chosen.dataset, chosen.model, chosen.judge) == ("smoke", "two", "three")
    with pytest.raises(Misused, match="nobody to ask"):
        ask_for_missing(told("--ask"))


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (["run", "--dataset", "nope"], "There is no dataset nope"),
        (["run", "--repeat", "0"], "a whole number from 1"),
        (["run", "--budget", "nan"], "a number above 0"),
        (["run", "--tag", "nope"], "has the tag nope"),
        (["run", "--dataset", "smoke", "--recent", "3"], "not allowed with"),
        (["run", "--recent", "3", "--where", "x"], "--where x"),
        (["run", "--where", "model=x"], "--where is for --recent"),
        (["run", "--again"], "--again is for --recent"),
        (["run", "--recent", "3", "--wait", "4"], "--wait is for --langfuse-recent"),
        (["run", "--email", "ada@example.com"], "--email is for --url"),
        (["run", "--url", "http://[::1"], "must be like http://localhost:8000"),
        (["run", "--url", "nonsense"], "must be like http://localhost:8000"),
        (["calibrate", "--judge", "nope"], "There is no model of this name"),
        (["calibrate", "--concurrency", "0"], "a whole number from 1 to 64"),
        (["harvest", "--output", "here.txt"], "must end in .yaml"),
    ],
)
def test_misuse_is_one_clear_line_and_exit_code_2(
    settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path, order: list[str], words: str
) -> None:
    assert settings
    with pytest.raises(SystemExit) as left:
        main([*order, "--results", str(tmp_path / "kept")] if order[0] == "run" else order)
    assert left.value.code == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "kept").exists()


def test_an_experiment_that_is_none_is_told(settings: Settings, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert settings
    with pytest.raises(SystemExit) as left:
        main(["run", "--resume", str(tmp_path)])
    assert left.value.code == 1
    assert "no experiment was kept there" in capsys.readouterr().err


async def test_a_budget_that_did_not_last_is_told_and_gone_on_with(
    logged_in: str, provider: ProviderStub, variables_of_test: dict[str, str], tmp_path: Path
) -> None:
    await provider.script(Text("Good day.", times=4))
    dataset, log = tmp_path / "four.yaml", tmp_path / "log"
    dataset.write_text("name: four\nversion: 1\ncases:\n" + "".join(f"  - {{id: {one}, input: Say {one}}}\n" for one in "abcd"))
    how = ("--url", logged_in, "--model", "gpt-5", "--concurrency", "1", "--results", str(tmp_path / "kept"))
    with running("run", "--dataset", str(dataset), "--budget", "1e-9", *how, variables=variables_of_test, log=log) as process:
        assert process.wait(60) == 1
    (path,) = (tmp_path / "kept").iterdir()
    assert "The budget of $1e-09 is spent: 3 tries were not made." in log.read_text()
    assert f"--resume {path} --budget DOLLARS" in log.read_text()
    with running("run", "--resume", str(path), "--budget", "1", variables=variables_of_test, log=log) as process:
        assert process.wait(60) == 0, log.read_text()
    with Folder.resume(path) as kept:
        assert len(kept.answers) == len(kept.scores) == 4
    assert len(await provider.requests()) == 4


def test_who_asks_is_in_no_report() -> None:
    assert "email" not in Options(email="ada@example.com").told


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (("--where", "model=one"), "--where is for --recent"),
        (("--langfuse-recent", "3", "--where", "since=7d", "--where", "model=one"), "only since= is known there"),
    ],
)
def test_a_wish_that_would_be_passed_over_is_refused(settings: Settings, order: tuple[str, ...], words: str) -> None:
    with pytest.raises(Misused, match=words):
        sourced(settings, told(*order))
