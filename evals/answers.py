"""What an agent did with a case, as it is kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    name: str
    args: Mapping[str, Any]
    result: str = ""
    is_error: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A message and its answer. `cost_usd` is None where a price is unknown, `first_token_seconds` where no token came."""

    said: str
    text: str
    tool_calls: Sequence[ToolCall] = ()
    run_id: str = ""
    model: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = None
    first_token_seconds: float | None = None
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One try at a case, the `attempt`th from 1; `error` is a code, empty for one that came to its end."""

    case_id: str
    attempt: int
    turns: Sequence[Turn]
    error: str = ""
    detail: str = ""

    @property
    def text(self) -> str:
        return self.turns[-1].text if self.turns else ""

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        return [call for turn in self.turns for call in turn.tool_calls]

    @property
    def seconds(self) -> float:
        return sum(turn.seconds for turn in self.turns)

    @property
    def cost_usd(self) -> float | None:
        """None where the price of any turn is unknown."""
        costs = [turn.cost_usd for turn in self.turns]
        return None if None in costs else sum(cost for cost in costs if cost is not None)
