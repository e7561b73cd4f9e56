"""OpenAI's own clients beside ours: made when something is asked of them, one for all that is asked at once, and closed at the end."""

import asyncio
import copy
import gc
from typing import Final

import openai
from langchain_core.messages import HumanMessage
from pydantic import BaseModel, SecretStr

from app.llm.catalog import ModelSpec
from app.llm.clients import open_chat_model
from app.llm.streaming import streamed
from app.settings import ModelSettings
from tests.fakes import HeardAll
from tests.stub.answers import Text
from tests.stub.client import ProviderStub

type Client = openai.OpenAI | openai.AsyncOpenAI

QUESTION: Final = [HumanMessage("Well?")]
SPEC: Final = ModelSpec(name="stub")


class Sum(BaseModel):
    """A sum."""

    result: int


def clients() -> list[Client]:
    gc.collect()
    return [one for one in gc.get_objects() if type(one) in (openai.OpenAI, openai.AsyncOpenAI)]


async def test_an_answer_needs_none_of_them_and_structured_output_one_however_much_is_asked_at_once(provider: ProviderStub) -> None:
    await provider.script(Text("Yes."), Text('{"result": 84}', times=5), Text("Yes."))
    before = clients()
    async with open_chat_model(SPEC, ModelSettings(OPENAI_BASE_URL=provider.url), SecretStr("sk-test")) as model:
        assert (await streamed(model, QUESTION, HeardAll(), hears=True)).text == "Yes."
        assert clients() == before
        sums = model.with_structured_output(Sum, method="json_schema")
        assert await asyncio.gather(*(sums.ainvoke(QUESTION) for _ in range(5))) == [Sum(result=84)] * 5
        assert (await asyncio.to_thread(model.invoke, QUESTION)).text == "Yes."
        made = [client for client in clients() if client not in before]
        assert {type(client) for client in made} == {openai.OpenAI, openai.AsyncOpenAI}
        assert len(made) == 2
        for client in made:
            assert (client.max_retries, client.timeout) == (0, openai.Timeout(60, connect=10))
    assert all(client.is_closed() for client in made)


async def test_a_copy_of_a_model_asks_the_same_clients(provider: ProviderStub) -> None:
    await provider.script(Text('{"result": 84}'))
    async with open_chat_model(SPEC, ModelSettings(OPENAI_BASE_URL=provider.url), SecretStr("sk-test")) as model:
        other = model.model_copy(update={"temperature": 0.5})
        assert await other.with_structured_output(Sum, method="json_schema").ainvoke(QUESTION) == Sum(result=84)
        assert copy.copy(model.root_async_client).chat is model.root_async_client.chat
