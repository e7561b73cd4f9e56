"""What every class of LangChain's is taken for, whichever provider it is for."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage, HumanMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from app.llm.providers import _translating


class Echo(BaseChatModel):
    """Say how it was asked, and take no option at all, as Ollama's client does."""

    @property
    def _llm_type(self) -> str:
        return "echo"

    def _generate(self, messages: list[BaseMessage], stop: list[str] | None = None, *_: Any, **__: Any) -> ChatResult:
        raise NotImplementedError

    async def _astream(self, *_: Any, **options: Any) -> AsyncIterator[ChatGenerationChunk]:
        options = {name: value for name, value in options.items() if name not in {"stop", "run_manager"}}
        asked = {name: getattr(self, name) for name in ("num_predict", "max_output_tokens") if hasattr(self, name)}
        yield ChatGenerationChunk(message=AIMessageChunk(content=f"{asked} {options}", chunk_position="last"))


class LikeOllamas(Echo):
    num_predict: int | None = None


class LikeGoogles(Echo):
    max_output_tokens: int | None = None


@pytest.mark.parametrize(
    ("chat_class", "told"),
    [(LikeOllamas, "{'num_predict': 60} {}"), (LikeGoogles, "{'max_output_tokens': 60} {}"), (Echo, "{} {'max_tokens': 60}")],
)
async def test_the_bound_of_one_call_goes_by_the_name_that_the_class_has_for_it(chat_class: type[Echo], told: str) -> None:
    model = _translating(chat_class, tells_ending=False)()
    assert [chunk.text async for chunk in model.bind(max_tokens=60).astream([HumanMessage("x")])] == [told]
    assert not [chunk async for chunk in model.astream([HumanMessage("x")]) if "60" in chunk.text]
