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
from app.llm.catalog import ModelSpec
from app.llm.choice import Choice, choose_models
from app.llm.demo import DemoModel
from app.llm.money import Price, price_of
from app.settings import ModelSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that can be asked, and what the catalog says of it; `price` is None where nobody knows it."""

    spec: ModelSpec
    client: BaseChatModel
    price: Price | None = None
    _bound: dict[tuple[int, ...], Runnable[LanguageModelInput, AIMessage]] = field(default_factory=dict, repr=False)

    def with_tools(self, tools: Sequence[BaseTool]) -> Runnable[LanguageModelInput, AIMessage]:
        """Bound once for each set: turning tools into a provider's schema costs a millisecond."""
        key = tuple(id(tool) for tool in tools)
        if key not in self._bound:
            self._bound[key] = self.client.bind_tools(tools) if tools else self.client
        return self._bound[key]


class Models:
    """The models of this server, in the catalog's order; the default one first asked when a message names none."""

    def __init__(self, models: Sequence[Model], choice: Choice) -> None:
        self._models = {model.spec.name: model for model in models}
        self.choice = choice

    def __iter__(self) -> Iterator[ModelSpec]:
        return (model.spec for model in self._models.values())

    def __contains__(self, name: object) -> bool:
        return name in self._models

    def get(self, name: str | None) -> Model:
        """Raise UnknownModel; None is the default."""
        try:
            return self._models[name or self.choice.default]
        except KeyError as error:
            raise UnknownModel(f"There is no model of this name; there are {', '.join(self._models)}.") from error


@asynccontextmanager
async def open_models(settings: ModelSettings, keys: Mapping[str, SecretStr]) -> AsyncGenerator[Models]:
    """Open the client of each chosen model; raise SettingsInvalid as `choose_models` does."""
    choice = choose_models(settings, keys)
    async with AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(_open_client(spec, settings, keys)) for spec in choice.specs]
        specs = zip(choice.specs, clients, strict=True)
        yield Models([Model(spec=spec, client=client, price=price_of(spec, settings)) for spec, client in specs], choice)


def _open_client(spec: ModelSpec, settings: ModelSettings, keys: Mapping[str, SecretStr]) -> AbstractAsyncContextManager[BaseChatModel]:
    if spec.provider == "demo":
        return nullcontext(DemoModel())
    # Two CPU seconds that a server on the demo model does not spend.
    from app.llm.openai import open_chat_model  # noqa: PLC0415

    return open_chat_model(spec, settings, keys.get(spec.key_variable, SecretStr("not-needed")))
