"""How an experiment is run, as it was asked for and as it is kept, so that it can be gone on with."""

from dataclasses import asdict, dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """Empty is the default of whatever is asked; no `budget_usd` is no limit."""

    target: Literal["graph", "http", "given"] = "graph"
    url: str = ""
    email: str = ""
    model: str = ""
    agent: str = ""
    judge: str = ""
    metrics: tuple[str, ...] = ()
    repeat: int = 1
    concurrency: int = 4
    timeout_seconds: float = 120
    budget_usd: float | None = None
    keeps_sessions: bool = False

    @property
    def told(self) -> dict[str, str | int | float]:
        """Plain values that a reader wants to see, not who the evaluator is."""
        values = asdict(self) | {"metrics": ", ".join(self.metrics), "email": ""}
        return {name: value for name, value in values.items() if value not in (None, "", False)}
