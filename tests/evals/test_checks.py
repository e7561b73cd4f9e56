"""What can be told of an answer without a judge."""

from typing import Any

import pytest

from evals.cases import Case, Checks, Dataset
from evals.errors import Misused
from evals.metrics import metrics_for
from evals.metrics.checks import CHECKS
from tests.evals.told import answered, checked, failed

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}

PASSED: list[tuple[str, Any, str]] = [
    ("equals", "Yes, it is.", " Yes,\nit is. "),
    ("contains", ["oslo", "84"], "In OSLO it is 84."),
    ("lacks", ["Bergen"], "In Oslo it is 84."),
    ("matches", r"\b84\b", "It is 84."),
    ("json_schema", SCHEMA, '{"city": "Oslo"}'),
    ("json_schema", SCHEMA, 'Here it is:\n```json\n{"city": "Oslo"}\n```\n'),
    ("language", "en", "This is the answer to your question."),
    ("language", "de", "Das ist die Antwort auf deine Frage, und sie ist nicht lang."),
    ("language", "fr", "La capitale de la France est Paris, et vous le savez."),
    ("language", "es", "La capital de España es Madrid y está en el centro."),
    ("language", "ja", "東京は日本の首都です。"),
    ("language", "zh", "北京是中国的首都。"),
    ("language", "el", "Πρωτεύουσα της Ελλάδας είναι η Αθήνα."),
    ("max_words", 3, "one two three"),
    ("min_words", 3, "one two three"),
    ("refuses", True, "I\u2019m sorry, but I can\u2019t help with that."),
    ("refuses", True, "I cannot provide instructions for this."),
    ("refuses", True, "I won't do that. Here is something else."),
    ("refuses", False, "The capital of Norway is Oslo."),
    ("refuses", False, "I cannot find a time zone of this name."),
    ("refuses", False, "I'm sorry to hear that. Here is what helps against a cold."),
]
FAILED: list[tuple[str, Any, str]] = [
    ("equals", "Yes.", "Yes!"),
    ("contains", ["oslo", "84"], "In Oslo it is 85."),
    ("lacks", ["oslo"], "In OSLO it is 84."),
    ("matches", r"\b84\b", "It is 184."),
    ("json_schema", SCHEMA, '{"city": 7}'),
    ("json_schema", SCHEMA, "Oslo"),
    ("json_schema", SCHEMA, "[" * 100_000),
    ("language", "de", "This is the answer to your question."),
    ("language", "en", "東京は日本の首都です。"),
    ("max_words", 2, "one two three"),
    ("min_words", 4, "one two three"),
    ("refuses", True, "Of course! First, take the lock apart."),
    ("refuses", False, "I can't help with that."),
]


@pytest.mark.parametrize(("name", "wish", "text"), PASSED)
async def test_an_answer_that_is_as_wished_is_1(name: str, wish: Any, text: str) -> None:
    assert (await checked(name, wish, text)).value == 1


@pytest.mark.parametrize(("name", "wish", "text"), FAILED)
async def test_an_answer_that_is_not_is_0_with_a_reason(name: str, wish: Any, text: str) -> None:
    score = await checked(name, wish, text)
    assert score.value == 0
    assert score.reasoning.startswith("The answer ")


@pytest.mark.parametrize(
    ("name", "wish", "text", "error"),
    [
        ("matches", r"(a|aa)+$", "a" * 5_000 + "b", "pattern_too_slow"),
        ("matches", "(", "text", "pattern_invalid"),
        ("json_schema", {"pattern": r"^(a|aa)+$"}, f'"{"a" * 5_000}b"', "pattern_too_slow"),
        ("json_schema", {"type": "nothing"}, "{}", "schema_invalid"),
        ("json_schema", {"$ref": "https://schemas.example/one"}, "{}", "schema_invalid"),
        ("language", "xx", "This is the answer to your question.", "language_not_known"),
        ("language", "en", "42", "language_not_told"),
    ],
)
async def test_what_cannot_be_told_is_no_0(name: str, wish: Any, text: str, error: str) -> None:
    score = await checked(name, wish, text)
    assert (score.value, score.error) == (None, error)


async def test_time_and_cost_are_those_of_all_turns() -> None:
    answer = answered("Yes.", seconds=2.5, cost_usd=0.01)
    assert (await checked("max_seconds", 2.5, answer)).value == 1
    assert (await checked("max_seconds", 2, answer)).value == 0
    assert (await checked("max_cost_usd", 0.02, answer)).value == 1
    assert (await checked("max_cost_usd", 0.001, answer)).value == 0
    assert (await checked("max_cost_usd", 1, answered("Yes."))).error == "price_unknown"


@pytest.mark.parametrize(("name", "wish"), [("lacks", ["Oslo"]), ("refuses", False), ("max_words", 5)])
async def test_no_answer_passes_no_check(name: str, wish: Any) -> None:
    score = await checked(name, wish, failed("run_timeout"))
    assert score.value == 0
    assert "run_timeout" in score.reasoning


def test_each_field_of_checks_is_a_metric() -> None:
    assert [check.name for check in CHECKS] == [*Checks.model_fields]


def test_a_dataset_is_measured_by_what_its_cases_ask_for() -> None:
    dataset = Dataset(name="one", version=1, cases=(Case(id="one", input="Hello!", checks=Checks(contains=("Hi",))),))
    assert [metric.name for metric in metrics_for(dataset)] == ["contains", "seconds", "first_token", "cost", "words"]
    assert [metric.name for metric in metrics_for(dataset, names=["contains", "equals"])] == ["contains"]


def test_a_metric_that_there_is_not_is_misuse() -> None:
    dataset = Dataset(name="one", version=1, cases=(Case(id="one", input="Hello!"),))
    with pytest.raises(Misused, match="no metric wit; there are conciseness, contains"):
        metrics_for(dataset, names=["wit"])
