"""What is told to an address that a user named goes to the public internet, or nowhere."""

import socket

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult

from app.internet import WebError
from app.internet.posting import PostFailed, open_poster
from tests.receiver import start_receiver


class _Names(AbstractResolver):
    """Every name has these addresses, the first time and the next."""

    def __init__(self, *answers: str) -> None:
        self._answers = [*answers]
        self.asked = 0

    async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002  # aiohttp's names
        answer = self._answers[min(self.asked, len(self._answers) - 1)]
        self.asked += 1
        return [ResolveResult(hostname=host, host=answer, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None: ...


async def _code(url: str, names: AbstractResolver | None = None, *, allow_private: bool = False, seconds: float = 2) -> str:
    async with open_poster(seconds=seconds, connections=2, allow_private=allow_private, resolver=names) as poster:
        with pytest.raises(PostFailed) as failed:
            await poster.post(url, b"{}", {})
    return failed.value.code


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1"])
async def test_a_name_that_stands_for_a_private_address_is_refused(address: str) -> None:
    assert await _code("https://hook.example.com/", _Names(address)) == "address_refused"


async def test_a_name_is_resolved_once_for_each_try_so_that_what_was_looked_at_is_what_is_called() -> None:
    names = _Names("192.0.2.1", "127.0.0.1")  # for documentation: not public either
    assert await _code("https://hook.example.com/", names) == "address_refused"
    assert names.asked == 1


@pytest.mark.parametrize("url", ["http://hook.example.com/", "https://127.0.0.1/", "https://hook.example.com:6379/", "nonsense"])
async def test_what_is_refused_is_not_even_resolved(url: str) -> None:
    names = _Names("8.8.8.8")
    assert await _code(url, names) == "address_refused"
    assert names.asked == 0


async def test_a_name_is_looked_at_when_it_is_registered_and_one_that_is_not_known_yet_is_taken() -> None:
    class Nobodys(_Names):
        async def resolve(self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET) -> list[ResolveResult]:  # noqa: ARG002  # aiohttp's names
            raise OSError

    for names in (_Names("8.8.8.8"), Nobodys()):
        async with open_poster(seconds=2, connections=2, allow_private=False, resolver=names) as poster:
            await poster.look("https://hook.example.com/")
    names = _Names("10.0.0.1")
    async with open_poster(seconds=2, connections=2, allow_private=False, resolver=names) as poster:
        with pytest.raises(WebError, match="public internet"):
            await poster.look("https://hook.example.com/")
    assert names.asked == 1


async def test_where_private_addresses_are_allowed_they_are_called_with_no_tls_too() -> None:
    with start_receiver() as receiver:
        async with open_poster(seconds=2, connections=2, allow_private=True) as poster:
            assert await poster.post(receiver.url, b"{}", {"webhook-id": "1"}) == 204
        receiver.manners = ["hang"]
        assert await _code(receiver.url, allow_private=True, seconds=0.2) == "timeout"
    assert await _code(receiver.url, allow_private=True) == "unreachable"
