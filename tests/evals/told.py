"""Cases and answers to try metrics on."""

from typing import Any

from evals.answers import Answer, ToolCall, Turn
from evals.cases import Case, Checks
from evals.metrics.checks import CHECKS
from evals.scores import Score


def answered(text: str, *calls: ToolCall, said: str = "A question?", **turn: Any) -> Answer:
    return Answer(case_id="one", attempt=1, turns=[Turn(said=said, text=text, tool_calls=calls, **turn)])


def failed(error: str = "run_timeout") -> Answer:
    return Answer(case_id="one", attempt=1, turns=[], error=error)


async def checked(name: str, wish: Any, answer: Answer | str) -> Score:
    """The score of one check."""
    case = Case(id="one", input="A question?", checks=Checks.model_validate({name: wish}))
    [metric] = [check for check in CHECKS if check.applies_to(case)]
    [score] = await metric.score(case, answered(answer) if isinstance(answer, str) else answer)
    assert score.metric == name
    return score
