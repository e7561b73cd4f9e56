"""The two objectives, as the recording rules in prometheus/ reckon them."""

from dataclasses import dataclass
from typing import Final

from grafana.boards.panels import Query


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """`bad` is the beginning of the names of rules that give the share of what went wrong; `allowed` is how much of it may."""

    bad: str
    allowed: float
    runbook: str


TURNS: Final = Objective(bad="milepost:turns_bad:ratio_rate", allowed=0.005, runbook="turns-fail")
FIRST_TOKENS: Final = Objective(bad="milepost:first_tokens_slow:ratio_rate", allowed=0.05, runbook="first-tokens-slow")
_WINDOWS: Final = ("5m", "1h", "6h", "3d")


def budget_left(objective: Objective) -> str:
    return f"1 - {objective.bad}30d / {objective.allowed}"


def burning(objective: Objective) -> tuple[Query, ...]:
    return tuple(Query(f"{objective.bad}{window} / {objective.allowed}", f"over {window}") for window in _WINDOWS)
