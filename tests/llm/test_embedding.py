"""What compares texts: the built-in embedder, a server's, and which of them the settings ask for."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from app.errors import ModelAuthFailed, ModelBadAnswer, ModelError, ModelRateLimited, ModelTimeout, ModelUnavailable, SettingsInvalid
from app.llm.embedding import Embedder, choose_embedder, open_embedder
from app.llm.words_embedder import WordsEmbedder
from app.settings import MemorySettings, ModelSettings

FACTS = ("My name is Ada", "I do not eat meat", "I live in Oslo", "Ich spiele gern Klavier", "我不吃肉")
# Each closest to the fact of the same place.
QUESTIONS = ("What is my name?", "Is there meat in this?", "Where do I live?", "Was kann ich am Klavier üben?", "我可以吃什么")
PLACES = [
    (8, False),
    (26, False),
    (27, False),
    (28, True),
    (40, True),
    (63, False),
    (73, False),
    (87, True),
    (121, True),
    (149, True),
    (163, False),
    (185, True),
]
HERE = "http://embeddings.test/v1"


def likeness(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_a_question_is_nearest_to_the_fact_it_shares_words_with_in_any_language() -> None:
    facts, questions = await WordsEmbedder().embed(FACTS), await WordsEmbedder().embed(QUESTIONS)
    nearest = [max(range(len(FACTS)), key=lambda place: likeness(facts[place], question)) for question in questions]
    assert nearest == [*range(len(FACTS))]
    assert {len(vector) for vector in facts} == {WordsEmbedder.dimensions}
    assert [likeness(vector, vector) for vector in facts] == pytest.approx([1] * len(FACTS))
    assert not any((await WordsEmbedder().embed(["?!"]))[0])


async def test_the_vectors_are_the_same_in_every_process() -> None:
    """Another way to count or to hash needs another name: the vectors that are kept could not be compared with any more."""
    [vector] = await WordsEmbedder().embed(["I live in Oslo"])
    assert WordsEmbedder.name == "words-1"
    assert [(place, value > 0) for place, value in enumerate(vector) if value] == PLACES


class EmbeddingServer:
    """Answers as OpenAI's does, the texts' lengths for vectors and the last text first; or with what it is told to."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.answer: web.Response | None = None
        self.hangs = False

    async def embeddings(self, request: web.Request) -> web.Response:
        body = orjson.loads(await request.read())
        self.asked.append(body)
        self.keys.append(request.headers.get("Authorization"))
        if self.hangs:
            await asyncio.Event().wait()
        if self.answer:
            return self.answer
        entries = [{"index": place, "embedding": [len(text), 0, 1]} for place, text in enumerate(body["input"])]
        return web.json_response({"data": entries[::-1], "model": body["model"]})


@asynccontextmanager
async def embedding_server(**variables: Any) -> AsyncIterator[tuple[EmbeddingServer, Embedder]]:
    server, app = EmbeddingServer(), web.Application()
    app.router.add_post("/v1/embeddings", server.embeddings)
    async with TestServer(app, shutdown_timeout=0) as running:
        named = {"EMBEDDING_BASE_URL": f"{running.make_url('/v1')}/", "EMBEDDING_MODEL": "mini", "EMBEDDING_DIMENSIONS": 3, **variables}
        async with open_embedder(choose_embedder(MemorySettings(**named), ModelSettings()), 0.5) as embedder:
            yield server, embedder


async def test_a_server_is_asked_once_for_all_texts_and_the_vectors_come_in_their_order() -> None:
    async with embedding_server(EMBEDDING_API_KEY="sk-mine") as (server, embedder):
        assert await embedder.embed(["one", "three", ""]) == [[3, 0, 1], [5, 0, 1], [1, 0, 1]]
        assert server.asked == [{"model": "mini", "encoding_format": "float", "input": ["one", "three", " "]}]
        assert server.keys == ["Bearer sk-mine"]
        assert (embedder.name, embedder.dimensions) == ("mini/3", 3)


