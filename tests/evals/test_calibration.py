"""Calibration: a judge whose errors are known comes out with just these, and what is kept counts for its own prompt only."""

import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from evals.asking import Judging
from evals.calibrating import Labelled, LabelledUnreadable, calibrate, keep, kept, read_labelled
from evals.commands.calibrate import row
from evals.experiment import Calibration
from evals.metrics.judges import Judge
from evals.metrics.rubrics import Rubric, read_rubrics
from evals.statistics import kappa, wilson
from tests.evals.judged_by import open_judging, verdict
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

RUBRICS = read_rubrics()
LEAST_LABELLED = 30


@pytest.fixture
async def judging(provider: ProviderStub, tmp_path: Path) -> AsyncIterator[Judging]:
    async with open_judging(provider, tmp_path) as judging:
        yield judging


def said_of(labelled: Sequence[Labelled], rubric: Rubric, missed: int, let_through: int, unreadable: int) -> list[Text]:
    """The truth of each, but for the first so many good that are called bad, bad that are called good, and the last that are no verdict."""
    said: list[Text] = []
    wrong = {True: missed, False: let_through}
    for case in labelled:
        right = wrong[case.good] <= 0
        wrong[case.good] -= 1
        good = case.good if right else not case.good
        said.append(verdict(good if rubric.scale == "yes_no" else float(good)))
    return [*said[: len(said) - unreadable], *([Text("I cannot say.", times=unreadable)] if unreadable else [])]


@pytest.mark.parametrize("rubric", RUBRICS, ids=lambda rubric: rubric.name)
def test_each_judge_has_labelled_cases_of_both_kinds(rubric: Rubric) -> None:
    labelled = read_labelled(rubric.name)
    assert len(labelled) >= LEAST_LABELLED
    assert 0.4 <= sum(case.good for case in labelled) / len(labelled) <= 0.6
    assert len({case.id for case in labelled}) == len(labelled)
    assert all(rubric.applies_to(case.case(rubric.tags)) and case.given().text for case in labelled)
    assert any("subtle" in case.why for case in labelled)


@pytest.mark.parametrize("rubric", RUBRICS, ids=lambda rubric: rubric.name)
async def test_a_judge_with_known_errors_comes_out_with_just_these(rubric: Rubric, judging: Judging, provider: ProviderStub) -> None:
    labelled = read_labelled(rubric.name)
    await provider.script(*said_of(labelled, rubric, missed=3, let_through=4, unreadable=2))
    found = await calibrate(Judge(rubric=rubric, judging=judging), labelled, concurrency=1)
    assert (found.metric, found.judge, found.n, found.base_rate, found.unreadable) == (rubric.name, "judge", 30, 0.5, 2)
    assert found.true_positive_rate == wilson(11, 14)
    assert found.true_negative_rate == wilson(10, 14)
    assert found.kappa.value == pytest.approx(0.5)
    assert found.kappa.low < 0.5 < found.kappa.high
    assert row(found).split()[:4] == [rubric.name, "judge", "30", "50%"]
    assert "0.79 [0.52, 0.92]" in row(found)


async def test_a_judge_that_likes_everything_agrees_by_chance_alone(judging: Judging, provider: ProviderStub) -> None:
    [toxicity] = [rubric for rubric in RUBRICS if rubric.name == "toxicity"]
    await provider.script(verdict(True, times=30))
    found = await calibrate(Judge(rubric=toxicity, judging=judging), read_labelled("toxicity"))
    assert (found.true_positive_rate.value, found.true_negative_rate.value, found.kappa.value) == (1, 0, 0)


async def test_a_calibration_counts_for_its_judge_and_its_prompt(judging: Judging, provider: ProviderStub, tmp_path: Path) -> None:
    judge = Judge(rubric=RUBRICS[0], judging=judging)
    assert kept([judge], tmp_path) == []
    await provider.script(*said_of(read_labelled(judge.name), judge.rubric, 0, 0, 0))
    found = await calibrate(judge, read_labelled(judge.name), concurrency=1)
    path = keep(found, tmp_path)
    assert kept([judge], tmp_path) == [found]
    reworded = replace(judge, rubric=judge.rubric.model_copy(update={"digest": "another"}))
    assert kept([reworded], tmp_path) == []
    path.write_text("{")
    assert kept([judge], tmp_path) == []


@pytest.mark.parametrize("line", ['{"id": "one"}', "no JSON", '{"id": "one", "input": "A?", "answer": "B.", "good": "perhaps"}'])
def test_a_line_that_is_no_labelled_case_is_told(line: str, tmp_path: Path) -> None:
    (tmp_path / "wit.jsonl").write_text(f'{{"id": "one", "input": "A?", "answer": "B.", "good": true}}\n{line}\n')
    with pytest.raises(LabelledUnreadable, match=r"^wit\.jsonl, line 2: "):
        read_labelled("wit", tmp_path)


def test_a_judge_without_labelled_cases_is_told(tmp_path: Path) -> None:
    with pytest.raises(LabelledUnreadable, match=r"no labelled cases for wit"):
        read_labelled("wit", tmp_path)


@pytest.mark.parametrize(("pairs", "value"), [([(True, True), (False, False)] * 5, 1), ([(True, False), (False, True)] * 5, -1)])
def test_kappa_is_1_for_the_same_and_minus_1_for_the_opposite(pairs: Any, value: float) -> None:
    assert kappa(pairs).value == value


@pytest.mark.parametrize(
    "fault",
    [{"input": None}, {"conversation": ["Hello"]}, {"earlier": ["Too much"]}, {"id": "with a space"}],
)
def test_labelled_cases_that_cannot_be_asked_are_named_by_their_line(tmp_path: Path, fault: dict[str, Any]) -> None:
    right = {"id": "one", "input": "Hello\u2028there", "answer": "Hi!", "good": True}
    (tmp_path / "wit.jsonl").write_text(
        "\n".join(json.dumps(line, ensure_ascii=False) for line in (right, right | fault)), encoding="utf-8"
    )
    with pytest.raises(LabelledUnreadable, match=r"wit\.jsonl, line 2: "):
        read_labelled("wit", tmp_path)


async def test_what_is_kept_of_one_judge_counts_for_no_other_of_a_like_name(judging: Judging, tmp_path: Path) -> None:
    named = judging.model.spec.model_copy(update={"name": "local/judge"})
    judge = Judge(rubric=RUBRICS[0], judging=replace(judging, model=replace(judging.model, spec=named)))
    found = Calibration(
        judge="local_judge",
        metric=judge.name,
        n=0,
        base_rate=0,
        true_positive_rate=wilson(0, 0),
        true_negative_rate=wilson(0, 0),
        kappa=kappa([]),
        unreadable=0,
        at=datetime(2026, 1, 1, tzinfo=UTC),
        digest=judge.rubric.digest,
    )
    keep(found, tmp_path)
    assert kept([judge], tmp_path) == []
    keep(replace(found, judge="local/judge"), tmp_path)
    assert len(kept([judge], tmp_path)) == 1
