"""ChatOpenAI over a lean transport; what it makes of a stream is what ChatOpenAI makes of it."""

from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing
from typing import Any, ClassVar, TypeGuard

from langchain_core.callbacks import AsyncCallbackManager, AsyncCallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.ai import add_ai_message_chunks
from langchain_core.messages.utils import message_chunk_to_message
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig, ensure_config
from pydantic import PrivateAttr

from app.errors import ModelBadAnswer
from app.llm.calls import Hearer
from app.llm.errors import model_errors
from app.llm.lean.assembly import Assembly, Chunk
from app.llm.lean.prompt import plain
from app.llm.lean.transport import Transport
from app.llm.openai import OpenAIModel


class LeanModel(OpenAIModel):
    """Given a `hearer`, `ainvoke` tells it each piece as it arrives; callbacks hear of the call's begin and end.

    Structured output, where the provider's own parser is asked for, goes the parent's way.
    """

    hears: ClassVar[bool] = True
    _transport: Transport = PrivateAttr()

    def over(self, transport: Transport) -> "LeanModel":
        """The same model, over this transport."""
        self._transport = transport
        return self

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002  # the parent's name
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,  # noqa: ANN401  # the parent's own
    ) -> AIMessage:
        """As the parent does; what it prepares for callbacks, which takes more than a hundred tokens, only if there are any."""
        is_ours = "hearer" in kwargs and "response_format" not in kwargs
        if is_ours and _are_texts(input) and not _is_watched(self, config):
            answer = (await self._agenerate(input, stop, **kwargs)).generations[0].message
            assert isinstance(answer, AIMessage)  # noqa: S101  # what its result always holds
            return answer
        return await super().ainvoke(input, config, stop=stop, **kwargs)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        hearer: Hearer | None = None,
        **kwargs: Any,  # noqa: ANN401  # the parent's own
    ) -> ChatResult:
        if "response_format" in kwargs:
            result = await super()._agenerate(messages, stop, run_manager, **kwargs)
            if hearer:
                hearer.token(str(result.generations[0].message.text))
            return result
        assembly = Assembly(hearer)
        with model_errors():
            async with aclosing(self._transport.chunks(self._body(messages, stop, kwargs))) as reads:
                async for chunks in reads:
                    assembly.take_all(chunks)
            if not assembly.is_finished:
                raise ModelBadAnswer("The model's answer broke off.")
            return ChatResult(generations=[_whole(self._converted(assembly.chunks()))])

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        *,
        hearer: Hearer | None = None,  # LangChain streams in place of `_agenerate` when a callback wants the chunks
        **kwargs: Any,  # noqa: ANN401  # the parent's own
    ) -> AsyncIterator[ChatGenerationChunk]:
        if "response_format" in kwargs:
            async for chunk in super()._astream(messages, stop, run_manager, **kwargs):
                yield chunk
            return
        assembly = Assembly(hearer)
        with model_errors():
            async with aclosing(self._transport.chunks(self._body(messages, stop, kwargs))) as reads:
                async for chunks in reads:
                    for taken in chunks:
                        assembly.take_all([taken])
                        for piece in self._converted([taken]):
                            if run_manager:
                                await run_manager.on_llm_new_token(piece.text, chunk=piece)
                            yield piece
            if not assembly.is_finished:
                raise ModelBadAnswer("The model's answer broke off.")

    def _body(self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]) -> dict[str, Any]:
        known = [plain(message) for message in messages]
        others = [message for message, ours in zip(messages, known, strict=True) if ours is None]
        body = self._get_request_payload(others, stop=stop, **{**kwargs, "stream": True, "stream_options": {"include_usage": True}})
        theirs = iter(body["messages"])
        return {**body, "messages": [ours or next(theirs) for ours in known]}

    def _converted(self, chunks: Iterable[Chunk]) -> list[ChatGenerationChunk]:
        pieces = (self._convert_chunk_to_generation_chunk(dict(chunk), AIMessageChunk, {}) for chunk in chunks)
        return [piece for piece in pieces if piece is not None]

    def _get_invocation_params(self, stop: list[str] | None = None, **kwargs: Any) -> dict[str, Any]:  # noqa: ANN401  # the parent's own
        """What tracing is shown: our hearer is no parameter of the model."""
        return super()._get_invocation_params(stop, **{name: value for name, value in kwargs.items() if name != "hearer"})


def _are_texts(prompt: LanguageModelInput) -> TypeGuard[list[BaseMessage]]:
    return isinstance(prompt, list) and all(isinstance(one, BaseMessage) and isinstance(one.content, str) for one in prompt)


def _is_watched(model: LeanModel, config: RunnableConfig | None) -> bool:
    """Whether a callback wants to hear of the call: those of the config, of a graph around it, of the model, or of the environment."""
    watching = AsyncCallbackManager.configure(ensure_config(config)["callbacks"], model.callbacks, model.verbose).handlers
    return not all(handler.ignore_chat_model for handler in watching)


def _whole(pieces: list[ChatGenerationChunk]) -> ChatGeneration:
    """The pieces in one, as BaseChatModel.astream and its callers put them together."""
    chunks = [piece.message for piece in pieces]
    for piece, chunk in zip(pieces, chunks, strict=True):
        chunk.response_metadata = {**(piece.generation_info or {}), **chunk.response_metadata}
    # The mark of the end: arguments of tools are read strictly from here on.
    said = [chunk for chunk in chunks if isinstance(chunk, AIMessageChunk)]
    whole = add_ai_message_chunks(*said, AIMessageChunk(content="", chunk_position="last"))
    return ChatGeneration(message=message_chunk_to_message(whole))
