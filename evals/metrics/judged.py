"""What a judge is shown: one JSON object that no text in it can leave."""

from collections.abc import Mapping
from typing import Any, Final

from app.text import quoted
from evals.answers import Answer, Turn
from evals.cases import Case

_LONGEST: Final = 40_000
_CUT: Final = "\n[… left out for the judge …]\n"


def judged(case: Case, answer: Answer) -> str:
    """Long texts are cut in the middle."""
    beside = {"reference": case.reference, "context": case.context, "instructions": case.instructions}
    return in_tags("judged", {"conversation": shown(answer), **{name: _short(value) for name, value in beside.items() if value}})


def shown(answer: Answer) -> list[Mapping[str, Any]]:
    """The conversation, turn by turn."""
    return [_turn(turn) for turn in answer.turns]


def in_tags(tag: str, value: Any) -> str:  # noqa: ANN401  # JSON of any shape
    """JSON between tags, whose texts cannot close them."""
    return f"<{tag}>\n{quoted(value)}\n</{tag}>"


def _turn(turn: Turn) -> Mapping[str, Any]:
    calls = [{"tool": call.name, "args": _short(dict(call.args)), "result": _short(call.result)} for call in turn.tool_calls]
    return {"user": _short(turn.said), **({"tools": calls} if calls else {}), "assistant": _short(turn.text)}


def _short(value: Any) -> Any:  # noqa: ANN401  # JSON of any shape
    match value:
        case str():
            return value if len(value) <= _LONGEST else f"{value[: _LONGEST // 2]}{_CUT}{value[-_LONGEST // 2 :]}"
        case Mapping():
            return {name: _short(one) for name, one in value.items()}
        case list() | tuple():
            return [_short(one) for one in value]
    return value
