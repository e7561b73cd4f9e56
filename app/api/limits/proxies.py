"""Whose request it is: the address that a proxy of ours tells, and nobody else's word."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

_SCHEMES: Final = {b"http": "http", b"https": "https", b"ws": "ws", b"wss": "wss"}
_MOST_KNOWN: Final = 10_000
_NOBODY: Final = "unknown"
# As many as one line or one house has: who has one of these addresses has all of them.
_LINE_BITS: Final = 64

type Address = IPv4Address | IPv6Address


class TrustedProxies:
    """Set the request's address, and its scheme, to what the outermost proxy of `networks` has seen.

    Each proxy adds to the right of the header the address that it was called from. So whoever is left of the first address that is no
    proxy of ours may have written what they liked.
    """

    def __init__(self, app: ASGIApp, networks: Sequence[str], header: str) -> None:
        self._app = app
        self._networks = [ip_network(network) for network in networks]
        self._header = header.encode()
        self._reads = _forwarded_for if header == "forwarded" else _listed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"} and (client := scope.get("client")) and self._trusts(peer := _address(client[0])):
            scope["client"] = (str(self._origin(peer, scope)), 0)
            told = next((value for name, value in scope["headers"] if name == b"x-forwarded-proto"), b"")
            scope["scheme"] = _SCHEMES.get(told.strip().lower(), scope["scheme"])
        await self._app(scope, receive, send)

    def _origin(self, peer: Address | None, scope: Scope) -> Address | None:
        told = [value.decode("latin-1") for name, value in scope["headers"] if name == self._header]
        for text in reversed([part for value in told for part in self._reads(value)]):
            if not self._trusts(peer) or (before := _address(text)) is None:
                break
            peer = before
        return peer

    def _trusts(self, address: Address | None) -> bool:
        return address is not None and any(address in network for network in self._networks)


def _listed(value: str) -> Sequence[str]:
    return [part.strip() for part in value.split(",")]


def _forwarded_for(value: str) -> Sequence[str]:
    """The `for` of each element (RFC 7239); one without it is nobody."""
    elements = [dict(pair.strip().lower().partition("=")[::2] for pair in element.split(";")) for element in value.split(",")]
    return [element.get("for", "").strip('"') for element in elements]


def _address(text: str) -> Address | None:
    """With a port or without."""
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@lru_cache(_MOST_KNOWN)
def counted_as(host: str) -> str:
    """By what an address is counted: of IPv6 the network of a line."""
    address = _address(host)
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _LINE_BITS), strict=False).network_address)
    return str(address or _NOBODY)
