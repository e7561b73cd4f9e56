"""docs/evals.md: its examples are sound, its commands are ones, and it has every field."""

import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from app.settings import ROOT
from evals.__main__ import parser
from evals.calibrating import Labelled
from evals.cases import Case, Checks, Dataset
from evals.metrics import metrics_for
from evals.metrics.rubrics import read_rubrics
from evals.rules import Gate, NoRegression, Threshold
from evals.yamls import read_yaml

_TEXT: Final = (ROOT / "docs" / "evals.md").read_text()
_BLOCKS: Final = re.findall(r"^```(\w+)\n(.*?)^```$", _TEXT, re.DOTALL | re.MULTILINE)
_RUN: Final = ".venv/bin/python -m evals "


def blocks(language: str) -> list[str]:
    return [block for name, block in _BLOCKS if name == language]


COMMANDS: Final = [line for block in blocks("sh") for line in block.splitlines()]


def test_the_examples_of_a_gate_and_a_dataset_are_ones() -> None:
    gate, dataset = map(read_yaml, blocks("yaml"))
    assert Gate.model_validate(gate).no_regression
    metrics = {metric.name for metric in metrics_for(Dataset.model_validate(dataset))}
    assert {"contains", "tool_order", "max_seconds"} <= metrics


def test_the_example_of_a_judge_is_found_with_its_labels(tmp_path: Path) -> None:
    [prompt], [labelled] = blocks("markdown"), blocks("json")
    (tmp_path / "politeness.md").write_text(prompt)
    [rubric] = read_rubrics(tmp_path)
    assert (rubric.name, rubric.scale) == ("politeness", "yes_no")
    assert {Labelled.model_validate_json(line).good for line in labelled.splitlines()} == {True, False}


@pytest.mark.parametrize("line", COMMANDS)
def test_each_command_is_one(line: str) -> None:
    words = line.partition(_RUN)[2]
    if words:
        assert parser().parse_args(shlex.split(words)).command
        return
    first, *rest = shlex.split(line)
    assert first == "make" or (ROOT / first).exists() or first == ".venv/bin/python"
    assert first != "make" or re.search(rf"^{rest[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
    if rest[:1] == ["-m"]:
        assert Path(ROOT, *rest[1].split(".")).with_suffix(".py").is_file()


@pytest.mark.parametrize(
    "field",
    sorted({*Case.model_fields, *Checks.model_fields, *Gate.model_fields, *Threshold.model_fields, *NoRegression.model_fields} - {"cases"}),
)
def test_each_field_is_told(field: str) -> None:
    assert f"`{field}`" in _TEXT or f"`{field}:" in _TEXT or f"{field}:" in "".join(blocks("yaml"))
