"""What is asked of a chat model, and what it says when nobody has scripted it."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final
from zlib import crc32

from pydantic import BaseModel, ConfigDict

from tests.stub.answers import Answer, Text, ToolCall, ToolCalls

# stub-100: a hundred tokens at full speed · stub-100x20: at 20 a second · stub-100-tool20: a fifth of the questions call a tool first
_NUMBERED: Final = re.compile(r"stub-(?P<tokens>\d{1,5})(?:x(?P<rate>\d{1,4}))?(?:-tool(?P<percent>\d{1,3}))?")


class _StreamOptions(BaseModel):
    include_usage: bool = False


class ChatRequest(BaseModel):
    model_config = ConfigDict(frozen=True)

    model: str
    messages: list[dict[str, Any]]
    stream: bool = False
    stream_options: _StreamOptions | None = None

    @property
    def wants_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    @property
    def last_user_text(self) -> str:
        return next((text_of(message) for message in reversed(self.messages) if message.get("role") == "user"), "")

    @property
    def answers_a_tool(self) -> bool:
        return bool(self.messages) and self.messages[-1].get("role") == "tool"

    def complaint(self) -> str | None:
        """Say what OpenAI would refuse in these messages: parts it does not know, and tool calls apart from their answers."""
        contents = (content for message in self.messages if isinstance(content := message.get("content"), list))
        if unknown := {part.get("type") for content in contents for part in content} - {"text", "refusal", "image_url"}:
            return f"Invalid value: {sorted(map(str, unknown))}. Supported values are: 'text', 'image_url' and 'refusal'."
        open_calls: set[str] = set()
        for message in self.messages:
            if message.get("role") == "tool":
                if (answered := str(message.get("tool_call_id"))) not in open_calls:
                    return "messages with role 'tool' must be a response to a preceding message with 'tool_calls'."
                open_calls.discard(answered)
            elif open_calls:
                break
            else:
                open_calls = {str(call.get("id")) for call in message.get("tool_calls") or ()}
        return f"An assistant message with 'tool_calls' must be followed by tool messages: {sorted(open_calls)}." if open_calls else None


def text_of(message: dict[str, Any]) -> str:
    """The text of a message, whether it is a string or a list of parts."""
    content = message.get("content")
    parts: Sequence[Any] = content if isinstance(content, list) else [{"text": content or ""}]
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))


def unscripted(request: ChatRequest) -> Answer:
    """Answer as the model's name promises, else repeat what was said."""
    if numbered := _NUMBERED.fullmatch(request.model):
        percent = int(numbered["percent"] or 0)
        return _TIME if _calls_tool(request, percent) else numbered_text(int(numbered["tokens"]), int(numbered["rate"] or 0))
    return Text(f"You said: {request.last_user_text}")


_TIME: Final = ToolCalls((ToolCall("current_time", {}),))


def _calls_tool(request: ChatRequest, percent: int) -> bool:
    """Decide by the text, so that the same conversations call the same tools in every run."""
    return not request.answers_a_tool and crc32(request.last_user_text.encode()) % 100 < percent


@lru_cache(maxsize=16)
def numbered_text(tokens: int, rate: int) -> Text:
    """`t1 t2 t3 …`, in which a lost, doubled or swapped token shows."""
    return Text(pieces=tuple(f"t{number} " for number in range(1, tokens + 1)), seconds_between=1 / rate if rate else 0)
