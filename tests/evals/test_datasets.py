"""The datasets that are shipped: sound, and the smallest is passed by the demo model."""

from pathlib import Path

import pytest
import yaml

from evals.cases import Dataset
from evals.metrics import metrics_for
from evals.metrics.rubrics import read_rubrics
from tests.evals.demo_agent import answer_of

FOLDER = Path(__file__).parents[2] / "evals" / "datasets"
NAMES = sorted(path.name for path in FOLDER.iterdir())


def read(name: str) -> Dataset:
    return Dataset.model_validate(yaml.safe_load((FOLDER / name).read_text()))


@pytest.mark.parametrize("name", NAMES)
def test_a_dataset_is_named_as_its_file_and_each_case_asks_for_something(name: str) -> None:
    dataset = read(name)
    assert f"{dataset.name}.yaml" == name
    assert dataset.description
    plain = [metric for metric in metrics_for(dataset) if metric.kind != "measure"]
    asked_of = [*plain, *(rubric for rubric in read_rubrics() if rubric.needs or rubric.tags)]
    assert [case.id for case in dataset.cases if not any(metric.applies_to(case) for metric in asked_of)] == []
    assert all(case.tags for case in dataset.cases)


async def test_the_demo_model_passes_the_smoke_set() -> None:
    dataset = read("smoke.yaml")
    asked_of = [metric for metric in metrics_for(dataset) if metric.kind != "measure"]
    failed = []
    for case in dataset.cases:
        answer = await answer_of(case)
        scores = [score for metric in asked_of if metric.applies_to(case) for score in await metric.score(case, answer)]
        failed += [f"{case.id}: {score.metric}: {score.error or score.reasoning}: {answer.text}" for score in scores if score.value != 1]
    assert failed == []
