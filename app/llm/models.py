"""Models by name: which of the catalog can be asked here, and the client of each."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field

from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from langchain_core.tools import BaseTool
from pydantic import SecretStr

from app.errors import UnknownModel
from app.llm.breaker import Breaker, BreakerState
from app.llm.catalog import ModelSpec
from app.llm.choice import Choice, choose_models
from app.llm.demo import DemoModel
from app.llm.hooks import Hooks
from app.llm.money import Price, price_of
from app.llm.provider_table import PROVIDERS
from app.settings import ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that can be asked, and what the catalog says of it; `price` is None where nobody knows it."""

    spec: ModelSpec
    client: BaseChatModel
    price: Price | None = None
    _bound: dict[tuple[int, ...], Runnable[LanguageModelInput, AIMessage]] = field(default_factory=dict, repr=False)

    @property
    def hears(self) -> bool:
        """Whether the client takes a `hearer` and tells it each piece itself."""
        return getattr(self.client, "hears", False)

    def with_tools(self, tools: Sequence[BaseTool]) -> Runnable[LanguageModelInput, AIMessage]:
        """Bound once for each set: turning tools into a provider's schema costs a millisecond."""
        key = tuple(id(tool) for tool in tools)
        if key not in self._bound:
            self._bound[key] = self.client.bind_tools(tools) if tools else self.client
        return self._bound[key]


class Models:
    """The models of this server, in the catalog's order; the default one first asked when a message names none."""

    def __init__(self, models: Sequence[Model], choice: Choice, settings: ModelSettings, hooks: Hooks | None = None) -> None:
        self._models = {model.spec.name: model for model in models}
        self._breakers = {
            name: Breaker(name, failures=settings.breaker_failures, seconds=settings.breaker_seconds) for name in self._models
        }
        self.choice = choice
        self.settings = settings
        # Here, so that nobody who asks a model can leave them out.
        self.hooks = hooks or Hooks()

    def __iter__(self) -> Iterator[ModelSpec]:
        return (model.spec for model in self._models.values())

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def get(self, name: str | None) -> Model:
        """Raise UnknownModel; None is the default."""
        try:
            return self._models[self.choice.default if name is None else name]
        except KeyError as error:
            raise UnknownModel(f"There is no model of this name; there are {', '.join(self._models)}.") from error

    def breaker(self, model: Model) -> Breaker:
        return self._breakers[model.spec.name]

    def state(self, name: str) -> BreakerState:
        """Whether the model is asked at present."""
        return self._breakers[name].state

    def circle(self, name: str) -> Sequence[Model]:
        """The named model, and those that may be asked in its stead: in the catalog's order from there on, and round."""
        first, models = self.get(name), [*self._models.values()]
        place = [*self._models].index(first.spec.name)
        others = [*models[place + 1 :], *models[:place]] if self.settings.fallback else []
        return [first, *(other for other in others if other.spec.fallback and other.spec.provider != "demo")]


@asynccontextmanager
async def open_models(settings: ModelSettings, keys: Mapping[str, SecretStr], hooks: Hooks | None = None) -> AsyncGenerator[Models]:
    """Open the client of each chosen model; raise SettingsInvalid as `choose_models` does."""
    choice = choose_models(settings, keys)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_open_client(spec, settings, keys)) for spec in choice.specs]
        known = zip(choice.specs, clients, strict=True)
        models = [Model(spec=_known(spec, client), client=client, price=price_of(spec, settings)) for spec, client in known]
        yield Models(models, choice, settings, hooks)


def _known(spec: ModelSpec, client: BaseChatModel) -> ModelSpec:
    """The entry with what LangChain's list of models has and it does not say: the context window, and whether it takes images."""
    profile = client.profile or {}
    window = spec.context_window or profile.get("max_input_tokens")
    images = bool(profile.get("image_inputs")) if spec.images is None else spec.images
    return spec.model_copy(update={"context_window": window, "images": images})


def _open_client(spec: ModelSpec, settings: ModelSettings, keys: Mapping[str, SecretStr]) -> AbstractAsyncContextManager[BaseChatModel]:
    if spec.provider == "demo":
        return nullcontext(DemoModel())
    if spec.provider in PROVIDERS:
        # As much again for a provider that is not used.
        from app.llm.providers import open_provider  # noqa: PLC0415

        return open_provider(spec, settings, keys.get(spec.key_name))
    # Two CPU seconds that a server on the demo model does not spend.
    from app.llm.clients import open_chat_model  # noqa: PLC0415

    return open_chat_model(spec, settings, keys.get(spec.key_name, SecretStr("not-needed")))
