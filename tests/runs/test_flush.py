"""The writer of all logs: each attempt's events are written under its own number, and one that lost its run is given up alone."""

from collections.abc import Sequence
from uuid import UUID, uuid4

from app.errors import AppError, DatabaseRefused, RunLost
from app.persistence.values import EventBatch
from app.runs.events import Token
from app.runs.flush import Flusher
from app.runs.log import RunLog


class Store:
    """Holds these attempts, and refuses to write what has a word in it."""

    def __init__(self, held: set[tuple[UUID, int]], refused: bytes = b"never said") -> None:
        self.written: list[tuple[UUID, int]] = []
        self._held = held
        self._refused = refused

    async def append(self, batches: Sequence[EventBatch]) -> set[tuple[UUID, int]]:
        if any(self._refused in entry.payload for batch in batches for entry in batch.entries):
            raise DatabaseRefused
        held = {(batch.run_id, batch.attempt) for batch in batches} & self._held
        self.written += sorted(held)
        return held


def flusher_of(store: Store) -> tuple[Flusher, list[tuple[RunLog, type[AppError]]]]:
    given_up: list[tuple[RunLog, type[AppError]]] = []
    return Flusher(store, interval_seconds=60, give_up=lambda log, reason: given_up.append((log, type(reason)))), given_up


async def test_of_two_attempts_at_one_run_the_one_that_lost_it_is_given_up() -> None:
    run = uuid4()
    flusher, given_up = flusher_of(store := Store({(run, 2)}))
    logs = [RunLog(run, attempt, flusher.appended) for attempt in (1, 2)]
    for log in logs:
        log.append(Token(content="Hello"))
    await flusher.flush()
    assert given_up == [(logs[0], RunLost)]
    assert store.written == [(run, 2)]
    assert (len(logs[0].following(()).entries), len(logs[1].following(()).entries)) == (1, 0)


async def test_what_the_database_refuses_ends_the_run_that_said_it_and_no_other() -> None:
    runs = [uuid4() for _ in range(3)]
    flusher, given_up = flusher_of(store := Store({(run, 1) for run in runs}, refused=b"poison"))
    logs = [RunLog(run, 1, flusher.appended) for run in runs]
    for log, content in zip(logs, ("Hello", "poison", "Hello"), strict=True):
        log.append(Token(content=content))
    await flusher.flush()
    assert given_up == [(logs[1], DatabaseRefused)]
    assert sorted(store.written) == sorted([(runs[0], 1), (runs[2], 1)])
