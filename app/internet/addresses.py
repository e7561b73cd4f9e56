"""Which addresses may be asked: those of the public internet, however they are written."""

import socket
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final

from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from app.internet import WebError

PRIVATE: Final = "This address is not on the public internet, and is not fetched."

_MAX_LENGTH: Final = 2_000
_PORTS: Final = frozenset({80, 443, 8080, 8443})
_PORT: Final = f"Only the ports {', '.join(map(str, sorted(_PORTS)))} can be called."
# Of one's own machine or network by their last part, whatever a resolver makes of them (RFC 6761, RFC 6762, RFC 9476).
_LOCAL: Final = frozenset({"localhost", "local", "internal"})
# In public ranges, but a cloud's own: Azure's host, which answers each of its machines.
_CLOUDS_OWN: Final = frozenset({ip_address("168.63.129.16")})
_NAT64: Final = IPv6Network("64:ff9b::/96")

type _Address = IPv4Address | IPv6Address
# What the socket module tells of an address: family, type, protocol, canonical name, and the address as a tuple.
type AddressInfo = tuple[int | socket.AddressFamily, int | socket.SocketKind, int, str, tuple[Any, ...]]


def is_public(text: str) -> bool:
    """Whether it is one address of the public internet in its plain form; 127.1 and 0177.0.0.1 are no such form."""
    try:
        address = ip_address(text)
    except ValueError:
        return False
    return all(map(_is_public, _meant(address)))


def checked_url(text: str, *, allow_private: bool, https_only: bool = False) -> URL:
    """Raise WebError unless it may be fetched, as far as can be seen before its name is resolved."""
    if len(text) > _MAX_LENGTH:
        raise WebError("This address is too long.")
    try:
        url = URL(text)
        host, port = url.host, url.port
    except ValueError as error:
        raise WebError("This is no web address.") from error
    if url.scheme not in {"http", "https"} or not host:
        raise WebError("Only http:// and https:// addresses can be fetched.")
    if https_only and url.scheme != "https":
        raise WebError("Only https:// addresses can be called.")
    if url.user is not None or url.password is not None:
        raise WebError("An address with a name or password in it is not fetched.")
    if not allow_private:
        _check_public(host, port)
    return url.with_fragment(None)


def _check_public(host: str, port: int | None) -> None:
    if port not in _PORTS:
        raise WebError(_PORT)
    if not is_public(host) if _is_literal(host) else _is_local(host):
        raise WebError(PRIVATE)


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses one that has any address which is not public."""

    def __init__(self, resolver: AbstractResolver) -> None:
        self._resolver = resolver

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        if not all(is_public(one["host"]) for one in found):
            raise WebError(PRIVATE)
        return found

    async def close(self) -> None:
        await self._resolver.close()


def public_socket(info: AddressInfo) -> socket.socket:
    """A socket for the address that is connected to next: the last look, at what nobody resolves again."""
    family, kind, protocol, _, address = info
    if not is_public(str(address[0])):
        raise WebError(PRIVATE)
    made = socket.socket(family, kind, protocol)
    made.setblocking(False)
    return made


def _is_literal(host: str) -> bool:
    """Whether something on the way might take the host for an address: an IPv6 one, or a number in any of inet_aton's forms."""
    last = host.rstrip(".").rpartition(".")[2]
    return ":" in host or last.isdecimal() or last.lower().startswith("0x")


def _is_local(name: str) -> bool:
    parts = name.rstrip(".").lower().split(".")
    return len(parts) == 1 or parts[-1] in _LOCAL


def _is_public(address: _Address) -> bool:
    is_special = address.is_multicast or address.is_unspecified or address.is_loopback or address.is_link_local
    is_local = isinstance(address, IPv6Address) and address.is_site_local
    return address.is_global and not (is_special or is_local) and address not in _CLOUDS_OWN


def _meant(address: _Address) -> Iterator[_Address]:
    """The address, or the IPv4 one that it stands for where it is sent."""
    if isinstance(address, IPv4Address):
        yield address
    elif address.ipv4_mapped:
        yield address.ipv4_mapped
    elif address in _NAT64:
        yield IPv4Address(int(address) & 0xFFFFFFFF)
    elif address.is_reserved:  # ::127.0.0.1, say
        yield IPv6Address("::")
    else:
        yield address
