"""Which models a server that speaks OpenAI's protocol says it has: a question that costs nothing, and needs the key."""

from typing import Final

import aiohttp
import orjson

from app.internet.proxies import proxy_of
from app.llm.errors import error_of_status, model_errors, retry_after_seconds

_PATH: Final = "models"
_OK: Final = 200
# What servers without such a list answer.
_NO_LIST: Final = (404, 405, 501)


async def listed_models(base_url: str, key: str) -> frozenset[str] | None:
    """Their ids; None where the server answers and keeps no list. Raise ModelError; how long it may take is for who asks."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    no_cookies = aiohttp.DummyCookieJar()
    with model_errors():
        async with (
            aiohttp.ClientSession(headers=headers, proxy=proxy_of(base_url), cookie_jar=no_cookies) as http,
            http.get(f"{base_url.rstrip('/')}/{_PATH}", allow_redirects=False) as response,
        ):
            if response.status in _NO_LIST:
                return None
            if response.status != _OK:
                raise error_of_status(response.status, retry_after_seconds(response.headers))
            return frozenset(str(model["id"]) for model in orjson.loads(await response.read())["data"])
