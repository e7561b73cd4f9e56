"""Which addresses are fetched: every form of one that is not public is refused, wherever it turns up."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from app.agent.web.opening import open_web
from app.internet import WebError
from app.internet.addresses import PublicResolver, checked_url, is_public, public_socket
from app.settings import WebSettings

PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "192.0.0.9"]
NOT_PUBLIC = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1"),  # noqa: S104
    *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
    *("192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255"),
    *("::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:a9fe:a9fe"),
    *("fe80::1", "fe80::1%eth0", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1", "2001:db8::1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2002:a00:1::", "2001:0:4136:e378::1"),
]
NO_PLAIN_FORM = ["127.1", "2130706433", "017700000001", "0177.0.0.1", "0x7f000001", "0x7f.0.0.1", "127.0.0.01", "", "localhost"]


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)
    checked_url(f"http://[{address}]/" if ":" in address else f"http://{address}/", allow_private=False)


@pytest.mark.parametrize("address", [*NOT_PUBLIC, *NO_PLAIN_FORM])
def test_any_other_is_not_nor_is_one_in_another_form(address: str) -> None:
    assert not is_public(address)
    with pytest.raises(WebError, match="public internet"):
        public_socket((socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)))


@pytest.mark.parametrize("address", [*NOT_PUBLIC, *NO_PLAIN_FORM])
async def test_none_of_them_is_fetched_whoever_would_resolve_it(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    async with open_web(WebSettings(), _Names({})) as web:
        with pytest.raises(WebError):
            await web.read(f"http://{host}/")


@pytest.mark.parametrize(
    "url",
    [
        *(
            "ftp://example.com/",
            "file:///etc/passwd",
            "gopher://example.com/",
            "data:text/html,hello",
            "javascript:alert(1)",
            "//example.com",
        ),
        *("http://", "http:///path", "example.com", "", "http://[::1", "http://example.com:99999/", "http://a b/"),
        *("http://user@example.com/", "http://user:password@example.com/", "http://:password@example.com/"),
        *("http://example.com:22/", "http://example.com:6379/", "http://example.com:5432/", "http://" + "a" * 3_000),
    ],
)
async def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    async with open_web(WebSettings(), _Names({"example.com": "93.184.215.14"})) as web:
        with pytest.raises(WebError):
            await web.read(url)


@pytest.mark.parametrize("host", ["localhost", "localhost.", "a.LOCALHOST", "printer.local", "db.internal", "db", "db."])
async def test_a_name_of_ones_own_machine_or_network_is_not_even_resolved(host: str) -> None:
    names = _Names({host: "93.184.215.14", host.rstrip("."): "93.184.215.14"})
    async with open_web(WebSettings(), names) as web:
        with pytest.raises(WebError, match="public internet"):
            await web.read(f"http://{host}/")
    assert not names.asked


class _Names(AbstractResolver):
    """Resolves these names, each to one address or to several after one another."""

    def __init__(self, names: dict[str, str | list[str]]) -> None:
        self.names = names
        self.asked: list[str] = []

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:  # noqa: ARG002
        self.asked.append(host)
        found = self.names.get(host)
        if not found:
            raise OSError(f"There is no {host}.")
        addresses = found if isinstance(found, list) else [found]
        kind = [socket.AF_INET6 if ":" in one else socket.AF_INET for one in addresses]
        return [
            ResolveResult(hostname=host, host=one, port=port, family=family_, proto=0, flags=socket.AI_NUMERICHOST)
            for one, family_ in zip(addresses, kind, strict=True)
        ]

    async def close(self) -> None: ...


@pytest.mark.parametrize("address", [*NOT_PUBLIC, ["93.184.215.14", "127.0.0.1"], ["127.0.0.1", "93.184.215.14"]])
@pytest.mark.parametrize("host", ["intranet.example.com", "intranet.example.com.", "127.0.0.1.nip.io"])
async def test_a_name_with_any_address_that_is_not_public_is_refused(host: str, address: str | list[str]) -> None:
    names = _Names({host: address, host.rstrip("."): address})
    async with open_web(WebSettings(), names) as web:
        with pytest.raises(WebError, match="public internet"):
            await web.read(f"http://{host}/")
    assert names.asked


async def test_what_is_connected_to_is_looked_at_once_more() -> None:
    """Were a name to be resolved behind the resolver's back, the socket would not be made."""

    class Blind(PublicResolver):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC) -> list[ResolveResult]:
            return await self._resolver.resolve(host, port, family)

    with pytest.MonkeyPatch.context() as patch, socket.create_server(("127.0.0.1", 0)):
        patch.setattr("app.internet.connecting.PublicResolver", Blind)
        async with open_web(WebSettings(), _Names({"example.com": "127.0.0.1"})) as web:
            with pytest.raises(WebError, match="public internet"):
                await web.read("http://example.com/")
