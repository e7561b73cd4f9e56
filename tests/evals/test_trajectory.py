"""Which tools were called, and how."""

from typing import Any

import pytest

from evals.answers import ToolCall
from evals.cases import Case, Trajectory
from evals.metrics.trajectory import TRAJECTORY
from tests.evals.told import answered, failed

OSLO, TOKYO = ToolCall(name="current_time", args={"zone": "Oslo"}), ToolCall(name="current_time", args={"zone": "Tokyo"})
SUM = ToolCall(name="calculate", args={"expression": "12 * 7"})
A_SUM, A_TIME, IN_OSLO = {"name": "calculate"}, {"name": "current_time"}, {"name": "current_time", "args": {"zone": "oslo"}}


async def values(wish: dict[str, Any], *calls: ToolCall) -> dict[str, float | None]:
    case = Case(id="one", input="A question?", tools=Trajectory.model_validate(wish))
    scores = [await metric.score(case, answered("Yes.", *calls)) for metric in TRAJECTORY if metric.applies_to(case)]
    return {score.metric: score.value for [score] in scores}


async def test_the_calls_that_are_wished_for_are_right() -> None:
    assert await values({"calls": [A_SUM, IN_OSLO]}, OSLO, SUM) == {"tools": 1, "tool_arguments": 1, "needless_calls": 1}


async def test_a_tool_that_was_not_called_is_missed() -> None:
    assert await values({"calls": [A_SUM, A_TIME]}, OSLO) == {"tools": 0, "needless_calls": 1}


async def test_one_call_does_not_stand_for_two() -> None:
    assert await values({"calls": [A_TIME, A_TIME]}, OSLO) == {"tools": 0, "needless_calls": 1}


async def test_wrong_arguments_are_wrong_though_the_tool_is_right() -> None:
    assert await values({"calls": [IN_OSLO]}, TOKYO) == {"tools": 1, "tool_arguments": 0, "needless_calls": 1}


async def test_a_wish_for_any_call_leaves_the_one_that_another_wish_needs() -> None:
    assert (await values({"calls": [A_TIME, IN_OSLO]}, OSLO, TOKYO))["tool_arguments"] == 1


async def test_an_expression_is_the_same_without_its_white_space() -> None:
    wish = {"calls": [{"name": "calculate", "args": {"expression": "12*7"}}]}
    assert (await values(wish, SUM))["tool_arguments"] == 1


async def test_calls_beside_the_wishes_are_needless_unless_they_are_fine() -> None:
    assert (await values({"calls": [A_SUM]}, SUM, OSLO))["needless_calls"] == 0
    assert (await values({"calls": [A_SUM]}, SUM, SUM))["needless_calls"] == 0
    assert await values({}, SUM) == {"needless_calls": 0}
    assert await values({}) == {"needless_calls": 1}
    assert await values({"calls": [A_SUM], "others": True}, SUM, OSLO) == {"tools": 1}


@pytest.mark.parametrize(
    ("order", "calls", "value"),
    [
        ("same", [OSLO, SUM], 1),
        ("same", [OSLO, TOKYO, SUM], 1),
        ("same", [SUM, OSLO], 0),
        ("exact", [OSLO, SUM], 1),
        ("exact", [OSLO, TOKYO, SUM], 0),
    ],
)
async def test_the_order_counts_where_the_case_says_so(order: str, calls: list[ToolCall], value: float) -> None:
    assert (await values({"calls": [A_TIME, A_SUM], "order": order}, *calls))["tool_order"] == value


async def test_no_answer_has_no_right_calls() -> None:
    case = Case(id="one", input="A question?", tools=Trajectory())
    [needless] = [metric for metric in TRAJECTORY if metric.applies_to(case)]
    assert [score.value for score in await needless.score(case, failed())] == [0]


async def test_wishes_that_share_calls_are_all_fulfilled_where_that_can_be() -> None:
    both, one = ToolCall(name="find", args={"a": 1, "b": 2}), ToolCall(name="find", args={"a": 1})
    wish = {"calls": [{"name": "find", "args": {"a": 1}}, {"name": "find", "args": {"b": 2}}]}
    assert (await values(wish, both, one))["tool_arguments"] == 1
    assert (await values(wish, one, one))["tool_arguments"] == 0
    assert (await values(wish))["tool_arguments"] == 0


async def test_a_wrong_argument_is_in_the_reason() -> None:
    case = Case(id="one", input="A question?", tools=Trajectory.model_validate({"calls": [IN_OSLO]}))
    [metric] = [metric for metric in TRAJECTORY if metric.name == "tool_arguments"]
    [score] = await metric.score(case, answered("Yes.", TOKYO))
    assert score.reasoning == 'The answer called current_time {"zone": "Tokyo"}; wanted: current_time {"zone": "oslo"}.'
