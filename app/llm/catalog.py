"""models.yaml: which models there are, where they live and what they cost."""

import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from app.errors import SettingsInvalid
from app.llm.provider_table import PROVIDERS
from app.settings import WebAddress, read_yaml

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MILLION: Final = 1_000_000
_OURS: Final = ("openai", "demo")
_OPENAIS_HOST: Final = "api.openai.com"
OPENAI: Final = f"https://{_OPENAIS_HOST}/v1"
# Only such variables are read, and no provider's key looks like one.
_KEY_VARIABLE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*_API_KEY)?")


def _key_variable(name: str) -> str:
    if not _KEY_VARIABLE.fullmatch(name):
        # Not repeated: people put the key itself here.
        raise ValueError("must be the name of a variable that ends in _API_KEY, and never the key itself")
    return name


class Prices(BaseModel):
    """US dollars per million tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: Dollars
    cached_input: Dollars | None = None
    output: Dollars

    def cost_usd(self, *, input_tokens: int, cached_tokens: int, output_tokens: int, kept_tokens: int = 0) -> float:  # noqa: ARG002  # at the price of input
        """What a call cost; `cached_tokens` are part of `input_tokens`, as are those that the provider has kept for later."""
        cached_price = self.input if self.cached_input is None else self.cached_input
        fresh_tokens = input_tokens - cached_tokens
        return (fresh_tokens * self.input + cached_tokens * cached_price + output_tokens * self.output) / _MILLION


class Reasoning(BaseModel):
    """How much an OpenAI model is to think before it answers, and how much of that it is to tell."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    effort: str | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


class ModelSpec(BaseModel):
    """One entry: a model by the name that requests use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    provider: str = "openai"
    api: Literal["chat", "responses"] = "chat"
    model: str = ""
    base_url: WebAddress = ""
    key_variable: Annotated[str, AfterValidator(_key_variable)] = ""
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    context_window: Annotated[int, Field(gt=0)] | None = None
    images: bool | None = None
    prices: Prices | None = None
    fallback: bool = True
    reasoning: Reasoning | None = None
    options: dict[str, Any] = {}

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.provider not in (*_OURS, *PROVIDERS):
            raise ValueError(f"{self.name}: nobody knows a provider {self.provider}; there are {', '.join(['openai', *PROVIDERS])}")
        if self.provider != "openai" and (self.responses_api or self.reasoning):
            raise ValueError(f"{self.name}: `api` and `reasoning` are for the provider openai; another takes its own `options`")
        if self.provider == "openai" and self.options:
            raise ValueError(f"{self.name}: `options` are for other providers than openai")
        if not self.responses_api and self.reasoning and self.reasoning.summary:
            raise ValueError(f"{self.name}: `reasoning.summary` needs `api: responses`")
        return self

    @property
    def responses_api(self) -> bool:
        return self.api == "responses"

    @property
    def tells_reasoning(self) -> bool | None:
        """Whether its answers come with its thoughts; None where only they will tell."""
        if self.responses_api:
            return bool(self.reasoning and self.reasoning.summary)
        return False if self.provider == "demo" else None

    @property
    def key_name(self) -> str:
        """The variable that holds its key; empty for a provider that wants none, and a server of its own that names none."""
        if self.key_variable or self.provider in PROVIDERS:
            return self.key_variable or PROVIDERS[self.provider].key_variable
        # What opens OpenAI's door, or that of OPENAI_BASE_URL, is nobody else's to see.
        return "OPENAI_API_KEY" if _belongs_to_openai(self.base_url) else ""

    @property
    def id_at_provider(self) -> str:
        return self.model or self.name


class _Catalog(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: list[ModelSpec]


def is_openai(address: str) -> bool:
    """Whether OpenAI itself is there; empty is its address."""
    return not address or urlsplit(address).hostname == _OPENAIS_HOST


def _belongs_to_openai(address: str) -> bool:
    """The same, with its addresses for regions."""
    return is_openai(address) or (urlsplit(address).hostname or "").endswith(f".{_OPENAIS_HOST}")


def read_catalog(file: Path) -> list[ModelSpec]:
    """Raise SettingsInvalid, naming the place in the file, when it cannot be read or names a model twice."""
    models = read_yaml("MODELS_FILE", file, _Catalog).models
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsInvalid(f"MODELS_FILE: {file.name} names {', '.join(repeated)} more than once.")
    return models
