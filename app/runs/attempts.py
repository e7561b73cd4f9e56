"""The attempts this process makes: each is a task of ours, and ends once."""

import asyncio
from collections.abc import Sequence
from typing import Protocol
from uuid import UUID

import structlog

from app.errors import AppError, RunCancelled, RunLost, ServerStopping
from app.persistence.values import EventBatch, FinishedRun, RunStatus
from app.runs.events import Ended, Failed, RunEvent
from app.runs.flush import Flusher
from app.runs.log import RunLog
from app.runs.walk import LiveRun, Means, walk

log = structlog.get_logger()


class AttemptStore(Protocol):
    async def finish(self, run: FinishedRun) -> bool: ...
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

    def ids(self) -> Sequence[UUID]:
        return [*self._live]

    def find(self, run_id: UUID) -> LiveRun | None:
        return self._live.get(run_id)

    def of_session(self, session_id: UUID) -> Sequence[LiveRun]:
        return [run for run in self._live.values() if run.session_id == session_id]

    def begin(self, run: LiveRun, first_event: RunEvent) -> None:
        """Walk the run in a task of its own, whoever listens."""
        # A process that was frozen may get a run back that it does not know it has lost.
        self.stop(run.id, RunLost())
        self._live[run.id] = run
        run.log.append(first_event)
        self._tasks[run] = asyncio.create_task(self._answer(run), name=f"run-{run.id}")

    def stop(self, run_id: UUID, reason: AppError | None = None) -> None:
        """Ask a run to end where it is; it keeps what it has said. Nothing happens to one that is not live here."""
        if run := self._live.get(run_id):
            run.stopped_for = reason or RunCancelled()
            # Not at once: a task that is cancelled before its first step never runs at all, not even its `finally`.
            asyncio.get_running_loop().call_soon(self._cancel, run)

    def give_up(self, run_log: RunLog, reason: AppError) -> None:
        """Stop the attempt that writes this log; another attempt that has its run may be one of this process."""
        if (run := self._live.get(run_log.run_id)) and run.log is run_log:
            self.stop(run.id, reason)

    async def close(self) -> None:
        for run_id in [*self._live]:
            self.stop(run_id, ServerStopping())
        await asyncio.gather(*self._tasks.values())

    def _cancel(self, run: LiveRun) -> None:
        # Once it writes its end, it is too late to stop: a cancelled write would leave the run without one.
        if run.walking:
            self._tasks[run].cancel()

    async def _answer(self, run: LiveRun) -> None:
        with structlog.contextvars.bound_contextvars(run_id=str(run.id), session_id=str(run.session_id)):
            try:
                error = await walk(run, self._means)
                run.walking = False
                if isinstance(error, ServerStopping):
                    await self._hand_back(run)
                else:
                    await self._end(run, error)
            finally:
                run.log.close()
                run.ended.set()
                del self._tasks[run]
                if self._live.get(run.id) is run:
                    del self._live[run.id]

    async def _hand_back(self, run: LiveRun) -> None:
        """Leave the run, at its last checkpoint, to the process that comes after this one."""
        await self._flusher.flush()
        try:
            await self._store.release(run.id, run.log.attempt)
        except AppError:
            log.warning("run_not_handed_back")  # its lease runs out all the same
        else:
            log.info("run_handed_back")

    async def _end(self, run: LiveRun, error: AppError | None) -> None:
        """Write the answer with its last events, then show these: `end` promises that the transcript has it."""
        batch = await self._flusher.hand_over(run.log, _last_events(run, error))
        try:
            held = await self._store.finish(_finished(run, error, batch))
        except AppError as failure:
            # The readers here are told; the run's row is left to whoever finds its lease expired.
            error, held = failure, True
            batch = run.log.following(_last_events(run, error))
        if held:
            run.log.publish(batch)
        log.info("run_finished", status=_status(error), error=error.code if error else None, held=held, model=run.model.spec.name)


def _last_events(run: LiveRun, error: AppError | None) -> Sequence[RunEvent]:
    status = _status(error)
    failure = [_failed(error)] if error and status is RunStatus.FAILED else []
    return [run.story.usage(), *failure, Ended(status=status, message_id=str(run.message_id))]


def _failed(error: AppError) -> Failed:
    seconds = error.extra.get("retry_after")
    return Failed(
        code=error.code, detail=error.detail, retryable=error.retryable, retry_after=seconds if isinstance(seconds, int) else None
    )


def _finished(run: LiveRun, error: AppError | None, batch: EventBatch) -> FinishedRun:
    usage = run.story.usage()
    return FinishedRun(
        id=run.id,
        attempt=run.log.attempt,
        message_id=run.message_id,
        status=_status(error),
        error_code=error.code if error else None,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        events=batch.entries,
        **run.story.transcript(),
    )


def _status(error: AppError | None) -> RunStatus:
    if error is None:
        return RunStatus.COMPLETED
    return RunStatus.CANCELLED if isinstance(error, RunCancelled) else RunStatus.FAILED