async def test_only_a_model_of_openais_that_is_to_be_shorter_is_told_how_long() -> None:
    async with embedding_server(EMBEDDING_MODEL="text-embedding-3-small") as (server, embedder):
        await embedder.embed(["one"])
        assert server.asked[0]["dimensions"] == 3


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (web.Response(status=401), ModelAuthFailed),
        (web.Response(status=429, headers={"Retry-After": "7"}), ModelRateLimited),
        (web.Response(status=500), ModelUnavailable),
        (web.Response(text="canary"), ModelBadAnswer),
        (web.json_response({"data": []}), ModelBadAnswer),
        (web.json_response({"data": [{"index": 0, "embedding": [1, 2]}]}), ModelBadAnswer),
        (web.json_response({"data": [{"index": 0, "embedding": [1, 2, "canary"]}]}), ModelBadAnswer),
        (None, ModelTimeout),
    ],
)
async def test_what_a_server_answers_instead_is_an_error_of_ours_after_one_try(
    answer: web.Response | None, error: type[ModelError]
) -> None:
    async with embedding_server() as (server, embedder):
        server.answer, server.hangs = answer, answer is None
        with pytest.raises(error) as raised:
            await embedder.embed(["one"])
        assert "canary" not in raised.value.detail
        assert len(server.asked) == 1


OPENAI = {"OPENAI_API_KEY": "sk-openai"}
ELSEWHERE = {**OPENAI, "OPENAI_BASE_URL": "http://models.test/v1"}


@pytest.mark.parametrize(
    ("variables", "chosen"),
    [
        ({}, ("words-1", "", "")),
        (OPENAI, ("text-embedding-3-small/1536", "https://api.openai.com/v1", "sk-openai")),
        ({"EMBEDDING_API_KEY": "sk-e"}, ("text-embedding-3-small/1536", "https://api.openai.com/v1", "sk-e")),
        ({**OPENAI, "EMBEDDING_MODEL": "words"}, ("words-1", "", "")),
        # Nobody knows whether that server embeds at all.
        (ELSEWHERE, ("words-1", "", "")),
        ({**ELSEWHERE, "EMBEDDING_MODEL": "m", "EMBEDDING_DIMENSIONS": "3"}, ("m/3", "http://models.test/v1", "sk-openai")),
        ({**OPENAI, "EMBEDDING_BASE_URL": HERE, "EMBEDDING_MODEL": "m", "EMBEDDING_DIMENSIONS": "3"}, ("m/3", HERE, "")),
        (
            {**ELSEWHERE, "EMBEDDING_BASE_URL": "https://api.openai.com/v1", "EMBEDDING_MODEL": "text-embedding-ada-002"},
            "EMBEDDING_API_KEY",
        ),
        ({"EMBEDDING_BASE_URL": HERE}, "EMBEDDING_MODEL"),
        ({"EMBEDDING_MODEL": "words", "EMBEDDING_BASE_URL": HERE}, "EMBEDDING_MODEL"),
        ({"EMBEDDING_MODEL": "words", "EMBEDDING_DIMENSIONS": "3"}, "EMBEDDING_MODEL"),
        ({"EMBEDDING_BASE_URL": HERE, "EMBEDDING_MODEL": "m"}, "EMBEDDING_DIMENSIONS"),
        ({"EMBEDDING_MODEL": "text-embedding-3-large"}, "EMBEDDING_API_KEY"),
    ],
)
def test_the_settings_choose_an_embedder_and_show_no_server_anothers_key(
    variables: dict[str, str], chosen: tuple[str, str, str] | str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "EMBEDDING_API_KEY", "EMBEDDING_BASE_URL", "EMBEDDING_MODEL"):
        monkeypatch.delenv(name, raising=False)
    memory, models = MemorySettings(**variables), ModelSettings(**variables)  # type: ignore[arg-type]  # by their aliases
    if isinstance(chosen, str):
        with pytest.raises(SettingsInvalid, match=f"^{chosen}: "):
            choose_embedder(memory, models)
        return
    choice = choose_embedder(memory, models)
    assert (choice.name, choice.base_url, choice.key.get_secret_value() if choice.key else "") == chosen
