"""Clients that hold connections and ask nothing, or ask as slowly as they can: others are answered, and they are sent away."""

import asyncio
import resource
import sys
from asyncio import StreamReader
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx
import psutil
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from app.api.connections import BoundedProtocol
from tests.faults.server_process import ROOT, ServerProcess
from tests.visitor import Visitor

# The server gives a head ten seconds; the rest is for a machine with other things to do.
_SENT_AWAY_SECONDS: Final = 60
_IDLE: Final = 10_000


@asynccontextmanager
async def _crowd(server: ServerProcess, kind: str, count: int) -> AsyncIterator[Process]:
    command = (sys.executable, "-m", "tests.faults.crowd", str(server.port), kind, str(count))
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.PIPE)
    try:
        assert await _line(process) == [count], "They have not all come in."
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: Process) -> list[int]:
    assert isinstance(process.stdout, StreamReader)
    async with asyncio.timeout(_SENT_AWAY_SECONDS):
        return [int(word) for word in (await process.stdout.readline()).split()]


async def _expect_all_is_well(server: ServerProcess) -> None:
    """Somebody new comes in and is answered."""
    async with Visitor(server.url) as visitor:
        await visitor.register(f"{uuid4().hex}@example.com")
        answer = await visitor.ask(await visitor.open_session(), "Is anybody there?")
        assert answer.json()["status"] == "completed"


@pytest.mark.timeout(240)
async def test_ten_thousand_connections_that_ask_nothing_stop_nobody(process_variables: Mapping[str, str], tmp_path: Path) -> None:
    """As many as this machine lets a process have, up to ten thousand; the server has begun with a shell's thousand files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = min(_IDLE, hard - 2_000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(soft, 1_024), hard))
    try:
        async with ServerProcess(process_variables, tmp_path / "server.log") as server:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            async with _crowd(server, "idle", count) as crowd:
                await _expect_all_is_well(server)
                assert await _line(crowd) == [count, 0]
            await _expect_all_is_well(server)
            assert server.process
            assert psutil.Process(server.process.pid).num_fds() < 300
            assert "Traceback" not in server.output()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.timeout(240)
async def test_who_drips_a_request_is_sent_away_and_stops_nobody(process_variables: Mapping[str, str], tmp_path: Path) -> None:
    variables = {**process_variables, "BODY_SECONDS": "5"}
    async with (
        ServerProcess(variables, tmp_path / "server.log") as server,
        _crowd(server, "head", 300) as heads,
        _crowd(server, "half", 300) as halves,
        _crowd(server, "lines", 100) as lines,
        _crowd(server, "body", 300) as bodies,
    ):
        await _expect_all_is_well(server)
        assert await _line(halves) == [300, 300]
        assert await _line(lines) == [100, 0]
        for drips in (heads, bodies):
            away, told = await _line(drips)
            assert away == 300
            # Who is sending at that very moment has the connection reset, and with it the answer: as many as the machine is slow.
            assert told > 30
        await _expect_all_is_well(server)
        assert "Traceback" not in server.output()


async def _whole(scope: Scope, _: Receive, send: Send) -> None:
    """Ten megabytes."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _piece in range(100):
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@asynccontextmanager
async def _bounded(**bounds: float) -> AsyncIterator[int]:
    """A server with bounds of its own; its port."""
    protocol = type("Bounded", (BoundedProtocol,), {**bounds, "_waiting": {}})
    server = uvicorn.Server(uvicorn.Config(_whole, http=protocol, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    try:
        async with asyncio.timeout(20):
            while not server.started:  # noqa: ASYNC110  # uvicorn tells nobody
                await asyncio.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await serving


async def test_who_does_not_read_an_answer_loses_it() -> None:
    async with _bounded(stall_seconds=0.2) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1_000)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(1)  # to read nothing is what this is about
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            async with asyncio.timeout(10):
                await reader.readexactly(10_000_000)
        writer.close()
        async with httpx.AsyncClient() as client:
            assert len((await client.get(f"http://127.0.0.1:{port}/")).content) == 10_000_000


async def test_who_waits_longest_makes_room_for_the_next() -> None:
    async with _bounded(most=20) as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        assert (await client.get("/")).is_success  # and keeps its connection
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
        async with httpx.AsyncClient() as other:
            assert (await other.get(f"http://127.0.0.1:{port}/")).is_success
        async with asyncio.timeout(10):
            assert await idle[0][0].read() == b""  # the oldest are gone, the newest are there
        assert not idle[-1][0].at_eof()
        assert (await client.get("/")).is_success  # on another connection
        for _, writer in idle:
            writer.close()


@pytest.mark.parametrize("head", [b"X: " + b"a" * 70_000, b"X: y\r\n" * 12_000])
async def test_a_head_without_an_end_is_refused(head: bytes) -> None:
    async with _bounded() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET / HTTP/1.1\r\n")
        for place in range(0, len(head), 10_000):
            writer.write(head[place : place + 10_000])
            await writer.drain()
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 431 ")
        writer.close()


@pytest.mark.parametrize(
    ("path", "header", "status"),
    [(b"/", b"a" * 60_000, b"200"), (b"/", b"a" * 66_000, b"431"), (b"/", b"a" * 100_000, b"431"), (b"/?" + b"a" * 70_000, b"", b"431")],
)
async def test_a_head_that_comes_whole_has_the_same_bound(path: bytes, header: bytes, status: bytes) -> None:
    async with _bounded() as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: " + header + b"\r\n\r\n")
        async with asyncio.timeout(10):
            assert (await reader.read()).startswith(b"HTTP/1.1 " + status)
        writer.close()


async def test_a_head_in_pieces_and_another_behind_a_request_are_taken() -> None:
    async with _bounded(head_seconds=0.5) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (b"GET / HT", b"TP/1.1\r\nHo", b"st: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.05)
        async with asyncio.timeout(10):
            assert (await reader.read()).count(b"HTTP/1.1 200") == 2
        writer.close()
