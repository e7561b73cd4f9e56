"""Sum up the older part of a conversation, together with the summary of what came before it."""

import json
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, SystemMessage, ToolMessage

from app.agent.prompts import prompt_text
from app.errors import ModelBadAnswer
from app.llm.asking import Asker
from app.llm.attachments import references
from app.llm.calls import Purpose
from app.text import BYTES_PER_TOKEN, quoted

MOST_CHARACTERS: Final = 8_000
_MAX_TOKENS: Final = 2_000
_LEAST_PER_MESSAGE: Final = 200


async def summarised(model: Asker, before: str, messages: Sequence[AnyMessage], *, most_tokens: int) -> str:
    """One summary of all of it, `before` being that of what came earlier; raise what the model raises."""
    told = f"<summary>\n{quoted(before)}\n</summary>\n<conversation>\n{_told(messages, most_tokens)}\n</conversation>"
    prompt = [SystemMessage(prompt_text("summarise.md")), HumanMessage(told)]
    said = await model.ask(prompt, purpose=Purpose.SUMMARY, options={"max_tokens": _MAX_TOKENS})
    if not (summary := said.text.strip()):
        raise ModelBadAnswer("The model's summary was empty.")
    return summary[:MOST_CHARACTERS]


def _told(messages: Sequence[AnyMessage], most_tokens: int) -> str:
    """A line of JSON for each message, together about as long as the model may read: what is long is cut, then the oldest are left out."""
    room = most_tokens * BYTES_PER_TOKEN
    each = max(_LEAST_PER_MESSAGE, room * 3 // 4 // len(messages))
    lines = [_line(message, each) for message in messages]
    while len(lines) > 1 and sum(len(line.encode(errors="replace")) for line in lines) > room:
        lines = lines[len(lines) // 4 + 1 :]
    return "\n".join(lines)


def _line(message: AnyMessage, characters: int) -> str:
    told = {"from": _speaker(message), "text": _cut(message.text, characters)}
    if attached := references(message):
        told["attached"] = ", ".join(one["name"] for one in attached)
    if isinstance(message, AIMessage) and message.tool_calls:
        told["called"] = _cut("; ".join(f"{call['name']} {json.dumps(call['args'])}" for call in message.tool_calls), characters)
    return quoted(told)


def _speaker(message: AnyMessage) -> str:
    match message:
        case HumanMessage():
            return "user"
        case ToolMessage():
            return f"tool {message.name}"
        case _:
            return "assistant"


def _cut(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters]} …"
