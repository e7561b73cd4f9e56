"""What the graph tells, as events; and the same once more as the transcript will keep it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

from app.agent.origin import Origin
from app.agent.state import StepStatus
from app.llm.calls import ModelCall, Purpose
from app.llm.money import total_usd
from app.runs.events import Located, Reasoning, Remembered, Reset, RunEvent, Token, ToolAnswered, ToolCalled, Used
from app.runs.log import RunLog
from app.runs.steps import Steps
from app.text import storable, storable_values

_PARAGRAPH: Final = "\n\n"


@dataclass(frozen=True, slots=True)
class _Mark:
    """Where an answer of the model begins: the number of the last event before it, and how much had been said."""

    number: int
    text: int
    thoughts: int
    steps: int
    breaks: bool


class Story:
    """The agent's Listener: appends an event for each thing that happens, and keeps what the transcript needs.

    The transcript's text is the tokens joined, so a reader of the stream and one who comes later see the same.
    """

    def __init__(self, log: RunLog, model: str, *, shows_reasoning: bool = True) -> None:
        self._log = log
        self._model = model
        self._shows_reasoning = shows_reasoning
        self.calls: list[ModelCall] = []
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._calls: list[dict[str, Any]] = []
        self._steps = Steps()
        self._breaks = False
        self.kept_from: UUID | None = None
        self.first_token_at: datetime | None = None
        self.answer_begins()

    def remembered(self, memories: Sequence[str]) -> None:
        self._log.append(Remembered(memories=[*map(storable, memories)]))

    def token(self, content: str, origin: Origin | None = None) -> None:
        if self._breaks:
            content, self._breaks = _PARAGRAPH + content, False
        content = storable(content)
        if not self._text:
            self.first_token_at = datetime.now(UTC)
        self._text.append(content)
        self._tell(Token(content=content), origin)

    def reasoning(self, content: str, origin: Origin | None = None) -> None:
        if not self._shows_reasoning:
            return
        content = storable(content)
        self._thoughts.append(content)
        self._tell(Reasoning(content=content), origin)

    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any], origin: Origin | None = None) -> None:
        self._breaks = bool(self._text)
        call_id, name, clean = storable(call_id), storable(name), storable_values(args)
        self._calls.append({"id": call_id, "name": name, "args": clean, "content": "", "is_error": None})
        self._tell(ToolCalled(id=call_id, name=name, args=clean), origin)

    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool, origin: Origin | None = None) -> None:
        call_id, name, content = storable(call_id), storable(name), storable(content)
        call = self._call(call_id)
        if call is None:  # made by the run before this one, which asked a person about it
            call = {"id": call_id, "name": name, "args": {}}
            self._calls.append(call)
        call.update(content=content, is_error=is_error)
        self._tell(ToolAnswered(id=call_id, name=name, content=content, is_error=is_error), origin)

    def step(self, origin: Origin, status: StepStatus, title: str, content: Mapping[str, Any]) -> None:
        self._tell(self._steps.take(origin, status, title, content), origin)

    def at(self, origin: Origin) -> "StoryAt":
        return StoryAt(self, origin)

    def _tell(self, event: RunEvent, origin: Origin | None) -> None:
        self._log.append(Located(event, origin) if origin else event)

    def knows(self, call_id: str) -> bool:
        """Whether the call has been told."""
        return self._call(storable(call_id)) is not None

    def _call(self, call_id: str) -> dict[str, Any] | None:
        """The latest of that id, for some providers number their calls anew in each answer."""
        return next((call for call in reversed(self._calls) if call["id"] == call_id), None)

    def compacted(self, kept_from: str) -> None:
        with suppress(ValueError):  # a message of before, which was not named by its run
            self.kept_from = UUID(kept_from)

    def answer_begins(self) -> None:
        self._mark = _Mark(self._log.last, len(self._text), len(self._thoughts), len(self._steps), breaks=self._breaks)

    def answer_taken_back(self, reason: str) -> None:
        """Tell readers to start afresh, and tell again what was said before the answer; nothing if it has said nothing."""
        mark = self._mark
        if self._log.last == mark.number:
            return
        del self._text[mark.text :], self._thoughts[mark.thoughts :]
        self._steps.take_back(mark.steps)
        self._breaks = mark.breaks
        if not self._text:
            self.first_token_at = None
        self._log.tell_again(Reset(reason=reason), mark.number)
        self.answer_begins()

    def called(self, call: ModelCall) -> None:
        self.calls.append(call)

    @property
    def text(self) -> str:
        """What was said so far."""
        return "".join(self._text)

    def transcript(self, *, waits: bool = False) -> dict[str, Any]:
        """The assistant's side so far: content, reasoning, tool_calls and steps; unless it `waits`, a call without a result has failed."""
        calls = [{**call, "is_error": not waits if call["is_error"] is None else call["is_error"]} for call in self._calls]
        thoughts = "".join(self._thoughts)
        return {"content": self.text, "reasoning": thoughts, "tool_calls": calls, "steps": self._steps.kept()}

    def usage(self) -> Used:
        """All calls of the run in one sum; its cost is not known where that of one is not."""
        input_tokens, output_tokens = self._sum("input_tokens"), self._sum("output_tokens")
        # Of most calls that failed nobody knows the tokens; a refusal is counted like an answer.
        costs = [call.cost_usd for call in self.calls if call.error_code is None or call.output_tokens]
        return Used(
            input_tokens=input_tokens,
            output_tokens=output_tokens,
            total_tokens=input_tokens + output_tokens,
            reasoning_tokens=self._sum("reasoning_tokens"),
            cached_tokens=self._sum("cached_tokens"),
            cost_usd=None if None in costs or not costs else total_usd(cost for cost in costs if cost is not None),
            model=self.answered_by,
            from_cache=bool(self.calls) and all(call.from_cache for call in self.calls),
        )

    @property
    def answered_by(self) -> str:
        """The model that gave the latest answer, which need not be the one that was asked first."""
        answers = (call.model for call in reversed(self.calls) if call.purpose is Purpose.ANSWER and call.error_code is None)
        return next(answers, self._model)

    def _sum(self, tokens: str) -> int:
        return sum(getattr(call, tokens) for call in self.calls)


class StoryAt:
    """The story as one step tells it."""

    def __init__(self, story: Story, origin: Origin) -> None:
        self._story = story
        self._origin = origin
        self.remembered, self.compacted, self.step, self.at = story.remembered, story.compacted, story.step, story.at
        self.answer_begins, self.answer_taken_back, self.called = story.answer_begins, story.answer_taken_back, story.called

    def token(self, content: str) -> None:
        self._story.token(content, self._origin)

    def reasoning(self, content: str) -> None:
        self._story.reasoning(content, self._origin)

    def tool_called(self, call_id: str, name: str, args: Mapping[str, Any]) -> None:
        self._story.tool_called(call_id, name, args, self._origin)

    def tool_answered(self, call_id: str, name: str, content: str, *, is_error: bool) -> None:
        self._story.tool_answered(call_id, name, content, is_error=is_error, origin=self._origin)
