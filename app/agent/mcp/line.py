"""The one session that this process has with an MCP server: opened in the background, and opened again whenever it is lost."""

import asyncio
import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import anyio
import structlog
from langchain_core.tools import ToolException
from mcp import ClientSession, McpError, types
from pydantic import SecretStr

from app import signals
from app.agent.marks import ToolGone
from app.agent.mcp.file import McpServer
from app.agent.mcp.transports import open_session
from app.agent.mcp.words import MAX_ERROR_CHARACTERS, bounded

UNAVAILABLE: Final = "The tool is not available now."
_LOST: Final = f"{UNAVAILABLE} Whether this call did anything is not known."

_FIRST_PAUSE_SECONDS: Final = 0.5
_LONGEST_PAUSE_SECONDS: Final = 60
# A session that held so long was sound: the next one is opened at once and not after a pause that has grown.
_SOUND_SECONDS: Final = 30
# How long a call waits for a session that is being opened.
_PATIENCE_SECONDS: Final = 1
# An idle server is asked for its tools so often, to see whether it is there.
_LOOK_SECONDS: Final = 60
_LIST_SECONDS: Final = 10
# One that has a call of ours is asked so often whether it is still there.
_TICK_SECONDS: Final = 2
_MOST_PAGES: Final = 20
# With HTTP, the server knows nothing of the session: it was started anew, say.
_SESSION_GONE: Final = 32600

log = structlog.get_logger()


class Line:
    """Calls go through it whatever session there is just now; `keep` is the task that has the session."""

    def __init__(
        self, server: McpServer, variables: Mapping[str, SecretStr], listed: Callable[["Line", Sequence[types.Tool]], None]
    ) -> None:
        self.server = server
        self.tried = asyncio.Event()
        self._variables = variables
        self._listed = listed
        self._session: ClientSession | None = None
        self._is_up: bool | None = None
        self._opened = asyncio.Event()
        self._news = asyncio.Event()
        self._ended = asyncio.Event()
        self._calls: set[asyncio.Task[types.CallToolResult]] = set()

    async def keep(self) -> None:
        """Hold a session for ever."""
        self._move(up=False)  # be it that it never is
        pause = _FIRST_PAUSE_SECONDS
        while True:
            began = monotonic()
            try:
                await self._hold()
            except Exception as error:  # noqa: BLE001  # whatever a stranger's server does: it is lost, and tried again
                log.warning("mcp_server_lost", server=self.server.name, error=_kind(error))
            else:
                log.warning("mcp_server_lost", server=self.server.name, error="closed")
            finally:
                self._hang_up()
            pause = _FIRST_PAUSE_SECONDS if monotonic() - began > _SOUND_SECONDS else pause
            await asyncio.sleep(pause * random.uniform(0.5, 1))  # noqa: S311  # not all processes at once
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any],
        progress_callback: object = None,  # noqa: ARG002  # as ClientSession's
    ) -> types.CallToolResult:
        """Raise ToolException, also when the server is gone or goes in the middle."""
        session = await self._reached()
        call = asyncio.create_task(session.call_tool(name, dict(arguments)), name=f"mcp-{self.server.name}")
        self._calls.add(call)
        call.add_done_callback(self._calls.discard)
        try:
            await asyncio.wait([call])
            if call.cancelled():  # by `_hang_up`
                raise ToolGone(_LOST)
            return call.result()
        except McpError as error:
            raise self._refused(error.error) from error
        except (anyio.ClosedResourceError, anyio.BrokenResourceError) as error:
            raise ToolGone(_LOST) from error
        finally:
            call.cancel()

    async def _hold(self) -> None:
        self._ended.clear()
        self._news.clear()
        async with open_session(self.server, self._variables, hear=self._hear, ended=self._end) as session:
            await self._list(session)
            self._session = session
            self._opened.set()
            self.tried.set()
            self._move(up=True)
            log.info("mcp_server_opened", server=self.server.name)
            await self._watch(session)

    async def _watch(self, session: ClientSession) -> None:
        """See that the server is there, and what tools it has, until it ends the session; raise when it does not answer."""
        looked = monotonic()
        while not self._ended.is_set():
            news = await self._something_new()
            if self._ended.is_set():
                return
            if news or (not self._calls and monotonic() - looked > _LOOK_SECONDS):
                await self._list(session)
                looked = monotonic()
            elif self._calls:
                await self._knock(session)

    async def _something_new(self) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(_TICK_SECONDS):
                await self._news.wait()
        try:
            return self._news.is_set()
        finally:
            self._news.clear()

    async def _knock(self, session: ClientSession) -> None:
        """Over HTTP nobody tells us that a server died in the middle of an answer. One that is at work may have no ear for us."""
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LIST_SECONDS):
                    await session.send_ping()
        except McpError as error:
            if error.error.code != types.METHOD_NOT_FOUND:
                raise

    async def _list(self, session: ClientSession) -> None:
        tools: list[types.Tool] = []
        page: types.PaginatedRequestParams | None = None
        async with asyncio.timeout(_LIST_SECONDS):
            for _ in range(_MOST_PAGES):
                answer = await session.list_tools(params=page)
                tools += answer.tools
                if not answer.nextCursor:
                    break
                page = types.PaginatedRequestParams(cursor=answer.nextCursor)
        self._listed(self, tools)

    async def _hear(self, message: object) -> None:
        if isinstance(message, types.ServerNotification) and isinstance(message.root, types.ToolListChangedNotification):
            self._news.set()

    def _end(self) -> None:
        self._ended.set()
        self._news.set()

    def _move(self, *, up: bool) -> None:
        """Tell it where it has changed."""
        if up is not self._is_up:
            self._is_up = up
            signals.mcp_server_moved(self.server.name, up)

    def _hang_up(self) -> None:
        self._move(up=False)
        self._session = None
        self._opened.clear()
        self.tried.set()
        for call in self._calls:
            call.cancel()

    async def _reached(self) -> ClientSession:
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                await self._opened.wait()
        if self._session is None:
            raise ToolGone(UNAVAILABLE)
        return self._session

    def _refused(self, error: types.ErrorData) -> ToolException:
        if error.code in {types.CONNECTION_CLOSED, _SESSION_GONE}:
            self._news.set()  # have a look whether it is there at all
            return ToolGone(_LOST)
        return ToolException(bounded(error.message, MAX_ERROR_CHARACTERS) or "The tool refused the call.")


def _kind(error: BaseException) -> str:
    """The first of a group's, never its words: they may quote what was said."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return type(error).__name__
