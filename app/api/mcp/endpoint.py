"""/mcp: MCP's streamable HTTP, with the API's own tokens, and no session that a process would have to keep.

Each POST is answered by itself, so that any replica can. What a client's session id is for is to know which request it cancels.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast
from uuid import UUID, uuid4

import orjson
from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from app.accounts.presence import Guest
from app.api.deps import State
from app.api.errors import problem
from app.api.limits.charging import charge
from app.api.mcp.callers import check_caller
from app.api.proof import admitted, proof_of
from app.api.scopes import Need
from app.errors import MethodNotAllowed
from app.persistence.accounts import User
from app.settings import ServerSettings

if TYPE_CHECKING:
    from app.api.mcp import protocol

PATH: Final = "/mcp"
SESSION_ID: Final = "mcp-session-id"
_CANCELLED: Final = "notifications/cancelled"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, by which request of which client; `client` is None for one that was never given an id, and cannot cancel."""

    user: User
    guest: Guest
    client: str | None


class McpEndpoint:
    """An ASGI application; what it works with is in the request's state."""

    def __init__(self, settings: ServerSettings) -> None:
        self._settings = settings
        self._running: dict[tuple[UUID, str, object], UUID] = {}
        self._protocol: protocol.Protocol | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        check_caller(request.headers, self._settings)
        state = cast("State", scope["state"])
        known = await state["users"].authenticate(proof_of(scope, of_page=False))
        await charge(scope, known.user)
        admitted(scope, known, Need.CHAT)
        caller = Caller(known.user, state["presence"].guest(known), request.headers.get(SESSION_ID))
        if request.method != "POST":  # nothing is said unasked, and there is no session to end
            refusal = problem(MethodNotAllowed(), PATH, scope.get("request_id", ""))
            refusal.headers["Allow"] = "POST"
            await refusal(scope, receive, send)
            return
        body = await request.body()
        message = _message(body)
        if message.get("method") == _CANCELLED:
            await self._cancel(state, caller, message)
            await Response(status_code=202)(scope, receive, send)
            return
        sending = _introducing(send) if message.get("method") == "initialize" else send
        await (await self._speaking()).answer(caller, (scope, _again(body, receive), sending))

    @contextmanager
    def running(self, caller: Caller, request_id: object, run_id: UUID) -> Generator[None]:
        """Know which run a request is, while it is answered."""
        key = (caller.user.id, caller.client or "", request_id)
        if caller.client:
            self._running[key] = run_id
        try:
            yield
        finally:
            self._running.pop(key, None)

    async def _cancel(self, state: State, caller: Caller, message: Mapping[str, Any]) -> None:
        params = message.get("params")
        request_id = params.get("requestId") if isinstance(params, dict) else None
        if isinstance(request_id, str | int) and (run_id := self._running.get((caller.user.id, caller.client or "", request_id))):
            await state["runs"].stop(run_id)

    async def _speaking(self) -> "protocol.Protocol":
        """The package takes a second to import: nobody pays for it who has no such client, and nobody else waits."""
        if self._protocol is None:
            module = await to_thread.run_sync(import_module, "app.api.mcp.protocol")
            self._protocol = cast("protocol.Protocol", module.Protocol(self))
        return self._protocol


def _message(body: bytes) -> Mapping[str, Any]:
    """Empty when it is none, which the protocol then says."""
    try:
        message = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    return message if isinstance(message, dict) else {}


def _again(body: bytes, receive: Receive) -> Receive:
    """The body once more, and then the news that the client is gone."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> Message:
        return next(messages, None) or await receive()

    return replayed


def _introducing(send: Send) -> Send:
    """Give the client an id."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], (SESSION_ID.encode(), uuid4().hex.encode())]
        await send(message)

    return sending
