"""What makes two prompts the same."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

from langchain_core.messages import BaseMessage

from app.llm.attachments import as_told
from app.llm.catalog import ModelSpec

# What the catalog tells of a model that the provider never hears.
_NOT_SENT: Final = {"prices", "context_window"}


def owner_of(user_id: str) -> str:
    """A name of the user that is in the key of each of their answers, and tells nobody who they are."""
    return sha256(user_id.encode()).hexdigest()[:32]


def prompt_key(
    user_id: str, spec: ModelSpec, prompt: Sequence[BaseMessage], tools: Sequence[Mapping[str, Any]], options: Mapping[str, Any]
) -> str | None:
    """Whose answer it is, and SHA-256 over all that a provider is sent for them, in hex; None when an option cannot be written as JSON."""
    asked = {
        "user": user_id,
        "model": spec.model_dump(mode="json", exclude=_NOT_SENT),
        "prompt": [_as_sent(message) for message in prompt],
        "tools": tools,
        "options": options,
    }
    try:
        # In ASCII, for a text may hold half of a surrogate pair, which UTF-8 has no bytes for.
        written = json.dumps(asked, sort_keys=True, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return None
    return f"{owner_of(user_id)}:{sha256(written).hexdigest()}"


def _as_sent(message: BaseMessage) -> Mapping[str, Any]:
    """Without the message's id, and without what its own answer has cost: those are new each time."""
    return {
        "type": message.type,
        "role": getattr(message, "role", None),
        "name": message.name,
        "content": as_told(message.content),
        "more": {name: value for name, value in message.additional_kwargs.items() if value},
        "calls": getattr(message, "tool_calls", ()),
        "answers": getattr(message, "tool_call_id", None),
        "status": getattr(message, "status", None),
    }
