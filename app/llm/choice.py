"""Which models of the catalog can be asked here: those whose key is set, or the demo where there is none.

Apart from their clients, whose libraries take seconds to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from app.errors import SettingsInvalid
from app.llm.catalog import ModelSpec, read_catalog
from app.settings import ModelSettings

DEMO: Final = ModelSpec(name="demo", provider="demo", context_window=32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which models can be asked here, which one is when a message names none, and which for summaries; empty is the answer's own."""

    specs: Sequence[ModelSpec]
    default: str
    summary: str = ""

    @property
    def is_demo(self) -> bool:
        return any(spec.name == self.default and spec.provider == "demo" for spec in self.specs)


def choose_models(settings: ModelSettings, keys: Mapping[str, SecretStr]) -> Choice:
    """Take every model whose key is set, or the demo; raise SettingsInvalid when there is none and the demo is not allowed."""
    specs = [spec for spec in _named(settings) if _reachable(spec, settings, keys)]
    if not specs and not settings.allow_demo_model:
        raise SettingsInvalid("OPENAI_API_KEY: no model has its key; set one, or ALLOW_DEMO_MODEL=true to answer with the demo model.")
    specs = specs or [DEMO]
    default = settings.default_model or specs[0].name
    if default not in {spec.name for spec in specs}:
        raise SettingsInvalid(f"DEFAULT_LLM_MODEL: the key of {default} is not set.")
    if settings.summary_model and settings.summary_model not in {spec.name for spec in specs}:
        raise SettingsInvalid(f"SUMMARY_MODEL: {settings.summary_model} is not in models.yaml, or its key is not set.")
    return Choice(specs=specs, default=default, summary=settings.summary_model)


def _named(settings: ModelSettings) -> list[ModelSpec]:
    """The catalog, and the default model when that is not in it: an id of the configured server."""
    specs = read_catalog(settings.models_file)
    if not settings.default_model or settings.default_model in {spec.name for spec in specs}:
        return specs
    return [ModelSpec(name=settings.default_model), *specs]


def _reachable(spec: ModelSpec, settings: ModelSettings, keys: Mapping[str, SecretStr]) -> bool:
    # A server of one's own may want no key; OpenAI's always does.
    keyless = bool(spec.base_url) or (spec.key_variable == "OPENAI_API_KEY" and bool(settings.openai_base_url))
    return spec.provider == "demo" or spec.key_variable in keys or keyless
