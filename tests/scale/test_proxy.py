"""What the proxy's configuration promises, seen by servers that say what they were asked."""

import asyncio
from asyncio import StreamReader, StreamWriter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx
import pytest

from tests.scale.programs import ProxyProcess

pytestmark = pytest.mark.proxy

_OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
_DRAINING: Final = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"


class Upstream:
    """Ready until `is_ready` is false; to all else it says `answer`, or hangs up without a word where that is empty."""

    def __init__(self, answer: bytes = _OK) -> None:
        self.answer, self.is_ready, self.asked, self.probes = answer, True, list[str](), 0
        self.port = 0
        self.server: asyncio.Server | None = None

    def hang_up(self) -> None:
        """Be gone, as a process that was killed."""
        assert self.server
        self.server.close()
        self.server.close_clients()

    async def talk(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while head := await _head(reader):
                writer.write(self._answer_to(head))
                await writer.drain()
                if not self.answer and not head.startswith("GET /health"):
                    break
        finally:
            writer.close()

    def _answer_to(self, head: str) -> bytes:
        if head.startswith("GET /health"):
            self.probes += 1
            return _OK if self.is_ready else _DRAINING
        self.asked.append(head)
        return self.answer


async def _head(reader: StreamReader) -> str:
    try:
        return (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return ""


@asynccontextmanager
async def proxied(folder: Path, *upstreams: Upstream) -> AsyncIterator[httpx.AsyncClient]:
    servers = [await asyncio.start_server(upstream.talk, "127.0.0.1", 0) for upstream in upstreams]
    for upstream, server in zip(upstreams, servers, strict=True):
        upstream.server, upstream.port = server, server.sockets[0].getsockname()[1]
    proxy = ProxyProcess(folder, [upstream.port for upstream in upstreams])
    await asyncio.to_thread(proxy.__enter__)
    try:
        async with httpx.AsyncClient(base_url=proxy.url, trust_env=False, timeout=20) as client:
            yield client
    finally:
        await asyncio.to_thread(proxy.__exit__)
        for server in servers:
            server.close()


@pytest.mark.parametrize("answer", [_DRAINING, b""], ids=["draining", "hangs up"])
async def test_what_only_reads_is_asked_again_elsewhere(tmp_path: Path, answer: bytes) -> None:
    bad, good = Upstream(answer), Upstream()
    async with proxied(tmp_path, bad, good) as client:
        while not bad.asked:
            assert (await client.get("/api/v1/sessions")).status_code == httpx.codes.OK


@pytest.mark.parametrize("answer", [_DRAINING, b""], ids=["draining", "hangs up"])
async def test_what_may_have_been_done_is_never_sent_twice(tmp_path: Path, answer: bytes) -> None:
    bad, good = Upstream(answer), Upstream()
    async with proxied(tmp_path, bad, good) as client:
        done = [await _is_done(client, "/api/v1/sessions/x/chat") for _ in range(4)]
    assert done.count(True) == len(good.asked) > 0
    assert done.count(False) == len(bad.asked) > 0


async def _is_done(client: httpx.AsyncClient, path: str) -> bool:
    """Whether a POST had an answer that says so; the proxy hangs up too where a server did on a connection that had served before."""
    try:
        return (await client.post(path)).is_success
    except httpx.RemoteProtocolError:
        return False


async def test_a_server_that_is_gone_costs_nobody_a_request(tmp_path: Path) -> None:
    gone, good = Upstream(), Upstream()
    async with proxied(tmp_path, gone, good) as client:
        gone.hang_up()
        assert [(await client.post("/api/v1/sessions")).status_code for _ in range(6)] == [httpx.codes.OK] * 6
    assert len(good.asked) == 6


async def test_a_server_that_is_not_ready_is_given_nothing_new(tmp_path: Path) -> None:
    draining, good = Upstream(), Upstream()
    async with proxied(tmp_path, draining, good) as client:
        draining.is_ready = False
        seen = draining.probes
        async with asyncio.timeout(20):
            while draining.probes < seen + 2:  # noqa: ASYNC110  # until the proxy has asked and understood
                await asyncio.sleep(0.02)
        draining.asked.clear()
        for _ in range(6):
            assert (await client.post("/api/v1/sessions")).status_code == httpx.codes.OK
        assert (draining.asked, len(good.asked)) == ([], 6)


async def test_what_a_client_says_of_its_address_is_not_passed_on(tmp_path: Path) -> None:
    upstream = Upstream()
    async with proxied(tmp_path, upstream) as client:
        await client.get("/api/v1/me", headers={"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "https"})
    (head,) = upstream.asked
    assert [line for line in head.lower().splitlines() if line.startswith("x-forwarded")] == [
        "x-forwarded-for: 127.0.0.1",
        "x-forwarded-proto: http",
    ]


async def test_metrics_are_not_for_the_world(tmp_path: Path) -> None:
    upstream = Upstream()
    async with proxied(tmp_path, upstream) as client:
        assert (await client.get("/metrics")).status_code == httpx.codes.NOT_FOUND
    assert upstream.asked == []
