"""What tests of runs read and wait for."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

from tests.fakes import Piece, says
from tests.runs.conftest import Scene
from tests.runs.tables import Tables

type Events = Sequence[tuple[str, dict[str, Any]]]


def kinds(events: Events) -> list[str]:
    return [kind for kind, _ in events]


def text_of(events: Events) -> str:
    return "".join(data["content"] for kind, data in events if kind == "token")


def never() -> list[Piece]:
    """An answer that begins and does not go on."""
    return [*says("Half an ")[:1], asyncio.Event()]


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while True:
            if condition():
                return
            await asyncio.sleep(0)


async def until_said(scene: Scene, run: Any, content: str) -> None:
    """Return when a reader has seen this token."""
    async with asyncio.timeout(5):
        async for entries in scene.office.tails.read(run, silence_seconds=0.05):
            if any(content.encode() in entry.payload for entry in entries):
                return


def written(store: Tables, run: UUID) -> bytes:
    """What a reader in another process finds."""
    return b"".join(entry.payload for entry in store.written(run))
