"""Which pages and names a request to /mcp may come from and by: a page elsewhere must not reach a server on its reader's own machine."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from app.errors import OriginNotAllowed
from app.settings import ServerSettings

_OWN_MACHINE: Final = frozenset({"127.0.0.1", "localhost", "::1"})


def check_caller(headers: Headers, settings: ServerSettings) -> None:
    """Raise OriginNotAllowed for a page that is not in ALLOWED_ORIGINS, or one that has our address behind a name of its own.

    By what names a server is known that listens beyond its own machine only those in front of it know; there the token alone protects.
    """
    allowed = settings.allowed_origins
    if "*" in allowed:
        return
    if (origin := headers.get("origin")) and origin not in allowed:
        raise OriginNotAllowed
    names = _OWN_MACHINE | {urlsplit(one).hostname for one in allowed}
    if settings.host in _OWN_MACHINE and _name(headers.get("host", "")) not in names:
        raise OriginNotAllowed("This server listens on its own machine, and is called by another name.")


def _name(host: str) -> str | None:
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
