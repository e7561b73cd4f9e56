"""What a caller asks of a session, and what that becomes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from app.persistence.accounts import User
from app.persistence.quota_values import Wish
from app.persistence.values import Attachment, Claim, NewRun, Resumption, TakenRun

_TITLE_LENGTH: Final = 60


class OnBusy(StrEnum):
    """What a message does that finds its session answering another."""

    REJECT = "reject"
    ENQUEUE = "enqueue"
    INTERRUPT = "interrupt"
    ROLLBACK = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A user's message to a session; the same `idempotency_key` with the same words means the same run.

    With `again` it is said in the place of the message `instead_of`, or of the last one, and what followed becomes another branch;
    without `text` it is the same message. In the `background` a worker answers it. With `cache` an answer that was
    given before will do. Without `attachments` it has those of the message in whose place it is said. `agent` and `config` are
    the session's. A `place` that is found already is where it is said, whatever `again` says.
    """

    user: User
    session_id: UUID
    text: str | None
    model: str | None = None
    idempotency_key: str | None = None
    on_busy: OnBusy = OnBusy.REJECT
    again: bool = False
    instead_of: UUID | None = None
    background: bool = False
    cache: bool = False
    attachments: Sequence[Attachment] | None = None
    place: "Place | None" = None
    agent: str = "assistant"
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A user's answers to the session's questions, by the interrupts' ids."""

    user: User
    session_id: UUID
    answers: Mapping[str, Any]
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a message is said: after the run `parent_id`, or, unless it `forks`, after what was said last.

    With `replays` it was said there already, and the agent goes on from that checkpoint.
    """

    text: str
    forks: bool = False
    parent_id: UUID | None = None
    attachments: Sequence[Attachment] = ()
    replays: str | None = None


def new_run(ask: Ask, place: Place, model: str, wish: Wish | None = None) -> NewRun:
    asked = f"{ask.session_id}\n{ask.model}\n{ask.text}"
    if ask.again or ask.background:
        asked += f"\n{ask.again}\n{ask.instead_of}\n{ask.background}"
    if ask.attachments is not None:
        asked += f"\n{[str(attachment.id) for attachment in ask.attachments]}"
    if ask.place:
        asked += f"\n{place.parent_id}\n{place.replays}"
    return NewRun(
        id=uuid7(),
        session_id=ask.session_id,
        user_id=ask.user.id,
        asked_id=uuid7(),  # before the answer's, for the transcript is ordered by id
        message_id=uuid7(),
        model=model,
        text=place.text,
        title=_title(place.text),
        idempotency_key=ask.idempotency_key,
        body_hash=sha256(asked.encode()).hexdigest(),
        forks=place.forks,
        parent_id=place.parent_id,
        waits=ask.on_busy is OnBusy.ENQUEUE,
        background=ask.background,
        cache=ask.cache,
        attachments=place.attachments,
        replays=place.replays,
        wish=wish,
    )


def resumption(
    session_id: UUID,
    user_id: UUID,
    answers: Mapping[str, Any],
    *,
    model: str,
    answered_by: UUID | None,
    key: str | None = None,
    wish: Wish | None = None,
) -> Resumption:
    """Of what nobody has answered a worker tells the model."""
    return Resumption(
        id=uuid7(),
        session_id=session_id,
        user_id=user_id,
        message_id=uuid7(),
        model=model,
        answers=answers,
        answered_by=answered_by,
        idempotency_key=key,
        body_hash=sha256(orjson.dumps([str(session_id), dict(answers)], option=orjson.OPT_SORT_KEYS)).hexdigest(),
        background=answered_by is None,
        wish=wish,
    )


def taken_run(new: NewRun | Resumption, claim: Claim, user: User) -> TakenRun:
    """The first attempt at a run that this process has just claimed."""
    message = new if isinstance(new, NewRun) else None
    return TakenRun(
        id=new.id,
        session_id=new.session_id,
        attempt=1,
        model=new.model,
        asked_id=message.asked_id if message else None,
        message_id=new.message_id,
        user=user,
        text=message.text if message else "",
        from_checkpoint=claim.from_checkpoint,
        parent_status=claim.parent_status,
        answers=new.answers if isinstance(new, Resumption) else None,
        cache=bool(message and message.cache),
        recalls=claim.recalls,
        attachments=message.attachments if message else (),
        agent=claim.agent,
        config=claim.config,
        replays=message.replays if message else None,
        held=claim.held,
    )


def _title(text: str) -> str:
    first_line = text.strip().partition("\n")[0].strip()
    return first_line if len(first_line) <= _TITLE_LENGTH else f"{first_line[: _TITLE_LENGTH - 1].rstrip()}…"
