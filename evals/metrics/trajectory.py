"""Which tools were called, and how: openevals' matching where it has the part, which takes each call once."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from langsmith import tracing_context
from openevals.trajectory import create_trajectory_match_evaluator
from scipy.sparse import csr_array
from scipy.sparse.csgraph import maximum_bipartite_matching

from evals.answers import Answer
from evals.cases import Case, Trajectory
from evals.metrics.verdicts import Verdict, scored
from evals.scores import Kind, Score

_MOST_SHOWN: Final = 200

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
    return _matches("superset", made, _calls(wish))


def _arguments(wish: Trajectory, made: Sequence[_Call]) -> bool:
    # A wish that several calls fulfil must not take the only call that fulfils another: openevals gives each the first that does.
    wishes = _calls(wish)
    if not made:
        return False
    fulfils = [[name == wished and _agree(args, least) for name, args in made] for wished, least in wishes]
    pairs = maximum_bipartite_matching(csr_array(np.array(fulfils)), perm_type="column")
    return bool((pairs >= 0).all())


def _order(wish: Trajectory, made: Sequence[_Call]) -> bool:
    names = [name for name, _ in made]
    if wish.order == "exact":
        return names == [call.name for call in wish.calls]
    rest = iter(names)
    return all(call.name in rest for call in wish.calls)


def _needless(wish: Trajectory, made: Sequence[_Call]) -> bool:
    return _matches("subset", made, _calls(wish))


def _calls(wish: Trajectory) -> Sequence[_Call]:
    return [(call.name, call.args or {}) for call in wish.calls]


def _matches(calls: Literal["subset", "superset"], made: Sequence[_Call], wished: Sequence[_Call]) -> bool:
    # A person's machine may be set up to tell LangSmith of what it runs; what users said is not for it.
    with tracing_context(enabled=False):
        match = create_trajectory_match_evaluator(trajectory_match_mode=calls, tool_args_match_mode="ignore")
        found = match(outputs=[_message(made)], reference_outputs=[_message(wished)])
    return bool(found["score"]) if isinstance(found, dict) else False


def _agree(made: Mapping[str, Any], wished: Mapping[str, Any]) -> bool:
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
    asks = any(call.args for call in wish.calls)
    wished = ", ".join(_shown(call.name, call.args or {}) for call in wish.calls) or "no tool"
    called = ", ".join(_shown(name, args if asks else {}) for name, args in made) or "no tool"
    return f"called {called}; wanted: {wished}{', in this order' * (wish.order != 'any')}"


def _shown(name: str, args: Mapping[str, Any]) -> str:
    written = json.dumps(dict(args), ensure_ascii=False, default=str) if args else ""
    return f"{name} {written[:_MOST_SHOWN]}".rstrip()


TRAJECTORY: Final[Sequence[ToolMetric]] = [
    ToolMetric(name="tools", wanted=lambda wish: bool(wish.calls), look=_tools),
    ToolMetric(name="tool_arguments", wanted=lambda wish: any(call.args for call in wish.calls), look=_arguments),
    ToolMetric(name="tool_order", wanted=lambda wish: wish.order != "any" and bool(wish.calls), look=_order),
    ToolMetric(name="needless_calls", wanted=lambda wish: not wish.others, look=_needless),
]
