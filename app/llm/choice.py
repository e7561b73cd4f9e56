"""Which models of the catalog can be asked here: those whose key is set, or the demo where there is none.

Apart from their clients, whose libraries take seconds to import.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from app.errors import SettingsInvalid
from app.llm.catalog import ModelSpec, is_openai, read_catalog
from app.llm.provider_table import PROVIDERS
from app.settings import ModelSettings

DEMO: Final = ModelSpec(name="demo", provider="demo", context_window=32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which models can be asked here, which one is when a message names none, and which for summaries; empty is the answer's own."""

    specs: Sequence[ModelSpec]
    default: str
    shows_reasoning: bool = True
    summary: str = ""

    @property
    def is_demo(self) -> bool:
        return any(spec.name == self.default and spec.provider == "demo" for spec in self.specs)


def choose_models(settings: ModelSettings, keys: Mapping[str, SecretStr]) -> Choice:
    """Take every model whose key is set, or the demo.

    Raise SettingsInvalid when there is none and the demo is not allowed, and when the package of one is missing: it would else be found
    missing on the day it is needed.
    """
    specs = [spec for spec in _named(settings) if _reachable(spec, settings, keys)]
    if not specs and _is_elsewhere(settings) and not settings.default_model:
        raise SettingsInvalid("DEFAULT_LLM_MODEL: must name a model of the server at OPENAI_BASE_URL.")
    if not specs and not settings.allow_demo_model:
        raise SettingsInvalid("OPENAI_API_KEY: no model has its key; set one, or ALLOW_DEMO_MODEL=true to answer with the demo model.")
    if missing := [*map(_package_missing, filter(_lacks_package, specs))]:
        raise SettingsInvalid("\n".join(missing))
    specs = specs or [DEMO]
    default = settings.default_model or specs[0].name
    if default not in {spec.name for spec in specs}:
        raise SettingsInvalid(f"DEFAULT_LLM_MODEL: the key of {default} is not set.")
    if settings.summary_model and settings.summary_model not in {spec.name for spec in specs}:
        raise SettingsInvalid(f"SUMMARY_MODEL: {settings.summary_model} is not in models.yaml, or its key is not set.")
    return Choice(specs=specs, default=default, shows_reasoning=settings.show_reasoning, summary=settings.summary_model)


def _named(settings: ModelSettings) -> list[ModelSpec]:
    """The catalog, and the default model when that is not in it: `provider:model`, or an id of the configured server."""
    specs = [spec for spec in read_catalog(settings.models_file) if not _is_out_of_place(spec, settings)]
    if not settings.default_model or settings.default_model in {spec.name for spec in specs}:
        return specs
    unlisted = _unlisted(settings.default_model)
    if not unlisted.model and specs and not settings.openai_base_url and not any(map(_is_at_openai, specs)):
        known = ", ".join(spec.name for spec in specs)
        raise SettingsInvalid(f"DEFAULT_LLM_MODEL: must be one of {known}; each has a server of its own, and no other is named.")
    return [unlisted, *specs]


def _is_out_of_place(spec: ModelSpec, settings: ModelSettings) -> bool:
    """Whether it is at OpenAI while OPENAI_API_KEY is the key of another server, which OpenAI must not be shown."""
    return bool(spec.base_url) and is_openai(spec.base_url) and spec.key_name == "OPENAI_API_KEY" and _is_elsewhere(settings)


def _is_at_openai(spec: ModelSpec) -> bool:
    return spec.provider == "openai" and is_openai(spec.base_url)


def _is_elsewhere(settings: ModelSettings) -> bool:
    """Whether another server has taken OpenAI's place; one of OpenAI's own for a region counts as such."""
    return not is_openai(settings.openai_base_url)


def _unlisted(name: str) -> ModelSpec:
    provider, colon, model = name.partition(":")
    if colon and model and (provider == "openai" or provider in PROVIDERS):
        return ModelSpec(name=name, provider=provider, model=model)
    # A colon alone says little: other servers' ids have some, as `llama3.2:3b`.
    return ModelSpec(name=name)


def _reachable(spec: ModelSpec, settings: ModelSettings, keys: Mapping[str, SecretStr]) -> bool:
    # A server of one's own may want no key; OpenAI's always does.
    keyless = not is_openai(spec.base_url) or not spec.key_name or (spec.key_name == "OPENAI_API_KEY" and _is_elsewhere(settings))
    return spec.provider == "demo" or spec.key_name in keys or keyless


def _lacks_package(spec: ModelSpec) -> bool:
    return spec.provider in PROVIDERS and not PROVIDERS[spec.provider].is_installed


def _package_missing(spec: ModelSpec) -> str:
    how = PROVIDERS[spec.provider].how_to_install
    return f"MODELS_FILE: the model {spec.name} needs the package of the provider {spec.provider}, which is not installed: {how}."
