"""A run's answer in one piece, put together from its events as a reader of the stream would."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

import orjson

from app.errors import AppError, RunCancelled, RunLost, error_of
from app.persistence.values import RunStatus
from app.runs.tail import Tails

_ANSWERED: Final = (RunStatus.COMPLETED, RunStatus.INTERRUPTED)


@dataclass(slots=True, kw_only=True)
class Answer:
    run_id: UUID
    content: list[str] = field(default_factory=list)
    reasoning: list[str] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    questions: list[dict[str, Any]] = field(default_factory=list)
    error: AppError | None = None
    end: dict[str, Any] = field(default_factory=dict)

    def hear(self, kind: str, data: dict[str, Any]) -> None:
        match kind:
            case "token":
                self.content.append(data["content"])
            case "reasoning":
                self.reasoning.append(data["content"])
            case "reset":
                self.content.clear()
                self.reasoning.clear()
            case "interrupt":
                self.questions.append(data)
            case "usage":
                self.usage = data
            case "error":
                wait = {"retry_after": seconds} if (seconds := data.get("retry_after")) is not None else {}
                self.error = error_of(data["code"], data["detail"], **wait)
            case "end":
                self.end = data


async def whole_answer(
    tails: Tails, run_id: UUID, *, silence_seconds: float, heard: Callable[[Answer], Awaitable[None]] | None = None
) -> Answer:
    """Wait for the run's end, or its questions; raise the AppError that kept it from being answered.

    `heard` is told, time and again, of what there is of it so far.
    """
    answer = Answer(run_id=run_id)
    async for entries in tails.read(run_id, silence_seconds=silence_seconds):
        for entry in entries:
            answer.hear(entry.type, orjson.loads(entry.payload))
        if heard:
            await heard(answer)
    if answer.error:
        raise answer.error
    if not answer.end and tails.is_closing:
        raise RunLost
    if answer.end.get("status") not in _ANSWERED:
        raise RunCancelled
    return answer
