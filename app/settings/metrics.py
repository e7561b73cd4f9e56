"""What Prometheus is told, and who may ask."""

from pydantic import Field, SecretStr

from app.settings.sections import Seconds, Section


class MetricsSettings(Section):
    are_on: bool = Field(True, validation_alias="METRICS_ENABLED", description="Count and time what happens, and tell it at /metrics")
    token: SecretStr = Field(
        SecretStr(""),
        validation_alias="METRICS_TOKEN",
        description="What a scrape of /metrics must bring as Authorization: Bearer; without one production and staging show no metrics",
    )
    port: int = Field(
        0, ge=0, le=65535, validation_alias="METRICS_PORT", description="Port at which a worker tells its metrics; 0 is none, 9100 is usual"
    )
    host: str = Field("127.0.0.1", validation_alias="METRICS_HOST", description="Address at which a worker tells its metrics")
    sample_seconds: Seconds = Field(
        15, validation_alias="METRICS_SAMPLE_SECONDS", description="Pause between two looks into the database for what metrics tell of it"
    )
    cost_budget_usd_per_hour: float = Field(
        0,
        ge=0,
        le=1_000_000,
        allow_inf_nan=False,
        validation_alias="COST_BUDGET_USD_PER_HOUR",
        description="What models may come to in an hour before an alert says so, in dollars; 0 is no budget",
    )
    revision: str = Field("", validation_alias="BUILD_REVISION", description="Commit that this was built from; an image has it set")
