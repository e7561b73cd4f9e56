"""The OpenAI SDK's chat completions with chunks as plain dicts: building an object of each chunk is most of what a token costs."""

from typing import Any, Final

import openai

_PATH: Final = "/chat/completions"


class PlainCompletions:
    """What ChatOpenAI takes for its `async_client`; retries, errors and the end of a stream stay the SDK's own."""

    def __init__(self, client: openai.AsyncOpenAI) -> None:
        self._client = client

    async def create(self, *, stream: bool = False, **body: Any) -> object:  # noqa: ANN401  # the API's own parameters
        if not stream:
            return await self._client.chat.completions.create(**body)
        return await self._client.post(
            _PATH, body={**body, "stream": True}, cast_to=object, stream=True, stream_cls=openai.AsyncStream[object]
        )
