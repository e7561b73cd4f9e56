"""What the demo model reads in its instructions: whether it may call tools, and whether it may tell them.

So little that everybody can foresee it, and enough for an evaluation without a key to see that a prompt was made worse.
"""

import re
from collections.abc import Sequence
from typing import Final

from langchain_core.messages import BaseMessage, SystemMessage

_TOOLS: Final = re.compile(r"\btools?\b", re.IGNORECASE)
_NO_TOOLS: Final = re.compile(r"\b(?:never|do not|don't|without|avoid)\b[^.\n]{0,30}\btools?\b", re.IGNORECASE)
_KEPT_TO_ITSELF: Final = re.compile(
    r"\b(?:never|do not|don't)\b[^.\n]{0,20}\b(?:mention|reveal|tell|share|quote|repeat)\b[^.\n]{0,20}\binstructions\b", re.IGNORECASE
)


def may_call_tools(messages: Sequence[BaseMessage]) -> bool:
    """Where there are instructions: if they speak of tools, and do not forbid them."""
    told = instructions(messages)
    return not told or (bool(_TOOLS.search(told)) and not _NO_TOOLS.search(told))


def may_tell_instructions(messages: Sequence[BaseMessage]) -> bool:
    return not _KEPT_TO_ITSELF.search(instructions(messages))


def instructions(messages: Sequence[BaseMessage]) -> str:
    return "\n\n".join(str(message.text) for message in messages if isinstance(message, SystemMessage)).strip()
