"""The client of a server that speaks OpenAI's protocol: ours, or ChatOpenAI with nothing changed but its errors."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import cache
from typing import Any

import openai
from pydantic import SecretStr

from app.llm.catalog import OPENAI, ModelSpec
from app.llm.lean.model import LeanModel
from app.llm.lean.transport import open_transport
from app.llm.openai import OpenAIModel
from app.llm.responses import openai_options
from app.settings import ModelSettings


class _Later:
    """OpenAI's client, made when something is first asked of it: with all its types it takes five megabytes."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  # whatever the client has
        if name.startswith("__"):
            raise AttributeError(name)  # Python's own questions, of which none is about the client
        return getattr(self._make(), name)


@asynccontextmanager
async def open_chat_model(spec: ModelSpec, settings: ModelSettings, key: SecretStr) -> AsyncGenerator[OpenAIModel]:
    """A model with connections of its own, closed when we leave: those LangChain shares would outlive the event loop."""
    base_url = spec.base_url or settings.openai_base_url or OPENAI
    async with AsyncExitStack() as stack:
        options = _options(spec, key) | _clients(stack, settings, base_url, key.get_secret_value())
        if settings.client == "stock" or spec.responses_api:
            yield OpenAIModel(**options)
            return
        transport = open_transport(
            base_url, key.get_secret_value(), connect_seconds=settings.connect_seconds, idle_seconds=settings.idle_seconds
        )
        yield LeanModel(**options).over(await stack.enter_async_context(transport))


def _clients(stack: AsyncExitStack, settings: ModelSettings, base_url: str, key: str) -> dict[str, Any]:
    """Without tries of their own: `trying` makes them, for all providers alike. Ours asks them for structured output only."""
    timeout = openai.Timeout(settings.idle_seconds, connect=settings.connect_seconds)
    options: dict[str, Any] = {"api_key": key, "base_url": base_url, "timeout": timeout, "max_retries": 0}

    @cache
    def client() -> openai.OpenAI:
        made = openai.OpenAI(**options)
        stack.callback(made.close)
        return made

    @cache
    def async_client() -> openai.AsyncOpenAI:
        made = openai.AsyncOpenAI(**options, http_client=openai.DefaultAsyncHttpxClient(timeout=timeout))
        stack.push_async_callback(made.close)
        return made

    return {
        "root_client": _Later(client),
        "client": _Later(lambda: client().chat.completions),
        "root_async_client": _Later(async_client),
        "async_client": _Later(lambda: async_client().chat.completions),
    }


def _options(spec: ModelSpec, key: SecretStr) -> dict[str, Any]:
    return {
        "model": spec.id_at_provider,
        "api_key": key,
        "temperature": spec.temperature,
        "max_tokens": spec.max_tokens,
        # A task and a timer for every chunk; the connection's own read timeout does the same for nothing.
        "stream_chunk_timeout": 0,
        "stream_usage": True,  # off by default for a server that is not OpenAI's
        **openai_options(spec),
    }
