"""The client of a server that speaks OpenAI's protocol: ours, or ChatOpenAI with nothing changed but its errors."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import openai
from pydantic import SecretStr

from app.llm.catalog import OPENAI, ModelSpec
from app.llm.lean.model import LeanModel
from app.llm.lean.transport import open_transport
from app.llm.openai import OpenAIModel
from app.llm.responses import openai_options
from app.settings import ModelSettings


@asynccontextmanager
async def open_chat_model(spec: ModelSpec, settings: ModelSettings, key: SecretStr) -> AsyncGenerator[OpenAIModel]:
    """A model with connections of its own, closed when we leave: those LangChain shares would outlive the event loop."""
    timeout = openai.Timeout(settings.idle_seconds, connect=settings.connect_seconds)
    base_url = spec.base_url or settings.openai_base_url or OPENAI
    async with openai.DefaultAsyncHttpxClient(timeout=timeout) as http:
        # No tries of its own: `trying` makes them, for all providers alike.
        client = openai.AsyncOpenAI(api_key=key.get_secret_value(), base_url=base_url, timeout=timeout, max_retries=0, http_client=http)
        options = _options(spec, key, client)
        if settings.client == "stock" or spec.responses_api:
            yield OpenAIModel(**options)
            return
        async with open_transport(
            base_url, key.get_secret_value(), connect_seconds=settings.connect_seconds, idle_seconds=settings.idle_seconds
        ) as transport:
            yield LeanModel(**options).over(transport)


def _options(spec: ModelSpec, key: SecretStr, client: openai.AsyncOpenAI) -> dict[str, Any]:
    return {
        "model": spec.id_at_provider,
        "api_key": key,
        "root_async_client": client,
        "async_client": client.chat.completions,
        "temperature": spec.temperature,
        "max_tokens": spec.max_tokens,
        # A task and a timer for every chunk; the connection's own read timeout does the same for nothing.
        "stream_chunk_timeout": 0,
        "stream_usage": True,  # off by default for a server that is not OpenAI's
        **openai_options(spec),
    }
