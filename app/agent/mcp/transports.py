"""Open a session with an MCP server. It must be left by the task that has opened it; any task may call through it."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, StdioServerParameters, stdio_client
from mcp.client.session import MessageHandlerFnT
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from mcp.types import Implementation
from pydantic import SecretStr

from app import VERSION
from app.agent.mcp import child
from app.agent.mcp.file import HttpServer, McpServer, StdioServer

# A starter such as uvx may have to download the server first.
_CONNECT_SECONDS: Final = 60
# Longer than a call may take: by then it was given up.
_READ_SECONDS: Final = 900

type Incoming = MemoryObjectReceiveStream[SessionMessage | Exception]
type Streams = tuple[Incoming, MemoryObjectSendStream[SessionMessage]]


@asynccontextmanager
async def open_session(
    server: McpServer, variables: Mapping[str, SecretStr], *, hear: MessageHandlerFnT, ended: Callable[[], None]
) -> AsyncGenerator[ClientSession]:
    """A session that is initialized; `ended` is called when the server closes it. Raise whatever the transport does."""
    transport = _program(server, variables) if isinstance(server, StdioServer) else _elsewhere(server, variables)
    client = Implementation(name="milepost", version=VERSION)
    async with (
        transport as (incoming, outgoing),
        _watched(incoming, ended) as watched,
        ClientSession(watched, outgoing, message_handler=hear, client_info=client) as session,
    ):
        async with asyncio.timeout(_CONNECT_SECONDS):
            await session.initialize()
        yield session


@asynccontextmanager
async def _program(server: StdioServer, variables: Mapping[str, SecretStr]) -> AsyncGenerator[Streams]:
    """What it writes to its standard error is its own affair, and may quote what users say: it goes nowhere."""
    args = ["-I", "-S", str(Path(child.__file__)), str(os.getpid()), server.command, *server.args]
    environment = {name: variables[variable].get_secret_value() for name, variable in server.env.items()}
    with Path(os.devnull).open("w") as nowhere:  # noqa: ASYNC230  # it blocks nobody
        async with stdio_client(StdioServerParameters(command=sys.executable, args=args, env=environment), errlog=nowhere) as streams:
            yield streams


@asynccontextmanager
async def _elsewhere(server: HttpServer, variables: Mapping[str, SecretStr]) -> AsyncGenerator[Streams]:
    headers = {name: variables[variable].get_secret_value() for name, variable in server.headers.items()}
    if server.bearer:
        headers["Authorization"] = f"Bearer {variables[server.bearer].get_secret_value()}"
    timeout = httpx.Timeout(_CONNECT_SECONDS, read=_READ_SECONDS)
    async with (
        httpx.AsyncClient(headers=headers, timeout=timeout) as client,
        streamable_http_client(server.url, http_client=client) as (incoming, outgoing, _),
    ):
        yield incoming, outgoing


@asynccontextmanager
async def _watched(incoming: Incoming, ended: Callable[[], None]) -> AsyncGenerator[Incoming]:
    """Pass on what comes, and tell of its end: a session keeps that to itself until it is asked for something."""
    send, receive = anyio.create_memory_object_stream[SessionMessage | Exception](0)

    async def pass_on() -> None:
        async for message in incoming:
            await send.send(message)
        send.close()
        ended()

    async with incoming, send, receive, anyio.create_task_group() as tasks:
        tasks.start_soon(pass_on)
        yield receive
        tasks.cancel_scope.cancel()
