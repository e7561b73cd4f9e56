"""`python -m benchmarks.load`: the clients, in a process of their own, so that a reader of the report can tell what they took."""

import time
from http import HTTPStatus
from typing import Any

import aiohttp
import uvloop

from benchmarks import users
from benchmarks.answers import HttpAnswer
from benchmarks.orders import Conversation, Order, Reply, obey


async def _serve() -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as http:

        async def talk(order: Order) -> Reply:
            async def ask(conversation: Conversation, question: str) -> HttpAnswer:
                return await _ask(http, conversation, question, whole=order.scenario.whole)

            return await users.talk(order, ask)

        await obey(talk)


async def _ask(http: aiohttp.ClientSession, conversation: Conversation, question: str, *, whole: bool) -> HttpAnswer:
    """Collect the bytes and the times; nothing is understood before all users are done."""
    body, lengths, times = bytearray(), list[int](), list[float]()
    async with http.post(conversation.url, json=_request(conversation, question, whole=whole), headers=conversation.headers) as response:
        async for piece in response.content.iter_any():
            body += piece
            times.append(time.monotonic())
            lengths.append(len(body))
    return HttpAnswer(
        status=HTTPStatus(response.status), body=bytes(body), lengths=lengths, times=times, dialect=conversation.dialect, whole=whole
    )


def _request(conversation: Conversation, question: str, *, whole: bool) -> dict[str, Any]:
    if not conversation.model:
        return {"message": question}
    return {"model": conversation.model, "messages": [{"role": "user", "content": question}], "stream": not whole}


if __name__ == "__main__":
    uvloop.run(_serve())
