"""models.yaml: which models there are, where they live and what they cost."""

from pathlib import Path
from typing import Annotated, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import SettingsInvalid

Dollars = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_MILLION: Final = 1_000_000


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


class ModelSpec(BaseModel):
    """One entry: a model by the name that requests use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    provider: Literal["openai", "demo"] = "openai"
    model: str = ""
    base_url: str = ""
    key_variable: str = "OPENAI_API_KEY"
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    context_window: Annotated[int, Field(gt=0)] | None = None
    prices: Prices | None = None

    @property
    def id_at_provider(self) -> str:
        return self.model or self.name


class _Catalog(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    models: list[ModelSpec]


def read_catalog(file: Path) -> list[ModelSpec]:
    """Raise SettingsInvalid, naming the place in the file, when it cannot be read or names a model twice."""
    try:
        models = _Catalog.model_validate(yaml.safe_load(file.read_text())).models
    except OSError as error:
        raise SettingsInvalid(f"MODELS_FILE: {file.name} cannot be read.") from error
    except yaml.YAMLError as error:
        raise SettingsInvalid(f"MODELS_FILE: {file.name} is not valid YAML.") from error
    except ValidationError as error:
        problems = (f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}" for problem in error.errors(include_input=False))
        raise SettingsInvalid("\n".join(f"MODELS_FILE: {file.name}: {problem}." for problem in problems)) from error
    names = [model.name for model in models]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise SettingsInvalid(f"MODELS_FILE: {file.name} names {', '.join(repeated)} more than once.")
    return models
