"""Plain ASGI around every request: an id, the log's context, one line when it is over, and limits on bodies.

Plain, because Starlette's own base class for middleware times headers only and costs a task for each request.
"""

import asyncio
import re
import sys
from collections.abc import Collection, Mapping
from contextlib import suppress
from typing import Final

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uuid_utils.compat import uuid7

from app.accounts.users import Users
from app.api.errors import problem
from app.api.headers import hardened
from app.api.measured import Measured
from app.api.proof import proof_of
from app.api.routes import API, route_of
from app.crashes import log_crash
from app.errors import AppError, BodyTooLarge, BodyTooSlow
from app.persistence.accounts import Credential

_REQUEST_ID: Final = b"x-request-id"
_LINGER_SECONDS: Final = 1
_LINGER_BYTES: Final = 4_000_000
# A form has a few short fields, and is parsed by Python: a megabyte of nothing but "&" would keep the process for a second.
_FORM_BYTES: Final = 20_000
# What a proxy may hand us as an id: short, and nothing that could break a log line.
_SOUND_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}")
# Routes of which each request is a line: not the probes, nor every file of the page.
_LOGGED: Final = (*API, "/mcp")

_ID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")

log = structlog.get_logger()


class RequestLog:
    """Give each request an id, keep it in the log's context and in the answer's headers, harden those, and tell and log how it went."""

    def __init__(self, app: ASGIApp, https_only: Collection[str]) -> None:
        """`https_only` are the schemes of requests whose answers have browsers ask over TLS only."""
        self._app = app
        self._https_only = https_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, _telling_of_starts(send))
            return
        scope["request_id"] = request_id = _request_id(scope)
        measured, run_id = Measured(scope), ""
        more = {"private": scope["path"].startswith(API), "https_only": scope["scheme"] in self._https_only}

        async def noting(message: Message) -> None:
            nonlocal run_id
            if message["type"] == "http.response.start":
                run_id = _run_id(message)
                measured.begin(message)
                message["headers"] = [*hardened(message["headers"], **more), (_REQUEST_ID, request_id.encode())]
            await send(message)
            measured.sent(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self._app(scope, receive, noting)
            except Exception as error:  # noqa: BLE001  # the boundary of a request: a bug ends it with our words, not with its own
                log_crash("request_crashed", error)
                if not measured.status:
                    await problem(AppError(), scope["path"], request_id)(scope, receive, noting)
            finally:
                measured.end()
                route, seconds = route_of(scope), round(measured.seconds, 4)
                say = log.info if route.startswith(_LOGGED) else log.debug
                ids = _ids(scope) | ({"run_id": run_id} if run_id else {})
                say("request_finished", method=scope["method"], route=route, status=measured.status, seconds=seconds, **ids)


def _telling_of_starts(send: Send) -> Send:
    """The same, but that a start which fails by an error of ours is logged in its words, where Starlette sends a traceback."""

    async def telling(message: Message) -> None:
        if message["type"] == "lifespan.startup.failed" and isinstance(error := sys.exception(), AppError):
            log.error("start_failed", code=error.code, detail=error.detail)
            message = {"type": message["type"]}
        await send(message)

    return telling


class BodyLimit:
    """Refuse a body larger than `limit_bytes`, by its declared length or as soon as more has come, and one that takes too long.

    A body is read whole before the application sees it: nothing is then half-done when it turns out too large. FastAPI's own limit
    answers in plain text and without a request id.
    """

    def __init__(self, app: ASGIApp, limit_bytes: int, seconds: float, larger: Mapping[str, int] | None = None) -> None:
        """`larger` has limits of their own for paths, whose bodies are read of people with a good token only."""
        self._app = app
        self._limit_bytes = limit_bytes
        self._seconds = seconds
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(scope):
            await self._app(scope, receive, send)
            return
        try:
            first = await self._body(scope, receive)
        except AppError as error:
            refusal = problem(error, scope["path"], scope.get("request_id", ""))
            refusal.headers["Connection"] = "close"  # or a client that goes on sending would be read to its end
            await _let_go(receive)
            await refusal(scope, receive, send)
            return
        messages = iter((first,))

        async def replayed() -> Message:
            return next(messages, None) or await receive()

        await self._app(scope, replayed, send)

    async def _body(self, scope: Scope, receive: Receive) -> Message:
        if scope["path"] in self._larger:
            await _check_caller(scope)
        try:
            async with asyncio.timeout(self._seconds):
                return await _whole_body(scope, receive, self._limit(scope))
        except TimeoutError as error:
            raise BodyTooSlow(f"A request body may take {self._seconds:g} seconds to come.") from error

    def _limit(self, scope: Scope) -> int:
        limit_bytes = self._larger.get(scope["path"], self._limit_bytes)
        return min(limit_bytes, _FORM_BYTES) if _is_form(scope) else limit_bytes


def _is_form(scope: Scope) -> bool:
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"").lower()
    return kind.startswith((b"application/x-www-form-urlencoded", b"multipart/"))


async def _check_caller(scope: Scope) -> None:
    """Raise NotAuthenticated for who is nobody. What was signed by us will do; what was not is looked up, here and again after the body."""
    proof = proof_of(scope)
    if not isinstance(proof, Credential):
        users: Users = scope["state"]["users"]
        await users.authenticate(proof)


async def _whole_body(scope: Scope, receive: Receive, limit_bytes: int) -> Message:
    """The body as one message, or the news that the client is gone; raise BodyTooLarge."""
    too_large = BodyTooLarge(f"A request body may have {limit_bytes} bytes.")
    if _declared_length(scope) > limit_bytes:
        raise too_large
    body = bytearray()
    while len(body) <= limit_bytes:
        message = await receive()
        if message["type"] == "http.disconnect":
            return message
        body += message.get("body", b"")
        if not message.get("more_body") and len(body) <= limit_bytes:
            return {"type": "http.request", "body": bytes(body), "more_body": False}
    raise too_large


async def _let_go(receive: Receive) -> None:
    """Read on for a moment: a client that is still sending when its connection closes may never see the answer."""
    left_bytes = _LINGER_BYTES
    with suppress(TimeoutError):
        async with asyncio.timeout(_LINGER_SECONDS):
            while left_bytes > 0 and (message := await receive()).get("more_body"):
                left_bytes -= len(message["body"])


def _request_id(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == _REQUEST_ID), b"")
    return given.decode() if _SOUND_ID.fullmatch(given) else str(uuid7())


def _ids(scope: Scope) -> dict[str, str]:
    """The session and the run that the path names, if what stands there is an id: of anything else the log has no word."""
    named = {name: scope.get("path_params", {}).get(name) for name in ("session_id", "run_id")}
    return {name: str(value).lower() for name, value in named.items() if value and _ID.fullmatch(str(value))}


def _run_id(message: Message) -> str:
    """The run that an answer is about, as we tell whoever follows it."""
    return next((value.decode() for name, value in message["headers"] if name == b"x-run-id"), "")


def _has_body(scope: Scope) -> bool:
    return any(name in {b"content-length", b"transfer-encoding"} for name, _ in scope["headers"])


def _declared_length(scope: Scope) -> int:
    declared = next((value for name, value in scope["headers"] if name == b"content-length"), b"")
    return int(declared) if declared.isdigit() else 0
