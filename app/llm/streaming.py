"""One model's answer, each piece handed on the moment it arrives."""

from collections.abc import Sequence

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.utils import message_chunk_to_message
from langchain_core.runnables import Runnable

from app.errors import ModelBadAnswer
from app.llm.calls import Hearer
from app.llm.reasoning import thoughts_of


async def streamed(model: Runnable[LanguageModelInput, AIMessage], prompt: Sequence[BaseMessage], hearer: Hearer) -> AIMessage:
    """The whole answer; the loop's body is the hot path: it runs once per token."""
    chunks: list[AIMessageChunk] = []
    async for chunk in model.astream([*prompt]):
        if not isinstance(chunk, AIMessageChunk):
            continue
        chunks.append(chunk)
        if isinstance(chunk.content, str):
            if chunk.content:
                hearer.token(chunk.content)
            if reasoning := chunk.additional_kwargs.get("reasoning_content"):
                hearer.reasoning(reasoning)
        else:
            if reasoning := thoughts_of(chunk):
                hearer.reasoning(reasoning)
            if content := chunk.text:
                hearer.token(content)
    return _whole(chunks)


def _whole(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    if not chunks:
        raise ModelBadAnswer("The model's answer was empty.")
    answer = message_chunk_to_message(add_ai_message_chunks(chunks[0], *chunks[1:]))
    if not isinstance(answer, AIMessage):
        raise ModelBadAnswer
    return answer
