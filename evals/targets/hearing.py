"""A turn, put together from a run's events as any reader of the stream would."""

import time
from collections.abc import Mapping
from typing import Any, Final

from evals.answers import ToolCall, Turn
from evals.targets.talking import NotAnswered

_ANSWERED: Final = "completed"
_ENDINGS: Final = {
    "interrupted": ("interrupted", "The agent asks a person, and nobody is there."),
    "cancelled": ("cancelled", "The run was stopped."),
}
_LOST: Final = ("lost", "The events came to no end.")


class Hearing:
    """Begins its clock when it is made."""

    def __init__(self, said: str) -> None:
        self._said = said
        self._began = time.monotonic()
        self._first_token: float | None = None
        self._text: list[str] = []
        self._calls: dict[str, ToolCall] = {}
        self._usage: Mapping[str, Any] = {}
        self._error: tuple[str, str] | None = None
        self._status = ""
        self.run_id = ""

    def hear(self, kind: str, event: Mapping[str, Any]) -> None:
        match kind:
            case "start":
                self.run_id = event["run_id"]
            case "token":
                self._first_token = self._first_token or time.monotonic()
                self._text.append(event["content"])
            case "reset":
                self._text.clear()
                self._calls.clear()
            case "tool_call":
                self._calls[event["id"]] = ToolCall(name=event["name"], args=event["args"])
            case "tool_result":
                self._answer_call(event)
            case _:
                self._hear_of_end(kind, event)

    def turn(self) -> Turn:
        """What there is of it by now."""
        return Turn(
            said=self._said,
            text="".join(self._text),
            tool_calls=[*self._calls.values()],
            run_id=self.run_id,
            model=self._usage.get("model", ""),
            input_tokens=self._usage.get("input_tokens", 0),
            output_tokens=self._usage.get("output_tokens", 0),
            cost_usd=self._usage.get("cost_usd"),
            first_token_seconds=self._first_token and self._first_token - self._began,
            seconds=time.monotonic() - self._began,
        )

    def whole_turn(self) -> Turn:
        """The turn of a run that has ended; raise NotAnswered for any end but an answer."""
        turn = self.turn()
        if self._error is None and self._status == _ANSWERED:
            return turn
        code, detail = self._error or _ENDINGS.get(self._status, _LOST)
        raise NotAnswered(code, detail, turn)

    def _hear_of_end(self, kind: str, event: Mapping[str, Any]) -> None:
        match kind:
            case "usage":
                self._usage = event
            case "error":
                self._error = (event["code"], event["detail"])
            case "end":
                self._status = event["status"]

    def _answer_call(self, event: Mapping[str, Any]) -> None:
        before = self._calls.get(event["id"])
        args = before.args if before else {}
        self._calls[event["id"]] = ToolCall(name=event["name"], args=args, result=event["content"], is_error=event["is_error"])
