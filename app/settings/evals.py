"""How answers are judged while the server is in use."""

from collections.abc import Iterator

from pydantic import Field

from app.settings.sections import CommaSeparated, Section


class EvalsSettings(Section):
    rate: float = Field(
        0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        validation_alias="EVALS_ONLINE_RATE",
        description="Share of answered runs that a worker has judged; 0 is none",
    )
    judges: CommaSeparated = Field(
        ("helpfulness", "safety"),
        max_length=20,
        validation_alias="EVALS_ONLINE_METRICS",
        description="What they are judged for, with commas: judges of evals/metrics/prompts that need no more than the conversation",
    )
    model: str = Field(
        "",
        max_length=200,
        validation_alias="EVALS_ONLINE_MODEL",
        description="Model that judges, an entry of models.yaml, best not the one that answers",
    )
    day_usd: float = Field(
        1,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        validation_alias="EVALS_ONLINE_DAY_USD",
        description="What judging may come to in a day (UTC), in dollars; 0 is no bound, as a model without a known price needs",
    )

    @property
    def are_on(self) -> bool:
        return self.rate > 0

    def faults(self) -> Iterator[str]:
        if self.are_on and not self.model:
            yield "EVALS_ONLINE_MODEL: must be set where EVALS_ONLINE_RATE is above 0."
        if self.are_on and not self.judges:
            yield "EVALS_ONLINE_METRICS: must name a judge where EVALS_ONLINE_RATE is above 0."
