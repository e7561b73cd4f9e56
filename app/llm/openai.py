"""ChatOpenAI with its errors in our words, and a stream that breaks off told from one that ends."""

from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import Any, Final

import httpx2
import openai
from langchain_core.outputs import ChatGenerationChunk
from langchain_openai import ChatOpenAI
from pydantic import SecretStr

from app.errors import (
    ModelAuthFailed,
    ModelBadAnswer,
    ModelError,
    ModelForbidden,
    ModelRateLimited,
    ModelRejected,
    ModelTimeout,
    ModelUnavailable,
)
from app.llm.catalog import ModelSpec
from app.llm.plain_chunks import PlainCompletions
from app.settings import ModelSettings

# Most specific first: the SDK's timeouts are connection errors, and its statuses have a class each.
_TRANSLATIONS: Final[tuple[tuple[type[Exception], type[ModelError]], ...]] = (
    (openai.APITimeoutError, ModelTimeout),
    (TimeoutError, ModelTimeout),
    (httpx2.TimeoutException, ModelTimeout),
    (openai.APIConnectionError, ModelUnavailable),
    (openai.RateLimitError, ModelRateLimited),
    (openai.AuthenticationError, ModelAuthFailed),
    (openai.PermissionDeniedError, ModelForbidden),
    (openai.ConflictError, ModelUnavailable),
    (openai.InternalServerError, ModelUnavailable),
    (openai.APIStatusError, ModelRejected),
    (openai.OpenAIError, ModelBadAnswer),
    (httpx2.HTTPError, ModelBadAnswer),
    # What the SDK and LangChain trip over in a line that is no JSON, or JSON of another shape.
    (ValueError, ModelBadAnswer),
    (TypeError, ModelBadAnswer),
    (LookupError, ModelBadAnswer),
    (AttributeError, ModelBadAnswer),
)
_KEPT: Final = ("reasoning_content", "refusal")
_FOREIGN: Final = tuple(foreign for foreign, _ in _TRANSLATIONS)


class OpenAIModel(ChatOpenAI):
    """Stream as ChatOpenAI does; raise a ModelError for whatever goes wrong at the provider."""

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:  # noqa: ANN401  # the parent's own
        finished = False
        with model_errors():
            async for chunk in super()._astream(*args, **kwargs):
                finished = finished or bool(chunk.generation_info and chunk.generation_info.get("finish_reason"))
                yield chunk
        if not finished:
            raise ModelBadAnswer("The model's answer broke off.")

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *args: Any, **kwargs: Any) -> ChatGenerationChunk | None:  # noqa: ANN401
        """Keep the `reasoning_content` that other servers send beside what OpenAI's does, and a `refusal`, which ChatOpenAI drops."""
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        if converted and (choices := chunk.get("choices")):
            kept = {name: said for name in _KEPT if isinstance(said := choices[0]["delta"].get(name), str)}
            converted.message.additional_kwargs.update(kept)
        return converted


@asynccontextmanager
async def open_chat_model(spec: ModelSpec, settings: ModelSettings, key: SecretStr) -> AsyncGenerator[OpenAIModel]:
    """A model with connections of its own, closed when we leave: those LangChain shares would outlive the event loop."""
    timeout = openai.Timeout(settings.idle_seconds, connect=settings.connect_seconds)
    async with openai.DefaultAsyncHttpxClient(timeout=timeout) as http:
        client = openai.AsyncOpenAI(
            api_key=key.get_secret_value(),
            base_url=spec.base_url or settings.openai_base_url or None,
            timeout=timeout,
            max_retries=0,  # `trying` does it for all providers alike
            http_client=http,
        )
        yield OpenAIModel(
            model=spec.id_at_provider,
            api_key=key,
            root_async_client=client,
            async_client=PlainCompletions(client),
            temperature=spec.temperature,
            max_tokens=spec.max_tokens,
            # A task and a timer for every chunk; the connection's own read timeout does the same for nothing.
            stream_chunk_timeout=0,
            stream_usage=True,  # off by default for a server that is not OpenAI's
            use_responses_api=False,
        )


@contextmanager
def model_errors() -> Generator[None]:
    try:
        yield
    except _FOREIGN as error:
        raise _translated(error) from error


def _translated(error: Exception) -> ModelError:
    ours = next(ours for foreign, ours in _TRANSLATIONS if isinstance(error, foreign))
    if isinstance(error, openai.APIStatusError) and error.status_code == HTTPStatus.REQUEST_TIMEOUT:
        ours = ModelTimeout  # the SDK has no class for it
    retry_after = _retry_after_seconds(error)
    return ours() if retry_after is None else ours(retry_after=retry_after)


def _retry_after_seconds(error: Exception) -> int | None:
    """The provider's own wish (RFC 9110, 10.2.3), when it is a number of seconds."""
    wish = error.response.headers.get("retry-after", "") if isinstance(error, openai.APIStatusError) else ""
    return int(wish) if wish.isdecimal() else None
