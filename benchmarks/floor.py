"""The floor: the least that any Python server does to pass a provider's answer on, with nothing kept and nobody asked who they are."""

import argparse
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route


def create_floor(provider_url: str, model: str) -> Starlette:
    url = f"{provider_url}/chat/completions"

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as app.state.provider:
            yield

    async def body_of(request: Request, *, stream: bool) -> dict[str, object]:
        message = (await request.json())["message"]
        return {"model": model, "messages": [{"role": "user", "content": message}], "stream": stream}

    async def chat_stream(request: Request) -> StreamingResponse:
        pieces = _passed_on(request.app.state.provider, url, await body_of(request, stream=True))
        return StreamingResponse(pieces, media_type="text/event-stream")

    async def chat(request: Request) -> Response:
        provider: aiohttp.ClientSession = request.app.state.provider
        async with provider.post(url, json=await body_of(request, stream=False)) as response:
            return Response(await response.read(), media_type="application/json")

    async def ready(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("ready")

    routes = [
        Route("/chat", chat, methods=["POST"]),
        Route("/chat/stream", chat_stream, methods=["POST"]),
        Route("/health/ready", ready),
    ]
    return Starlette(routes=routes, lifespan=lifespan)


async def _passed_on(provider: aiohttp.ClientSession, url: str, body: dict[str, object]) -> AsyncGenerator[bytes]:
    async with provider.post(url, json=body) as response:
        async for piece in response.content.iter_any():
            yield piece


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--provider", required=True, help="base URL of an OpenAI-compatible server")
    parser.add_argument("--model", required=True)
    chosen = parser.parse_args()
    uvicorn.run(create_floor(chosen.provider, chosen.model), port=chosen.port, log_level="warning")


if __name__ == "__main__":
    main()
