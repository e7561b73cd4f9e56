"""What a run sets aside of its user's quotas, and how these stand: frozen values."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaLimits:
    """What a tier has of each; None is no limit. The names are those that refusals tell."""

    concurrent_runs: int | None = None
    tokens_per_day: int | None = None
    tokens_per_month: int | None = None
    cost_per_day_usd: float | None = None
    cost_per_month_usd: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What is to be set aside for a run: tokens and dollars, and dollars for each token that its conversation brings along."""

    limits: QuotaLimits = QuotaLimits()
    tokens: int = 0
    usd: float = 0
    usd_per_token: float = 0

    @property
    def text(self) -> str:
        """As an array of Postgres', of which some places are empty."""
        limits = self.limits
        numbers = (
            *(limits.concurrent_runs, limits.tokens_per_day, limits.tokens_per_month, limits.cost_per_day_usd, limits.cost_per_month_usd),
            *(self.tokens, self.usd, self.usd_per_token),
        )
        return "{" + ",".join("NULL" if number is None else repr(number) for number in numbers) + "}"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuotaState:
    """What was used, and what is held for runs that have not ended, of which there are `runs`; how much was told of it, in percent."""

    day_tokens: int
    day_usd: float
    day_told: int
    month_tokens: int
    month_usd: float
    month_told: int
    held_tokens: int = 0
    held_usd: float = 0
    runs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """What was set aside for a run, and how the quotas stood before."""

    tokens: int
    usd: float
    state: QuotaState


class OverLimit(Exception):
    """Nothing was set aside or written: the limit of this name is reached, and so the quotas stand."""

    def __init__(self, limit_name: str, state: QuotaState) -> None:
        super().__init__(limit_name)
        self.limit_name = limit_name
        self.state = state


def held(answer: Mapping[str, Any]) -> Held:
    """What `quota_reserve` says; raise OverLimit."""
    if over := answer["over"]:
        raise OverLimit(over, state_of(answer))
    return Held(tokens=int(answer["tokens"]), usd=float(answer["usd"]), state=state_of(answer))


def state_of(row: Mapping[str, Any]) -> QuotaState:
    return QuotaState(
        day_tokens=row["day_tokens"],
        day_usd=float(row["day_usd"]),
        day_told=row["day_told"],
        month_tokens=row["month_tokens"],
        month_usd=float(row["month_usd"]),
        month_told=row["month_told"],
        held_tokens=int(row.get("held_tokens", 0)),
        held_usd=float(row.get("held_usd", 0)),
        runs=row.get("runs", 0),
    )
