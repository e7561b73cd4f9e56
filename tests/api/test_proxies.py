"""Whose request it is, behind proxies of ours and behind none."""

from typing import Any

import pytest
from starlette.types import Receive, Scope, Send

from app.api.limits.proxies import TrustedProxies, counted_as

OURS = ["10.0.0.0/8", "127.0.0.1", "fd00::/8"]


async def _seen(networks: list[str], peer: str | None, *headers: tuple[str, str], header: str = "x-forwarded-for") -> Any:
    seen: dict[str, Any] = {}

    async def app(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.update(scope)

    raw = [(name.encode(), value.encode()) for name, value in headers]
    scope = {"type": "http", "scheme": "http", "client": (peer, 5000) if peer else None, "headers": raw}
    await TrustedProxies(app, networks, header)(scope, None, None)  # type: ignore[arg-type]  # neither is used
    return seen


@pytest.mark.parametrize(
    ("peer", "told", "client"),
    [
        ("10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "1.1.1.1, 203.0.113.7", "203.0.113.7"),  # who is left of a stranger is what the stranger says
        ("10.0.0.1", "203.0.113.7, 10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "203.0.113.7 , 10.0.0.3,10.0.0.2", "203.0.113.7"),
        ("10.0.0.1", "10.0.0.9, 10.0.0.2", "10.0.0.9"),
        ("10.0.0.1", "203.0.113.7:4711", "203.0.113.7"),
        ("10.0.0.1", "[2001:db8::1]:4711", "2001:db8::1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("fd00::1", "203.0.113.7", "203.0.113.7"),
        ("::ffff:10.0.0.1", "203.0.113.7", "203.0.113.7"),
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "203.0.113.7, 10.0.0.256", "10.0.0.1"),
        ("198.51.100.1", "203.0.113.7", "198.51.100.1"),  # no proxy of ours
    ],
)
async def test_the_address_is_that_of_the_first_stranger_from_the_right(peer: str, told: str, client: str) -> None:
    assert (await _seen(OURS, peer, ("x-forwarded-for", told)))["client"][0] == client


async def test_lines_of_a_header_are_one_list() -> None:
    seen = await _seen(OURS, "10.0.0.1", ("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "203.0.113.7, 10.0.0.2"))
    assert seen["client"][0] == "203.0.113.7"


async def test_only_the_header_that_our_proxies_write_is_read() -> None:
    forged = ("forwarded", "for=1.1.1.1"), ("x-forwarded-for", "203.0.113.7")
    assert (await _seen(OURS, "10.0.0.1", *forged))["client"][0] == "203.0.113.7"
    seen = await _seen(
        OURS,
        "10.0.0.1",
        ("x-forwarded-for", "1.1.1.1"),
        ("forwarded", 'For="[2001:db8::1]:80";proto=https, for=10.0.0.2'),
        header="forwarded",
    )
    assert seen["client"][0] == "2001:db8::1"
    hidden = await _seen(OURS, "10.0.0.1", ("forwarded", "for=_hidden;by=10.0.0.1"), header="forwarded")
    assert hidden["client"][0] == "10.0.0.1"


async def test_the_scheme_is_taken_from_a_proxy_of_ours_alone() -> None:
    told = ("x-forwarded-proto", "https")
    assert (await _seen(OURS, "10.0.0.1", told))["scheme"] == "https"
    assert (await _seen(OURS, "198.51.100.1", told))["scheme"] == "http"
    assert (await _seen(OURS, "10.0.0.1", ("x-forwarded-proto", "gopher")))["scheme"] == "http"


async def test_who_has_no_address_stays_without() -> None:
    assert (await _seen(OURS, None, ("x-forwarded-for", "203.0.113.7")))["client"] is None


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::"),
        ("", "unknown"),
        ("testclient", "unknown"),
    ],
)
def test_addresses_of_one_line_are_counted_together(host: str, counted: str) -> None:
    assert counted_as(host) == counted
