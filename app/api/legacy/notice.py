"""Tell in every answer of an unversioned path, refusals too, since when it is deprecated, when it goes, and what to use instead.

Deprecation is RFC 9745, Sunset RFC 8594, the relation `successor-version` RFC 5829.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Final
from uuid import UUID

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.scopes import ROOT

DEPRECATED_AT: Final = datetime(2026, 12, 1, tzinfo=UTC)
SUNSET_AT: Final = datetime(2027, 12, 1, tzinfo=UTC)

_STANDING: Final = [
    (b"deprecation", f"@{int(DEPRECATED_AT.timestamp())}".encode()),
    (b"sunset", format_datetime(SUNSET_AT, usegmt=True).encode()),
]
_DOOR: Final = re.compile(r"/(?:api/agent/)?(chat)|/(history)|/api/sessions/([^/]+)/(?:(chat)|(history))")
_SUCCESSORS: Final[Mapping[str, str]] = {"chat": "chat", "history": "messages"}


class LegacyNotice:
    """Plain ASGI, around all that may answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        door = _DOOR.fullmatch(scope["path"]) if scope["type"] == "http" else None
        if not door:
            await self._app(scope, receive, send)
            return
        last = scope["path"].rpartition("/")[2]

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                named = scope.get("path_params", {}).get("session_id") or door[3]
                message["headers"] = [*message["headers"], *_STANDING, (b"link", _links(named, _SUCCESSORS[last]).encode())]
            await send(message)

        await self._app(scope, receive, telling)


def _links(session_id: object, successor: str) -> str:
    """To the same of the same session; without one, or with what is no id, to where sessions are opened."""
    address = f"{ROOT}/sessions"
    with suppress(ValueError):
        address = f"{address}/{UUID(str(session_id))}/{successor}"
    return f'<{address}>; rel="successor-version", </docs>; rel="deprecation"; type="text/html"'
