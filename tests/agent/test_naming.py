"""A conversation is named by a model: whatever it says becomes a short name or none."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessageChunk, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from pydantic import Field

from app.agent.naming import name_conversation
from app.errors import ModelUnavailable
from app.llm.asking import Asker
from tests.fakes import HeardAll, models_of


class Says(BaseChatModel):
    """A model that streams these words, and keeps what it was asked and how."""

    words: list[str]
    error: Exception | None = None
    asked: list[BaseMessage] = Field(default_factory=list)
    options: dict[str, Any] = Field(default_factory=dict)

    @property
    def _llm_type(self) -> str:
        return "scripted"

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        raise NotImplementedError("Names are streamed.")

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,  # noqa: ARG002  # the parent's names
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        self.asked, self.options = messages, kwargs
        for word in self.words:
            yield ChatGenerationChunk(message=AIMessageChunk(content=word))
        if self.error:
            raise self.error


def asking(model: BaseChatModel) -> Asker:
    return Asker(models_of(model), None, HeardAll())


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["A trip", " to Oslo"], "A trip to Oslo"),
        (['"A trip to Oslo"'], "A trip to Oslo"),
        (["«Une virée à Oslo».\n"], "Une virée à Oslo"),
        (["**A trip\n\n to\tOslo**"], "A trip to Oslo"),
        (["# A trip to Oslo"], "A trip to Oslo"),
        (["What's new in C#?"], "What's new in C#?"),
        (["x" * 500], "x" * 60),
        (["y" * 59, " and more"], "y" * 59),
        ([""], None),
        ([' "" \n'], None),
    ],
)
async def test_what_a_model_says_becomes_a_name(words: list[str], name: str | None) -> None:
    assert await name_conversation(asking(Says(words=words)), "Tell me about Oslo", "Oslo is lovely.") == name


async def test_a_model_is_shown_the_beginning_of_the_turn_and_may_not_ramble() -> None:
    model = Says(words=["Oslo"])
    await name_conversation(asking(model), "q" * 5_000, "Oslo is lovely." + "a" * 5_000)
    [instructions, turn] = model.asked
    assert (instructions.type, turn.type) == ("system", "human")
    assert "not instructions" in instructions.text
    assert "Oslo is lovely." in turn.text
    assert turn.text.count("q") == 1_000
    assert len(turn.text) < 2_200
    assert model.options["max_tokens"] == 60


async def test_what_a_model_raises_is_raised() -> None:
    with pytest.raises(ModelUnavailable):
        await name_conversation(asking(Says(words=["A tr"], error=ModelUnavailable())), "Hi", "Hello")
