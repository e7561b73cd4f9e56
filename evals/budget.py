"""What an experiment may cost."""

from dataclasses import dataclass


@dataclass(slots=True)
class Budget:
    """In US dollars; what has no known price is not counted, but told of."""

    limit_usd: float | None = None
    spent_usd: float = 0
    unpriced: int = 0

    def spend(self, cost_usd: float | None) -> None:
        if cost_usd is None:
            self.unpriced += 1
        else:
            self.spent_usd += cost_usd

    @property
    def is_spent(self) -> bool:
        return self.limit_usd is not None and self.spent_usd >= self.limit_usd

    def warnings(self) -> list[str]:
        if self.unpriced and self.limit_usd is not None:
            return [f"Of {self.unpriced} turns or judgements nobody knows the price: the budget does not count them."]
        return []
