"""Any provider that LangChain has a class for: made from an entry of models.yaml, its errors in our words."""

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib import import_module
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import SecretStr, ValidationError

from app.errors import ModelBadAnswer, SettingsInvalid
from app.llm.catalog import ModelSpec
from app.llm.provider_errors import provider_errors
from app.llm.provider_table import PROVIDERS
from app.settings import ModelSettings

# By what names the classes take a thing; the first that a class has is used.
_SPELLINGS: Final[Mapping[str, tuple[str, ...]]] = {
    "api_key": ("api_key",),
    "base_url": ("base_url",),
    "temperature": ("temperature",),
    "max_tokens": ("max_tokens", "max_output_tokens", "num_predict"),
    "timeout": ("timeout", "request_timeout"),
    "max_retries": ("max_retries",),
}
# Google's SDK takes 0 for its own default, which is 5.
_NO_RETRIES: Final[Mapping[str, int]] = {"google_genai": 1}
# Where a whole answer says why it ended; one that does not say so has broken off.
_ENDINGS: Final = ("stop_reason", "finish_reason", "done_reason")
_TELL_THEIR_ENDING: Final = ("anthropic", "google_genai", "ollama")


@asynccontextmanager
async def open_provider(spec: ModelSpec, settings: ModelSettings, key: SecretStr | None) -> AsyncGenerator[BaseChatModel]:
    """The model; raise SettingsInvalid for an entry that its class does not take."""
    chat_class = _class_of(spec)
    try:
        chat = _translating(chat_class, tells_ending=spec.provider in _TELL_THEIR_ENDING)(**_parameters(chat_class, spec, settings, key))
    except (ValidationError, ValueError, TypeError) as error:
        raise SettingsInvalid(f"MODELS_FILE: the model {spec.name}: {spec.provider} cannot be set up: {_places(error)}.") from error
    async with _own_connections(chat, spec, settings):
        yield chat


def _class_of(spec: ModelSpec) -> type[BaseChatModel]:
    provider = PROVIDERS[spec.provider]
    try:
        found: type[BaseChatModel] = getattr(import_module(provider.module), provider.chat_class)
    except (ImportError, AttributeError) as error:
        raise SettingsInvalid(
            f"MODELS_FILE: the model {spec.name}: the package of the provider {spec.provider} cannot be used: {provider.how_to_install}."
        ) from error
    return found


def _places(error: Exception) -> str:
    """What is wrong, by the names of the parameters: what a class says in words may hold a key."""
    if not isinstance(error, ValidationError):
        return "its class refuses the entry"
    names = {".".join(map(str, problem["loc"])) for problem in error.errors(include_input=False, include_url=False)}
    return ", ".join(sorted(filter(None, names))) or "its class refuses the entry"


def _parameters(chat_class: type[BaseChatModel], spec: ModelSpec, settings: ModelSettings, key: SecretStr | None) -> dict[str, Any]:
    """Raise SettingsInvalid for something the entry says and the class has no word for."""
    said = {"temperature": spec.temperature, "max_tokens": spec.max_tokens, "base_url": spec.base_url or None, "api_key": key}
    # Retries and the time a turn may take are ours, for all providers alike.
    wished = {"timeout": settings.idle_seconds, "max_retries": _NO_RETRIES.get(spec.provider, 0)}
    parameters: dict[str, Any] = {"model": spec.id_at_provider}
    for what, value in {**said, **wished}.items():
        word = next((word for word in _SPELLINGS[what] if word in _words(chat_class)), None)
        if value is not None and word:
            parameters[word] = value
        elif value is not None and said.get(what) is not None and what != "api_key":
            raise SettingsInvalid(f"MODELS_FILE: the model {spec.name}: {spec.provider} does not take {what}.")
    if "client_kwargs" in _words(chat_class) and "timeout" not in _words(chat_class):  # as Ollama's
        parameters["client_kwargs"] = {"timeout": settings.idle_seconds}
    return {**parameters, **spec.options}


def _words(chat_class: type[BaseChatModel]) -> set[str]:
    aliases = {field.alias for field in chat_class.model_fields.values() if field.alias}
    return aliases | set(chat_class.model_fields)


def _translating(chat_class: type[BaseChatModel], *, tells_ending: bool) -> type[BaseChatModel]:
    """The same class, which raises ModelErrors and does not take a stream that broke off for a whole answer."""

    class Translating(chat_class):  # type: ignore[valid-type, misc]  # any class of LangChain's
        async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:  # noqa: ANN401  # the parent's own
            ended = not tells_ending
            with provider_errors():
                async for chunk in super(Translating, _bounded(self, kwargs))._astream(*args, **kwargs):
                    ended = ended or _tells_ending(chunk)
                    yield chunk
            if not ended:
                raise ModelBadAnswer("The model's answer broke off.")

        async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ANN401  # the parent's own
            with provider_errors():
                result: ChatResult = await super(Translating, _bounded(self, kwargs))._agenerate(*args, **kwargs)
                return result

    # Traces show the class's name.
    Translating.__name__ = Translating.__qualname__ = chat_class.__name__
    return Translating


def _bounded(chat: BaseChatModel, options: dict[str, Any]) -> Any:  # noqa: ANN401  # of the very class that asks
    """The model with a call's own `max_tokens` taken out of its options, where its class has another word for it.

    Ollama's would pass it on to a client that knows no such thing, and Google's would not hear it.
    """
    word = next((word for word in _SPELLINGS["max_tokens"] if word in type(chat).model_fields), "max_tokens")
    if word == "max_tokens" or "max_tokens" not in options:
        return chat
    return chat.model_copy(update={word: options.pop("max_tokens")})


def _tells_ending(chunk: ChatGenerationChunk) -> bool:
    told = {**chunk.message.response_metadata, **(chunk.generation_info or {})}
    return any(told.get(name) for name in _ENDINGS)


@asynccontextmanager
async def _own_connections(chat: BaseChatModel, spec: ModelSpec, settings: ModelSettings) -> AsyncGenerator[None]:
    """Close on leaving what LangChain would leave open; ChatAnthropic's connections it even shares, past the end of the event loop."""
    client: Any = getattr(chat, "_async_client", None)
    if spec.provider == "anthropic":
        anthropic = import_module("anthropic")
        timeout = anthropic.Timeout(settings.idle_seconds, connect=settings.connect_seconds)
        async with anthropic.DefaultAsyncHttpxClient(timeout=timeout) as http:
            vars(chat)["_async_client"] = client.copy(http_client=http, timeout=timeout)
            yield
        return
    yield
    if close := getattr(chat, "aclose", None) or getattr(client, "close", None):
        await close()
