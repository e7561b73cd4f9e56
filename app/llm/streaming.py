"""One model's answer, each piece handed on the moment it arrives."""

from collections.abc import Sequence

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.utils import message_chunk_to_message
from langchain_core.runnables import Runnable, RunnableBinding

from app.errors import ModelBadAnswer, ModelRefused
from app.llm.calls import Hearer
from app.llm.reasoning import thoughts_of


async def streamed(
    model: Runnable[LanguageModelInput, AIMessage], prompt: Sequence[BaseMessage], hearer: Hearer, *, hears: bool = False
) -> AIMessage:
    """The whole answer; a model that `hears` tells its pieces itself."""
    if hears:
        # Past the binding, whose merging of configurations costs more than a dozen tokens.
        bound, options = (model.bound, model.kwargs) if isinstance(model, RunnableBinding) else (model, {})
        return await bound.ainvoke([*prompt], hearer=hearer, **options)
    return await _listened_to(model, prompt, hearer)


async def _listened_to(model: Runnable[LanguageModelInput, AIMessage], prompt: Sequence[BaseMessage], hearer: Hearer) -> AIMessage:
    """The loop's body is the hot path of all other models: it runs once per token."""
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


def check_refusal(answer: AIMessage) -> None:
    """Raise ModelRefused when the model, or the provider's filter, declined to answer."""
    # OpenAI's word for a filter that stepped in, and Anthropic's for a model that did.
    filtered = answer.response_metadata.get("finish_reason") == "content_filter" or answer.response_metadata.get("stop_reason") == "refusal"
    if filtered or (_has_refusal(answer) and not answer.text and not answer.tool_calls):
        raise ModelRefused


def _has_refusal(answer: AIMessage) -> bool:
    """Beside the content in chat completions, a part of it in OpenAI's Responses API."""
    parts = answer.content if isinstance(answer.content, list) else ()
    return bool(answer.additional_kwargs.get("refusal")) or any(isinstance(part, dict) and part.get("type") == "refusal" for part in parts)


def _whole(chunks: Sequence[AIMessageChunk]) -> AIMessage:
    if not chunks:
        raise ModelBadAnswer("The model's answer was empty.")
    answer = message_chunk_to_message(add_ai_message_chunks(chunks[0], *chunks[1:]))
    if not isinstance(answer, AIMessage):
        raise ModelBadAnswer
    return answer
