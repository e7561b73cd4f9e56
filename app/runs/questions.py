"""Questions that the agent asks people, and what becomes of their answers."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import structlog
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError, best_match

from app.agent.approval import EXPIRED
from app.errors import InterruptExpired, InterruptNotFound, InvalidAnswer
from app.persistence.quota_values import Wish
from app.persistence.values import Interrupt, Run
from app.runs.asking import Reply, resumption, taken_run
from app.runs.service import Runs
from app.runs.tail import Tails
from app.runs.telling import tell_claimed
from app.runs.turns import TurnStore, busy

log = structlog.get_logger()


class InterruptStore(Protocol):
    async def open(self, session_id: UUID) -> Sequence[Interrupt]: ...
    async def expired(self) -> Sequence[tuple[UUID, UUID]]: ...


class Questions:
    def __init__(self, store: InterruptStore, turns: TurnStore, runs: Runs, tails: Tails) -> None:
        self._store = store
        self._turns = turns
        self._runs = runs
        self._tails = tails

    async def open(self, session_id: UUID) -> Sequence[Interrupt]:
        """What the session asks, the oldest first."""
        now = datetime.now(UTC)
        return [question for question in await self._store.open(session_id) if question.expires_at > now]

    async def answer(self, reply: Reply) -> UUID:
        """Go on with the answers in a run of its own; the run, or the one that the same request started before.

        Questions that are left open are asked again by that run. Raise InterruptNotFound, InterruptExpired, InvalidAnswer,
        SessionBusy, ServerBusy, ServerStopping, QuotaExceeded, TooManyRuns, IdempotencyKeyReused or EventsExpired.
        """
        questions = {question.id: question for question in await self._store.open(reply.session_id)}
        asked = next((question.run_id for question in questions.values()), None)
        before_model = (await self._runs.read(reply.user.id, asked)).model if asked else ""
        model, wish = self._runs.going_on(reply.user, before_model)
        new = resumption(
            reply.session_id,
            reply.user.id,
            reply.answers,
            model=model,
            answered_by=reply.user.id,
            key=reply.idempotency_key,
            wish=wish,
        )
        if before := await self._runs.turns.sent_before(new):
            return await self._readable(before)
        _check(questions, reply.answers)
        with self._runs.admitted(), self._runs.refusing(reply.user):
            claim = await self._turns.claim_resumption(new)
        if claim is None:
            if before := await self._runs.turns.sent_before(new):
                return await self._readable(before)
            active = await self._runs.live_run(reply.session_id)
            raise busy(active) if active else InterruptNotFound
        self._runs.begin_claimed(taken_run(new, claim, reply.user), claim)
        return new.id

    async def expire(self) -> None:
        """Have the model told of questions that nobody has answered in time."""
        for session_id, user_id in await self._store.expired():
            now = datetime.now(UTC)
            late = [question for question in await self._store.open(session_id) if question.expires_at <= now]
            if late:
                model = (await self._runs.read(user_id, late[0].run_id)).model
                answers = {question.id: EXPIRED for question in late}
                # Nobody asks for it now, so nobody is refused it; what it comes to is counted all the same.
                late_run = resumption(session_id, user_id, answers, model=model, answered_by=None, wish=Wish())
                if claim := await self._turns.claim_resumption(late_run):
                    tell_claimed(claim)
                log.info("questions_expired", session_id=str(session_id), questions=len(late))

    async def _readable(self, before: Run) -> UUID:
        await self._tails.check(before)
        return before.id


def _check(questions: Mapping[str, Interrupt], answers: Mapping[str, Any]) -> None:
    if any(question_id not in questions for question_id in answers):
        raise InterruptNotFound
    if any(questions[question_id].expires_at <= datetime.now(UTC) for question_id in answers):
        raise InterruptExpired
    faults = {question_id: _fault(questions[question_id], value) for question_id, value in answers.items()}
    if words := "; ".join(fault for fault in faults.values() if fault):
        raise InvalidAnswer(words)


def _fault(question: Interrupt, value: object) -> str | None:
    """Why the value is no answer to the question."""
    if value == EXPIRED:
        return "This value is reserved"
    error: ValidationError | None = best_match(Draft202012Validator(question.schema).iter_errors(value))
    return f"{error.json_path} does not fit the question's schema ({error.validator})" if error else None
