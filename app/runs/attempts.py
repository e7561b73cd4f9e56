"""The attempts this process makes: each is a task of ours, and ends once."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from app import signals
from app.crashes import log_crash
from app.errors import AppError, DatabaseUnavailable, RunCancelled, RunLost, ServerStopping
from app.persistence.values import FinishedRun
from app.runs.ending import finished_run, last_events, status_of
from app.runs.events import RunEvent
from app.runs.flush import Flusher
from app.runs.log import RunLog
from app.runs.telling import tell_attempt, tell_end
from app.runs.walk import LiveRun, Means, walk

_LONGEST_PAUSE_SECONDS: Final = 1

log = structlog.get_logger()


class AttemptStore(Protocol):
    async def finish(self, run: FinishedRun) -> bool: ...
    async def has_ended_so(self, run: FinishedRun) -> bool: ...
    async def release(self, run_id: UUID, attempt: int) -> None: ...


class Attempts:
    def __init__(self, means: Means, store: AttemptStore, flusher: Flusher) -> None:
        self._means = means
        self._store = store
        self._flusher = flusher
        self._live: dict[UUID, LiveRun] = {}
        self._tasks: dict[LiveRun, asyncio.Task[None]] = {}

    def __len__(self) -> int:
        return len(self._live)

    def __iter__(self) -> Iterator[LiveRun]:
        return iter([*self._live.values()])

    def find(self, run_id: UUID) -> LiveRun | None:
        return self._live.get(run_id)

    def begin(self, run: LiveRun, first_event: RunEvent) -> None:
        """Walk the run in a task of its own, whoever listens."""
        # A process that was frozen may get a run back that it does not know it has lost.
        self.stop(run.id, RunLost())
        self._live[run.id] = run
        run.log.append(first_event)
        tell_attempt(run.taken)
        self._tasks[run] = asyncio.create_task(self._answer(run), name=f"run-{run.id}")

    def stop(self, run_id: UUID, reason: AppError | None = None) -> None:
        """Ask a run to end where it is, for the first reason given; it keeps what it has said.

        Nothing happens to one that is not live here.
        """
        run = self._live.get(run_id)
        if run and run.stopped_for is None:
            run.stopped_for = reason or RunCancelled()
            # Not at once: a task that is cancelled before its first step never runs at all, not even its `finally`.
            asyncio.get_running_loop().call_soon(self._cancel, run)

    def give_up(self, run_log: RunLog, reason: AppError) -> None:
        """Stop the attempt that writes this log; another attempt that has its run may be one of this process."""
        if (run := self._live.get(run_log.run_id)) and run.log is run_log:
            self.stop(run.id, reason)

    async def close(self) -> None:
        """Hand what is live back, each run at its last checkpoint."""
        for run in self:
            self.stop(run.id, ServerStopping())
        await asyncio.gather(*self._tasks.values())

    def _cancel(self, run: LiveRun) -> None:
        # Once it writes its end, it is too late to stop: a cancelled write would leave the run without one.
        if run.walking:
            self._tasks[run].cancel()

    async def _answer(self, run: LiveRun) -> None:
        with structlog.contextvars.bound_contextvars(**_identity(run)):
            try:
                error = await walk(run, self._means)
                run.walking = False
                error = await _kept(run, error)
                if isinstance(error, ServerStopping):
                    await self._hand_back(run)
                else:
                    await self._end(run, error)
            except Exception as error:  # noqa: BLE001  # a bug in the ending: its lease runs out, and another attempt ends it
                log_crash("run_crashed", error)
            finally:
                _end_trace(run, "crashed")
                run.log.close()
                run.ended.set()
                del self._tasks[run]
                if self._live.get(run.id) is run:
                    del self._live[run.id]

    async def _hand_back(self, run: LiveRun) -> None:
        """Leave the run, at its last checkpoint, to the process that comes after this one."""
        _end_trace(run, "handed_back")
        await self._flusher.flush()
        try:
            await self._store.release(run.id, run.log.attempt)
        except AppError:
            log.warning("run_not_handed_back")  # its lease runs out all the same
        else:
            signals.run_handed_back(run.taken.agent)
            log.info("run_handed_back")

    async def _end(self, run: LiveRun, error: AppError | None) -> None:
        """Write the answer with its last events, then show these: `end` promises that the transcript has it."""
        expires_at = datetime.now(UTC) + timedelta(hours=self._means.runs.question_hours)
        batch = await self._flusher.hand_over(run.log, last_events(run, error, expires_at))
        try:
            held = await self._finish(run, error, finished_run(run, error, batch, expires_at))
        except DatabaseUnavailable:
            # Nobody is told an end that another attempt may tell otherwise: readers wait for the database, and for that attempt.
            log.error("run_not_ended")  # noqa: TRY400  # the frames are the database's
            return
        except AppError as refused:
            # What the answer holds cannot be written. That it failed can be, as a rule; told it is in any case.
            error, batch = refused, run.log.following(last_events(run, refused, expires_at))
            held = await self._finish_empty(run, refused, finished_run(run, refused, batch, expires_at))
        if held:
            run.log.publish(batch)
        _end_trace(run, status_of(run, error), error)
        log.info("run_finished", **_account(run, error), held=held, **(_words(run) if self._means.logs_text else {}))

    async def _finish(self, run: LiveRun, error: AppError | None, finished: FinishedRun) -> bool:
        """Try for as long as the lease would last: a database that is restarted comes back."""
        try:
            held = await self._store.finish(finished)
        except DatabaseUnavailable:
            held = await _retrying(self._means.runs.lease_seconds)(self._finish_again, finished)
        if held:
            signals.events_ended(len(finished.events))
            tell_end(run, error)
        return held

    async def _finish_again(self, finished: FinishedRun) -> bool:
        # Not held any more, if the reply to an earlier try was lost.
        return await self._store.finish(finished) or await self._store.has_ended_so(finished)

    async def _finish_empty(self, run: LiveRun, error: AppError, failed: FinishedRun) -> bool:
        try:
            return await self._finish(run, error, replace(failed, content="", reasoning="", tool_calls=(), steps=(), questions=()))
        except AppError as refused:
            log.error("run_not_ended", error=refused.code)  # noqa: TRY400  # the frames are the database's
            return not isinstance(refused, DatabaseUnavailable)


async def _kept(run: LiveRun, error: AppError | None) -> AppError | None:
    """Have the last checkpoint written, whatever the run ended with: the session goes on from there."""
    try:
        await run.bench.place.flush()
    except AppError as lost:
        return error or lost
    return error


def _identity(run: LiveRun) -> dict[str, str]:
    ids = {"run_id": str(run.id), "session_id": str(run.session_id)}
    return {**ids, "trace_id": run.trace.id} if run.trace else ids


def _end_trace(run: LiveRun, outcome: str, error: AppError | None = None) -> None:
    """The first word counts."""
    if run.trace:
        failed = error.code if error and not isinstance(error, RunCancelled) else ""
        run.trace.ended(outcome, failed, run.story.text)


def _account(run: LiveRun, error: AppError | None) -> dict[str, Any]:
    taken, usage = run.taken, run.story.usage()
    return {
        "status": status_of(run, error),
        "error": error.code if error else None,
        "seconds": round(time.monotonic() - run.began, 4),
        "agent": taken.agent,
        "tier": taken.user.tier,
        "attempt": taken.attempt,
        "model": usage.model,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": usage.cost_usd,
    }


def _words(run: LiveRun) -> dict[str, str]:
    """What was said, for an operator who wants it in the log."""
    return {"asked": run.taken.text, "answered": run.story.text}


def _retrying(seconds: float) -> AsyncRetrying:
    return AsyncRetrying(
        retry=retry_if_exception_type(DatabaseUnavailable),
        wait=wait_random_exponential(multiplier=0.1, max=_LONGEST_PAUSE_SECONDS),
        stop=stop_after_delay(seconds),
        reraise=True,
    )
