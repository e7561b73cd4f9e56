"""How users' own servers are told that runs have ended."""

from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from app.settings.sections import Count, Days, Seconds, Section, split_commas

Pauses = Annotated[tuple[Seconds, ...], NoDecode, BeforeValidator(split_commas)]


class WebhookSettings(Section):
    keys: SecretStr = Field(
        SecretStr(""),
        validation_alias="WEBHOOK_KEYS",
        description="Keys that make webhooks' secrets, 32 bytes or more each, separated by commas; without one production has no webhooks",
    )
    per_user: Count = Field(10, le=100, validation_alias="WEBHOOKS_PER_USER", description="Most webhooks of one user")
    seconds: Seconds = Field(10, le=60, validation_alias="WEBHOOK_SECONDS", description="How long a webhook may take to answer")
    pauses: Pauses = Field(
        (5, 300, 1_800, 7_200, 18_000, 28_800, 28_800),
        max_length=20,
        validation_alias="WEBHOOK_RETRY_SECONDS",
        description="Waits before a delivery that failed is tried again, with commas: one try more than there are waits",
    )
    concurrency: Count = Field(
        5,
        le=1_000,
        validation_alias="WEBHOOK_CONCURRENCY",
        description="Deliveries a worker makes at once, best half of WORKER_CONCURRENCY; others wait",
    )
    old_secret_hours: Count = Field(
        24, le=8_760, validation_alias="WEBHOOK_OLD_SECRET_HOURS", description="How long a webhook's secret signs beside the one after it"
    )
    off_days: Days = Field(
        5, validation_alias="WEBHOOK_OFF_DAYS", description="A webhook that took nothing for so long is switched off; 0 is never"
    )
    log_days: Days = Field(
        30, validation_alias="WEBHOOK_LOG_DAYS", description="How long the log of a webhook's deliveries is kept; 0 is for ever"
    )

    @property
    def named_keys(self) -> tuple[str, ...]:
        return tuple(filter(None, map(str.strip, self.keys.get_secret_value().split(","))))
