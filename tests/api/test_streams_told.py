"""Why an event stream is over, as watchers are told."""

from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import cast
from uuid import uuid4

import pytest

from app import signals
from app.accounts.presence import Guest
from app.api.sse import event_stream
from app.errors import DatabaseUnavailable
from app.persistence.accounts import User, UserRole
from app.persistence.credentials import Caller
from app.persistence.values import Entry
from app.runs.tail import Tails
from tests.told import hearing, of


class _Tails:
    """Tells one event of a run, and then fails or is over."""

    def __init__(self, error: Exception | None = None, *, is_closing: bool = False) -> None:
        self.error = error
        self.is_closing = is_closing

    async def read(self, *_: object, **__: object) -> AsyncGenerator[Sequence[Entry]]:
        yield [Entry(1, "token", b"{}")]
        if self.error:
            raise self.error


async def _why(tails: _Tails, reader: Guest, *, most: int = 10) -> str:
    """After so many frames the reader leaves."""
    with hearing(signals.stream_closed) as told:
        stream = event_stream(cast("Tails", tails), uuid4(), after=0, heartbeat_seconds=1, reader=reader)
        frames = cast("AsyncGenerator[bytes]", stream.body_iterator)
        try:
            while (most := most - 1) >= 0:
                await anext(frames)
        except StopAsyncIteration:
            pass
        finally:
            await frames.aclose()
    [(why,)] = of(told, signals.stream_closed)
    return str(why)


@pytest.fixture
def reader() -> Guest:
    user = User(id=uuid4(), email="ada@example.com", remembers=True, role=UserRole.USER, tier="free", created_at=datetime.now(UTC))
    return Guest(Caller(user=user, login_id=uuid4(), by_page=False, logged_in_at=None, key_id=None, scopes=None), set())


@pytest.mark.parametrize(
    ("tails", "why"),
    [(_Tails(), "ended"), (_Tails(is_closing=True), "closing"), (_Tails(DatabaseUnavailable()), "failed")],
    ids=["ended", "closing", "failed"],
)
async def test_a_stream_that_is_over_says_why(tails: _Tails, why: str, reader: Guest) -> None:
    assert await _why(tails, reader) == why


async def test_who_leaves_has_hung_up(reader: Guest) -> None:
    assert await _why(_Tails(DatabaseUnavailable()), reader, most=1) == "hung_up"


async def test_who_is_shown_out_is_told_apart_from_who_hung_up(reader: Guest) -> None:
    for _ in range(2):
        reader.show_out()
    assert await _why(_Tails(), reader) == "login_over"


async def test_a_bug_is_no_reader_who_left(reader: Guest) -> None:
    with hearing(signals.stream_closed) as told, pytest.raises(LookupError):
        await _why(_Tails(LookupError()), reader)
    assert of(told, signals.stream_closed) == [("failed",)]
