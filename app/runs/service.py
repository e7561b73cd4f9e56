"""What happens to one user message: a run is claimed, walked by a task of ours, read by any number of tails, and ends once."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Final, Protocol
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from app.errors import AppError, DatabaseUnavailable, RunCancelled, RunLost, ServerBusy, ServerStopping, SessionBusy, SessionNotFound
from app.llm.models import Model
from app.persistence.values import FinishedRun, NewRun, RunStatus, User
from app.runs.events import Ended, Failed, Started
from app.runs.log import RunLog
from app.runs.stream import Story
from app.runs.walk import FIRST_ATTEMPT, Means, Run, walk

_TITLE_LENGTH: Final = 60
_RENEWALS_PER_LEASE: Final = 3
_RETRY_SECONDS: Final = 1

log = structlog.get_logger()


class RunStore(Protocol):
    async def claim(self, run: NewRun) -> bool: ...
    async def live_run(self, session_id: UUID) -> UUID | None: ...
    async def finish(self, run: FinishedRun) -> bool: ...
    async def renew_leases(self) -> None: ...
    async def fail_lost_runs(self, error_code: str) -> int: ...


class Runs:
    """The runs this process works on; made by `open_runs`."""

    def __init__(self, means: Means, store: RunStore) -> None:
        self._means = means
        self._store = store
        self._live: dict[UUID, Run] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._stopping = False

    async def start(self, user: User, session_id: UUID, text: str, model_name: str | None = None) -> Run:
        """Claim the session's turn and begin to answer; the run goes on whoever listens.

        Raise UnknownModel, ServerBusy, ServerStopping, SessionNotFound, or SessionBusy with `active_run_id`.
        """
        model = self._means.models.get(model_name)
        if self._stopping:
            raise ServerStopping
        if len(self._live) >= self._means.runs.max_live_runs:
            raise ServerBusy(retry_after=_RETRY_SECONDS)
        run = _new_run(user, session_id, text, model)
        self._live[run.id] = run  # before the first await, so that the limit holds
        try:
            await self._claim(run)
        except BaseException:
            del self._live[run.id]
            raise
        self._tasks[run.id] = asyncio.create_task(self._answer(run), name=f"run-{run.id}")
        return run

    def stop(self, run: Run, reason: AppError | None = None) -> None:
        """Ask a run to end where it is; it keeps what it has said. Nothing happens to one that has ended."""
        if task := self._tasks.get(run.id):
            run.stopped_for = reason or RunCancelled()
            task.cancel()

    async def stop_session(self, session_id: UUID) -> None:
        """Stop what this process is answering in the session, and wait until it has ended."""
        for run in [run for run in self._live.values() if run.session_id == session_id]:
            self.stop(run)
            await run.ended.wait()

    async def close(self) -> None:
        """Take no more runs and end the live ones."""
        self._stopping = True
        for run in [*self._live.values()]:
            self.stop(run, ServerStopping())
        await asyncio.gather(*self._tasks.values())

    async def _claim(self, run: Run) -> None:
        asked = NewRun(
            id=run.id,
            session_id=run.session_id,
            user_id=run.user.id,
            message_id=run.asked_id,
            model=run.model.spec.name,
            text=run.text,
            title=_title(run.text),
        )
        # Twice, for the run that held the turn may end between the two questions.
        for _ in range(2):
            if await self._store.claim(asked):
                return
            if active := await self._store.live_run(run.session_id):
                raise SessionBusy(active_run_id=str(active), retry_after=_RETRY_SECONDS)
        raise SessionNotFound

    async def _answer(self, run: Run) -> None:
        try:
            run.log.append(Started(run_id=str(run.id), session_id=str(run.session_id)))
            error = await walk(run, self._means)
            await self._finish(run, error)
        finally:
            run.log.close()
            run.ended.set()
            del self._live[run.id], self._tasks[run.id]

    async def _finish(self, run: Run, error: AppError | None) -> None:
        """Write the answer, then tell the readers: `end` promises that the transcript has it."""
        usage = run.story.usage()
        ending = FinishedRun(
            id=run.id,
            attempt=FIRST_ATTEMPT,
            message_id=run.message_id,
            status=_status(error),
            error_code=error.code if error else None,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            **run.story.transcript(),
        )
        try:
            error = error if await self._store.finish(ending) else RunLost()
        except DatabaseUnavailable as unavailable:
            error = unavailable
        run.error, run.status = error, _status(error)
        run.log.append(usage)
        if run.status is RunStatus.FAILED and error:
            run.log.append(Failed(code=error.code, detail=error.detail, retryable=error.retryable))
        run.log.append(Ended(status=run.status, message_id=str(run.message_id)))
        log.info("run_finished", status=run.status, error=error and error.code, model=usage.model, tokens=usage.total_tokens)


@asynccontextmanager
async def open_runs(means: Means, store: RunStore) -> AsyncGenerator[Runs]:
    """Runs with their leases kept; leaving ends what is still live."""
    runs = Runs(means, store)
    async with asyncio.TaskGroup() as tasks:
        leases = tasks.create_task(_keep_leases(store, means.runs.lease_seconds), name="leases")
        try:
            yield runs
        finally:
            await runs.close()
            leases.cancel()


async def _keep_leases(store: RunStore, lease_seconds: float) -> None:
    """Say regularly that this process lives, and end the runs of those that have not."""
    while True:
        try:
            await store.renew_leases()
            if lost := await store.fail_lost_runs(RunLost.code):
                log.warning("runs_lost", count=lost)
        except DatabaseUnavailable:
            log.warning("leases_not_renewed")
        await asyncio.sleep(lease_seconds / _RENEWALS_PER_LEASE)


def _new_run(user: User, session_id: UUID, text: str, model: Model) -> Run:
    run_log = RunLog()
    return Run(
        id=uuid7(),
        session_id=session_id,
        asked_id=uuid7(),  # before the answer's, for the transcript is ordered by id
        message_id=uuid7(),
        user=user,
        model=model,
        text=text,
        log=run_log,
        story=Story(run_log, model.spec),
    )


def _status(error: AppError | None) -> RunStatus:
    if error is None:
        return RunStatus.COMPLETED
    return RunStatus.CANCELLED if isinstance(error, RunCancelled) else RunStatus.FAILED


def _title(text: str) -> str:
    first_line = text.strip().partition("\n")[0].strip()
    return first_line if len(first_line) <= _TITLE_LENGTH else f"{first_line[: _TITLE_LENGTH - 1].rstrip()}…"
