"""What a caller needs for each route: the one table. Who has logged in may use them all; an API key needs the scope.

A route that is not here takes no key at all, and a test fails for it.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from starlette.types import Scope as Connection

from app.api.routes import route_of
from app.errors import ScopeMissing
from app.persistence.credentials import Caller, Scope

ROOT: Final = "/api/v1"
_ADMIN: Final = f"{ROOT}/admin"


class Need(StrEnum):
    """`nobody` is open to all; `login` is for people, whatever scopes a key has: it is about the account itself."""

    NOBODY = "nobody"
    LOGIN = "login"
    READ = "read"
    CHAT = "chat"
    ADMIN = "admin"


_SCOPES: Final = {Need.READ: Scope.READ, Need.CHAT: Scope.CHAT, Need.ADMIN: Scope.ADMIN}
_TABLE: Final[Mapping[Need, str]] = {
    Need.NOBODY: """
        POST /auth/register
        POST /auth/login
        POST /auth/refresh
        POST /auth/logout
        POST /auth/password/forgot
        POST /auth/password/reset
        POST /auth/email/verify
        POST /auth/email/resend
        GET /auth/page
        GET /auth/oidc/login
        GET /auth/oidc/callback
        POST /auth/page/register
        POST /auth/page/login
        POST /auth/page/logout
    """,
    Need.LOGIN: """
        PATCH /auth/me
        POST /auth/logout-everywhere
        GET /auth/logins
        DELETE /auth/logins/{login_id}
        POST /auth/password
        GET /auth/api-keys
        POST /auth/api-keys
        DELETE /auth/api-keys/{key_id}
        GET /me/export
        POST /me/export
        DELETE /me
        POST /webhooks
        PATCH /webhooks/{webhook_id}
        DELETE /webhooks/{webhook_id}
        POST /webhooks/{webhook_id}/secret
        POST /webhooks/{webhook_id}/deliveries/{delivery_id}/redeliver
    """,
    Need.READ: """
        GET /auth/me
        GET /agents
        GET /models
        GET /quota
        GET /usage
        GET /webhooks
        GET /webhooks/{webhook_id}
        GET /webhooks/{webhook_id}/deliveries
        GET /memories
        GET /sessions
        GET /sessions/{session_id}
        GET /sessions/{session_id}/state
        GET /sessions/{session_id}/configs
        GET /sessions/{session_id}/branches
        GET /sessions/{session_id}/messages
        GET /sessions/{session_id}/checkpoints
        GET /sessions/{session_id}/checkpoints/{checkpoint_id}
        GET /attachments/{attachment_id}
        GET /runs/{run_id}
        GET /runs/{run_id}/stream
    """,
    Need.CHAT: """
        POST /sessions
        PATCH /sessions/{session_id}
        DELETE /sessions/{session_id}
        PUT /sessions/{session_id}/branch
        DELETE /sessions/{session_id}/messages
        POST /sessions/{session_id}/chat
        POST /sessions/{session_id}/chat/stream
        POST /sessions/{session_id}/regenerate
        POST /sessions/{session_id}/regenerate/stream
        POST /sessions/{session_id}/resume
        POST /sessions/{session_id}/resume/stream
        POST /sessions/{session_id}/replay
        POST /sessions/{session_id}/replay/stream
        POST /sessions/{session_id}/runs
        POST /runs/{run_id}/cancel
        POST /messages/{message_id}/feedback
        POST /attachments
        DELETE /attachments/{attachment_id}
        DELETE /memories
        DELETE /memories/{memory_id}
    """,
}


# The unversioned paths, whole; their successors need the same.
_LEGACY: Final[Mapping[tuple[str, str], Need]] = {
    ("POST", "/chat"): Need.CHAT,
    ("POST", "/api/agent/chat"): Need.CHAT,
    ("POST", "/api/sessions/{session_id}/chat"): Need.CHAT,
    ("GET", "/history"): Need.READ,
    ("POST", "/history"): Need.READ,
    ("GET", "/api/sessions/{session_id}/history"): Need.READ,
}


def _by_route() -> Mapping[tuple[str, str], Need]:
    lines = ((need, line.split()) for need, lines in _TABLE.items() for line in lines.strip().splitlines())
    return {(method, ROOT + path): need for need, (method, path) in lines}


NEEDS: Final = {**_by_route(), **_LEGACY}


def need_of(method: str, path: str) -> Need:
    """By the route's template."""
    if path.startswith(_ADMIN):
        return Need.ADMIN
    return NEEDS.get(("GET" if method == "HEAD" else method, path), Need.LOGIN)


def check_scope(connection: Connection, caller: Caller) -> None:
    """Raise ScopeMissing for a key that may not do what is asked."""
    if caller.scopes is not None:
        check_need(need_of(connection["method"], route_of(connection)), caller)


def check_need(need: Need, caller: Caller) -> None:
    if caller.scopes is None:
        return
    if need not in _SCOPES:
        raise ScopeMissing("No API key may do this: log in.")
    if not caller.may(_SCOPES[need]):
        raise ScopeMissing(f"This takes an API key with the scope {need}.")
