"""Each case with all that was asked, answered and said of it, as the page's script reads it."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from evals import wording
from evals.answers import Answer, ToolCall, Turn
from evals.cases import Case
from evals.experiment import Experiment, Result
from evals.figures import Figures, is_same, passed

LONGEST: Final = 100_000


def cases_of(experiment: Experiment, baseline: Experiment | None) -> Mapping[str, Any]:
    """Keep the order of the experiment; texts are cut at `LONGEST`, and say so."""
    grouped: dict[str, list[Result]] = defaultdict(list)
    for result in experiment.results:
        grouped[result.case.id].append(result)
    units = {name: info.unit for name, info in Figures(experiment).metrics.items()}
    kinds = {info.name: info.kind for info in experiment.metrics}
    olds = _Before(baseline) if baseline else None
    return {"units": units, "kinds": kinds, "cases": [_case(results, kinds, units, olds) for results in grouped.values()]}


class _Before:
    """The baseline's answers by case and attempt."""

    def __init__(self, baseline: Experiment) -> None:
        self._kinds = {info.name: info.kind for info in baseline.metrics}
        self._results: dict[str, dict[int, Result]] = defaultdict(dict)
        for result in baseline.results:
            self._results[result.case.id][result.answer.attempt] = result

    def answer(self, case: Case, attempt: int) -> Answer | None:
        """Of the same attempt, else of the first; None where the case was another."""
        found = self._of(case)
        return (found.get(attempt) or found[min(found)]).answer if found else None

    def status(self, case: Case) -> str:
        return _status([passed(one, self._kinds) for one in self._of(case).values()])

    def _of(self, case: Case) -> Mapping[int, Result]:
        found = self._results.get(case.id, {})
        return found if found and is_same(next(iter(found.values())).case, case) else {}


def _case(results: Sequence[Result], kinds: Mapping[str, str], units: Mapping[str, str], olds: _Before | None) -> dict[str, Any]:
    case = results[0].case
    status = _status([passed(result, kinds) for result in results])
    return {
        "id": case.id,
        "tags": sorted(case.tags),
        "weight": case.weight,
        "status": status,
        "error": any(result.answer.error for result in results),
        "unreadable": any(score.error for result in results for score in result.scores),
        "change": _change(olds.status(case), status) if olds else "",
        "asks": _asked(case),
        "attempts": [_attempt(result, units, olds) for result in results],
    }


def _status(held: Sequence[bool | None]) -> str:
    """Of a case the worst of its attempts."""
    return "failed" if False in held else "passed" if True in held else "unchecked"


def _change(before: str, after: str) -> str:
    return {("passed", "failed"): "worse", ("failed", "passed"): "better"}.get((before, after), "")


def _asked(case: Case) -> Sequence[tuple[str, str]]:
    persona = f"{case.persona.who} Wants: {case.persona.goal}" if case.persona else ""
    tools = json.dumps(case.tools.model_dump(exclude_defaults=True)) if case.tools else ""
    checks = case.checks.model_dump(exclude_none=True, mode="json")
    wanted = {
        "persona": persona,
        "reference": case.reference or "",
        "context": case.context or "",
        "instructions": "\n".join(case.instructions),
        "tools expected": tools,
        "checks": json.dumps(checks, ensure_ascii=False) if checks else "",
    }
    return [(name, _cut(text)) for name, text in wanted.items() if text]


def _attempt(result: Result, units: Mapping[str, str], olds: _Before | None) -> dict[str, Any]:
    answer = result.answer
    before = olds.answer(result.case, answer.attempt) if olds else None
    return {
        "attempt": answer.attempt,
        "error": answer.error,
        "detail": _cut(answer.detail),
        "turns": [_turn(turn) for turn in answer.turns],
        "scores": [
            {
                "metric": score.metric,
                "value": score.value,
                "shown": "" if score.value is None else wording.value(score.value, units.get(score.metric, "")),
                "reasoning": _cut(score.reasoning),
                "error": score.error,
                "judge": score.judge,
            }
            for score in result.scores
        ],
        "before": None if before is None else _cut(before.text),
    }


def _turn(turn: Turn) -> dict[str, Any]:
    facts = [turn.model, f"{turn.input_tokens} + {turn.output_tokens} tokens", wording.value(turn.seconds, "s")]
    facts += [] if turn.first_token_seconds is None else [f"first token {wording.value(turn.first_token_seconds, 's')}"]
    facts += [] if turn.cost_usd is None else [wording.value(turn.cost_usd, "$")]
    return {
        "said": _cut(turn.said),
        "text": _cut(turn.text),
        "tools": [_tool(call) for call in turn.tool_calls],
        "facts": " · ".join(filter(None, facts)),
    }


def _tool(call: ToolCall) -> dict[str, Any]:
    args = json.dumps(call.args, ensure_ascii=False, default=str)
    return {"name": call.name, "args": _cut(args), "result": _cut(call.result), "error": call.is_error}


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({len(text):,} characters; answers.jsonl has all)"
