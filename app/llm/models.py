"""Models by name: which of the catalog can be asked here, and the client of each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from app.errors import SettingsInvalid, UnknownModel
from app.llm.catalog import ModelSpec, read_catalog
from app.llm.demo import DemoModel
from app.settings import ModelSettings

DEMO: Final = ModelSpec(name="demo", provider="demo", context_window=32_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that can be asked, with its tools bound, and what the catalog says of it."""

    spec: ModelSpec
    chat: Runnable[LanguageModelInput, AIMessage]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Which models can be asked here, and which one is when a message names none."""

    specs: Sequence[ModelSpec]
    default: str

    @property
    def is_demo(self) -> bool:
        return any(spec.name == self.default and spec.provider == "demo" for spec in self.specs)


class Models:
    """The models of this server, in the catalog's order; the default one first asked when a message names none."""

    def __init__(self, models: Sequence[Model], choice: Choice) -> None:
        self._models = {model.spec.name: model for model in models}
        self.choice = choice

    def __iter__(self) -> Iterator[ModelSpec]:
        return (model.spec for model in self._models.values())

    def get(self, name: str | None) -> Model:
        """Raise UnknownModel; None is the default."""
        try:
            return self._models[name or self.choice.default]
        except KeyError as error:
            raise UnknownModel(f"There is no model of this name; there are {', '.join(self._models)}.") from error


def choose_models(settings: ModelSettings, keys: Mapping[str, SecretStr]) -> Choice:
    """Take every model whose key is set, or the demo; raise SettingsInvalid when there is none and the demo is not allowed."""
    specs = [spec for spec in _named(settings) if _reachable(spec, settings, keys)]
    if not specs and not settings.allow_demo_model:
        raise SettingsInvalid("OPENAI_API_KEY: no model has its key; set one, or ALLOW_DEMO_MODEL=true to answer with the demo model.")
    specs = specs or [DEMO]
    default = settings.default_model or specs[0].name
    if default not in {spec.name for spec in specs}:
        raise SettingsInvalid(f"DEFAULT_LLM_MODEL: the key of {default} is not set.")
    return Choice(specs=specs, default=default)


def open_models(settings: ModelSettings, keys: Mapping[str, SecretStr], tools: Sequence[BaseTool]) -> Models:
    """Build the client of each chosen model; raise SettingsInvalid as `choose_models` does."""
    choice = choose_models(settings, keys)
    # Bound here once: turning tools into a provider's schema costs a millisecond.
    models = [Model(spec=spec, chat=_client(spec, settings, keys).bind_tools(tools)) for spec in choice.specs]
    return Models(models, choice)


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


def _client(spec: ModelSpec, settings: ModelSettings, keys: Mapping[str, SecretStr]) -> BaseChatModel:
    if spec.provider == "demo":
        return DemoModel()
    # Two CPU seconds that a server on the demo model does not spend.
    from app.llm.openai import open_chat_model  # noqa: PLC0415

    return open_chat_model(spec, settings, keys.get(spec.key_variable, SecretStr("not-needed")))
