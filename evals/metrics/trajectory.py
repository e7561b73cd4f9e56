"""Which tools were called, and how: openevals' matching where it has the part, which takes each call once."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from langsmith import tracing_context
from openevals.trajectory import create_trajectory_match_evaluator
from openevals.types import ToolArgsMatchMode, ToolArgsMatchOverrides

from evals.answers import Answer
from evals.cases import Case, Trajectory
from evals.metrics.verdicts import Verdict, scored
from evals.scores import Kind, Score

type _Call = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolMetric:
    """1 where the calls are as the case wants them in one respect, 0 where they are not."""

    name: str
    wanted: Callable[[Trajectory], bool]
    look: Callable[[Trajectory, Sequence[_Call]], bool]

    @property
    def kind(self) -> Kind:
        return "trajectory"

    @property
    def unit(self) -> Literal[""]:
        return ""

    def applies_to(self, case: Case) -> bool:
        return case.tools is not None and self.wanted(case.tools)

    async def score(self, case: Case, answer: Answer) -> Sequence[Score]:
        wish = case.tools or Trajectory()
        made = [(call.name, call.args) for call in answer.tool_calls]
        return [scored(self.name, answer, lambda: Verdict(self.look(wish, made), _told(wish, made)))]


def _tools(wish: Trajectory, made: Sequence[_Call]) -> bool:
    return _matches("superset", "ignore", made, _calls(wish))


def _arguments(wish: Trajectory, made: Sequence[_Call]) -> bool:
    # Those that ask for most first: a wish that any call fulfils must not take the only call that fulfils another.
    wishes = sorted(_calls(wish), key=lambda call: len(call[1]), reverse=True)
    return _matches("superset", "superset", made, wishes)


def _order(wish: Trajectory, made: Sequence[_Call]) -> bool:
    names = [name for name, _ in made]
    if wish.order == "exact":
        return names == [call.name for call in wish.calls]
    rest = iter(names)
    return all(call.name in rest for call in wish.calls)


def _needless(wish: Trajectory, made: Sequence[_Call]) -> bool:
    return _matches("subset", "ignore", made, _calls(wish))


def _calls(wish: Trajectory) -> Sequence[_Call]:
    return [(call.name, call.args or {}) for call in wish.calls]


def _matches(calls: Literal["subset", "superset"], args: ToolArgsMatchMode, made: Sequence[_Call], wished: Sequence[_Call]) -> bool:
    # A person's machine may be set up to tell LangSmith of what it runs; what users said is not for it.
    with tracing_context(enabled=False):
        overrides: ToolArgsMatchOverrides = {name: _agree for name, _ in wished} if args == "superset" else {}
        match = create_trajectory_match_evaluator(
            trajectory_match_mode=calls, tool_args_match_mode=args, tool_args_match_overrides=overrides
        )
        found = match(outputs=[_message(made)], reference_outputs=[_message(wished)])
    return bool(found["score"]) if isinstance(found, dict) else False


def _agree(made: dict[str, Any], wished: dict[str, Any]) -> bool:
    return all(name in made and _same(made[name], value) for name, value in wished.items())


def _same(made: object, wished: object) -> bool:
    """Texts are the same but for case and white space: `12*7` is as good as `12 * 7`."""
    if isinstance(made, str) and isinstance(wished, str):
        return "".join(made.casefold().split()) == "".join(wished.casefold().split())
    return made == wished


def _message(calls: Sequence[_Call]) -> dict[str, Any]:
    functions = [{"name": name, "arguments": json.dumps(dict(args), default=str)} for name, args in calls]
    return {
        "role": "assistant",
        "content": "",
        "tool_calls": [{"id": str(place), "type": "function", "function": function} for place, function in enumerate(functions)],
    }


def _told(wish: Trajectory, made: Sequence[_Call]) -> str:
    wished = ", ".join(call.name for call in wish.calls) or "no tool"
    return f"called {', '.join(name for name, _ in made) or 'no tool'}; wanted: {wished}{', in this order' * (wish.order != 'any')}"


TRAJECTORY: Final[Sequence[ToolMetric]] = [
    ToolMetric(name="tools", wanted=lambda wish: bool(wish.calls), look=_tools),
    ToolMetric(name="tool_arguments", wanted=lambda wish: any(call.args for call in wish.calls), look=_arguments),
    ToolMetric(name="tool_order", wanted=lambda wish: wish.order != "any" and bool(wish.calls), look=_order),
    ToolMetric(name="needless_calls", wanted=lambda wish: not wish.others, look=_needless),
]
