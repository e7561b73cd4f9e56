"""An embedder behind OpenAI's protocol: one small request, one answer, no second try. Who waits for a turn goes on without."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

import aiohttp
import orjson

from app.errors import ModelBadAnswer
from app.internet.proxies import proxy_of
from app.llm.embedding import EmbedderChoice
from app.llm.errors import error_of_status, model_errors, retry_after_seconds

_PATH: Final = "embeddings"
# Below the 8,191 tokens that OpenAI takes, in a script with a token for each sign too.
_MOST_CHARACTERS: Final = 8_000
_OK: Final = 200


class RemoteEmbedder:
    def __init__(self, http: aiohttp.ClientSession, choice: EmbedderChoice) -> None:
        self.name = choice.name
        self.dimensions = choice.dimensions
        self._http = http
        self._url = f"{choice.base_url.rstrip('/')}/{_PATH}"
        self._body: dict[str, object] = {"model": choice.model, "encoding_format": "float"}
        # Only to who is known to understand it: other servers refuse what they do not know.
        if choice.own_dimensions:
            self._body["dimensions"] = choice.dimensions

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        # A provider refuses an empty text.
        asked = [text[:_MOST_CHARACTERS] or " " for text in texts]
        with model_errors():
            return self._vectors(await self._answer(orjson.dumps({**self._body, "input": asked})), len(asked))

    async def _answer(self, body: bytes) -> Any:  # noqa: ANN401  # whatever the provider sends
        async with self._http.post(self._url, data=body, allow_redirects=False) as response:
            if response.status != _OK:
                raise error_of_status(response.status, retry_after_seconds(response.headers))
            return orjson.loads(await response.read())

    def _vectors(self, answer: Any, count: int) -> Sequence[Sequence[float]]:  # noqa: ANN401
        """Raise ModelBadAnswer for too few of them, or for such as nothing that is kept can be compared with."""
        entries = sorted(answer["data"], key=lambda entry: entry["index"])
        vectors = [[float(number) for number in entry["embedding"]] for entry in entries]
        if [len(vector) for vector in vectors] != [self.dimensions] * count:
            raise ModelBadAnswer("The embedding server's vectors are not the ones that were asked for; check EMBEDDING_DIMENSIONS.")
        return vectors


@asynccontextmanager
async def open_remote_embedder(choice: EmbedderChoice, seconds: float) -> AsyncGenerator[RemoteEmbedder]:
    headers = {"Content-Type": "application/json"}
    if choice.key and choice.key.get_secret_value():
        headers["Authorization"] = f"Bearer {choice.key.get_secret_value()}"
    timeout = aiohttp.ClientTimeout(total=seconds)
    no_cookies = aiohttp.DummyCookieJar()
    proxy = proxy_of(choice.base_url)
    async with aiohttp.ClientSession(timeout=timeout, headers=headers, proxy=proxy, cookie_jar=no_cookies) as http:
        yield RemoteEmbedder(http, choice)
