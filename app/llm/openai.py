"""ChatOpenAI with its errors in our words, and a stream that breaks off told from one that ends."""

from collections.abc import AsyncIterator
from typing import Any, Final

from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_openai import ChatOpenAI

from app.errors import ModelBadAnswer
from app.llm.errors import model_errors
from app.llm.lean.assembly import REASONING

# What they call it, and where LangChain's own classes for them keep it.
_KEPT: Final = {**dict.fromkeys(REASONING, "reasoning_content"), "refusal": "refusal"}


class OpenAIModel(ChatOpenAI):
    """Stream as ChatOpenAI does; raise a ModelError for whatever goes wrong at the provider."""

    async def _agenerate(self, *args: Any, **kwargs: Any) -> ChatResult:  # noqa: ANN401  # the parent's own
        with model_errors():
            return await super()._agenerate(*args, **kwargs)

    async def _astream(self, *args: Any, **kwargs: Any) -> AsyncIterator[ChatGenerationChunk]:  # noqa: ANN401  # the parent's own
        finished = False
        with model_errors():
            async for chunk in super()._astream(*args, **kwargs):
                finished = finished or _is_last(chunk)
                yield chunk
        if not finished:
            raise ModelBadAnswer("The model's answer broke off.")

    def _convert_chunk_to_generation_chunk(self, chunk: dict[str, Any], *args: Any, **kwargs: Any) -> ChatGenerationChunk | None:  # noqa: ANN401
        """Keep the thoughts that other servers send beside what OpenAI's does, and a `refusal`, which ChatOpenAI drops."""
        converted = super()._convert_chunk_to_generation_chunk(chunk, *args, **kwargs)
        if converted and (choices := chunk.get("choices")):
            kept = {ours: said for name, ours in _KEPT.items() if (said := choices[0]["delta"].get(name)) and isinstance(said, str)}
            converted.message.additional_kwargs.update(kept)
        return converted


def _is_last(chunk: ChatGenerationChunk) -> bool:
    """Chat completions end with a reason, the Responses API with a mark of LangChain's."""
    return bool((chunk.generation_info or {}).get("finish_reason")) or getattr(chunk.message, "chunk_position", None) == "last"
