"""Where traces of runs go, and what of them."""

from collections.abc import Iterator, Mapping
from urllib.parse import unquote

from pydantic import Field, SecretStr

from app.settings.sections import Count, Seconds, Section, WebAddress


class TracingSettings(Section):
    langfuse_public_key: str = Field(
        "", validation_alias="LANGFUSE_PUBLIC_KEY", description="Langfuse's public key, pk-lf-…; empty traces nothing there"
    )
    langfuse_secret_key: SecretStr = Field(
        SecretStr(""), validation_alias="LANGFUSE_SECRET_KEY", description="The secret key that belongs to it, sk-lf-…"
    )
    langfuse_base_url: WebAddress = Field(
        "https://cloud.langfuse.com", validation_alias="LANGFUSE_BASE_URL", description="Where Langfuse is, 4.59 or newer"
    )
    sample_rate: float = Field(
        1,
        ge=0,
        le=1,
        allow_inf_nan=False,
        validation_alias="LANGFUSE_SAMPLE_RATE",
        description="Share of runs that are traced, wherever their traces go",
    )
    text: bool = Field(
        False, validation_alias="TRACE_TEXT", description="Have prompts, answers, memories and arguments of tools in traces; false has none"
    )
    masks: bool = Field(
        True,
        validation_alias="LANGFUSE_MASKING",
        description="Keep emails, phone numbers, cards, bank accounts and keys out of what TRACE_TEXT lets through",
    )
    queue_spans: Count = Field(
        2_000,
        ge=100,
        le=100_000,
        validation_alias="TRACE_QUEUE_SPANS",
        description="Most spans that wait to be sent; what comes then is dropped",
    )
    prompt: str = Field(
        "",
        max_length=200,
        validation_alias="LANGFUSE_PROMPT",
        description="Name of the text prompt in Langfuse that takes the place of app/agent/prompts/system.md; empty is none",
    )
    prompt_label: str = Field(
        "production",
        min_length=1,
        max_length=36,
        validation_alias="LANGFUSE_PROMPT_LABEL",
        description="Which version of it: the one with this label",
    )
    prompt_seconds: Seconds = Field(
        60, ge=0.1, validation_alias="LANGFUSE_PROMPT_SECONDS", description="How often it is looked at anew, beside the turns"
    )
    otlp_endpoint: WebAddress = Field(
        "",
        validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT",
        description="Any OpenTelemetry backend that takes OTLP over HTTP, http://collector:4318 say; empty is none",
    )
    otlp_headers: SecretStr = Field(
        SecretStr(""), validation_alias="OTEL_EXPORTER_OTLP_HEADERS", description="Headers it wants, name=value, separated by commas"
    )

    @property
    def has_langfuse(self) -> bool:
        return bool(self.langfuse_public_key)

    @property
    def is_on(self) -> bool:
        return (self.has_langfuse or bool(self.otlp_endpoint)) and self.sample_rate > 0

    @property
    def named_headers(self) -> Mapping[str, str]:
        """As OpenTelemetry writes them: values may be URL-encoded."""
        pairs = (pair.partition("=") for pair in self.otlp_headers.get_secret_value().split(",") if pair.strip())
        return {name.strip(): unquote(value.strip()) for name, _, value in pairs}

    def faults(self) -> Iterator[str]:
        """What cannot all be meant."""
        if self.has_langfuse != bool(self.langfuse_secret_key.get_secret_value()):
            missing, other = ("LANGFUSE_SECRET_KEY", "LANGFUSE_PUBLIC_KEY")[:: 1 if self.has_langfuse else -1]
            yield f"{missing}: must be set where {other} is."
        if self.prompt and not self.has_langfuse:
            yield "LANGFUSE_PROMPT: needs LANGFUSE_PUBLIC_KEY and LANGFUSE_SECRET_KEY."
        if any(not name or "\n" in value or "\r" in value for name, value in self.named_headers.items()):
            yield "OTEL_EXPORTER_OTLP_HEADERS: must be name=value, separated by commas."
