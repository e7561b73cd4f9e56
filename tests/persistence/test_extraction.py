"""mem0 as we use it: it opens no connection, leaves nothing behind, and ends when its job does."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, cast
from uuid import uuid4

import pytest

from app.persistence.extraction import Means, open_extraction
from app.persistence.remembering import KnownFact, Said

_ROOT: Final = Path(__file__).parents[2]
_TOLD: Final = (Said(role="user", text="I live in Oslo"), Said(role="assistant", text="A fine place."))

# Of a process of its own, for what is imported here once shows nothing any more.
_SCRIPT: Final = """
import asyncio, sys
from pathlib import Path

seen = []
WATCHED = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess.Popen", "os.system", "sqlite3.connect")
sys.addaudithook(lambda event, args: event in WATCHED and seen.append((event, str(args[-1]))))

from uuid import uuid4
from app.persistence.extraction import Means, open_extraction
from app.persistence.remembering import Said

asked = []

async def ask(system, user):
    asked.append(user)
    return '{"memory": [{"text": "Lives in Oslo"}, {"text": "Has a cat named Tom"}]}'

async def embed(texts):
    return [[1.0, 0.0] for _ in texts]

async def nearest(vector, limit):
    return []

async def main():
    means = Means(ask=ask, embed=embed, nearest=nearest)
    async with open_extraction(Path(sys.argv[1]), threads=1) as extraction:
        user = uuid4()
        first = await extraction.facts(user, [Said(role="user", text="canary-one")], means)
        again = await extraction.facts(user, [Said(role="user", text="canary-two")], means)
    assert [fact.text for fact in first] == ["Lives in Oslo", "Has a cat named Tom"] == [fact.text for fact in again]
    assert first[0].payload["user_id"] == str(user) and first[0].vector == [1.0, 0.0]
    assert "canary-one" not in asked[1]

assert "mem0" not in sys.modules
asyncio.run(main())
assert "mem0" in sys.modules
print(sorted(set(seen)))
"""


def test_it_calls_nobody_writes_no_history_and_keeps_nothing_for_the_next_reading(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "mem0"
    home.mkdir()
    # As an operator's shell may have it.
    environment = {**os.environ, "HOME": str(home), "MEM0_TELEMETRY": "True", "PYTHONPATH": os.pathsep.join([str(_ROOT), *sys.path])}
    command = (sys.executable, "-c", _SCRIPT, str(folder))
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)  # noqa: S603
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[('sqlite3.connect', ':memory:')]"
    assert done.stderr == ""
    assert [*home.iterdir()] == []
    written = [file for file in folder.rglob("*") if file.is_file()]
    assert not any(b"canary" in file.read_bytes() or b"Oslo" in file.read_bytes() for file in written)


async def test_a_job_that_is_cancelled_frees_its_thread(tmp_path: Path) -> None:
    asked, cancelled = asyncio.Event(), asyncio.Event()

    async def hang(_system: str, _user: str) -> str:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return ""

    async def answer(_system: str, _user: str) -> str:
        return '{"memory": [{"text": "Lives in Oslo"}]}'

    async with asyncio.timeout(180), open_extraction(tmp_path, threads=1) as extraction:
        reading = asyncio.create_task(extraction.facts(uuid4(), _TOLD, _means(hang)))
        await asked.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
        await cancelled.wait()
        facts = await extraction.facts(uuid4(), _TOLD, _means(answer))
    assert [fact.text for fact in facts] == ["Lives in Oslo"]


async def test_a_call_that_begins_as_its_job_ends_does_not_keep_its_thread(tmp_path: Path) -> None:
    async def answer(_system: str, _user: str) -> str:
        return '{"memory": []}'

    async def hang() -> None:
        await asyncio.Event().wait()

    async with open_extraction(tmp_path, threads=1) as extraction:
        await extraction.facts(uuid4(), _TOLD, _means(answer))
    from app.persistence.mem0_reader import Bridge  # noqa: PLC0415  # only once mem0 is set up

    loop = _Ending(asyncio.get_running_loop())
    loop.bridge = Bridge(cast("asyncio.AbstractEventLoop", loop), _means(answer))
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asyncio.to_thread(loop.bridge.call, hang), timeout=10)


class _Ending:
    """The event loop, on which the job ends just before it hears of a call."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.bridge: Any = None

    def __getattr__(self, name: str) -> Any:  # whatever the loop has
        return getattr(self._loop, name)

    def call_soon_threadsafe(self, call: Callable[..., object], *args: object) -> object:
        self.bridge.close()
        return self._loop.call_soon_threadsafe(call, *args)


async def test_what_goes_wrong_in_our_own_parts_is_raised_and_not_taken_for_nothing_said(tmp_path: Path) -> None:
    async def stumble(_system: str, _user: str) -> str:
        raise KeyError("a mistake of ours")

    async with open_extraction(tmp_path, threads=1) as extraction:
        with pytest.raises(KeyError):
            await extraction.facts(uuid4(), _TOLD, _means(stumble))


def _means(ask: object) -> Means:
    async def embed(texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [[1.0, 0.0] for _ in texts]

    async def nearest(_vector: Sequence[float], _limit: int) -> Sequence[KnownFact]:
        return []

    return Means(ask=ask, embed=embed, nearest=nearest)  # type: ignore[arg-type]  # either of the two above
