"""The texts the model is given before the conversation, kept as Markdown and filled at call time."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Final

from app.text import quoted

__all__ = ["prompt_text", "quoted", "system_prompt"]

_NOTHING: Final[Mapping[str, str]] = {}


def system_prompt(
    *,
    now: datetime,
    user_name: str,
    memories: Sequence[str],
    summary: str = "",
    added: str = "",
    name: str = "system.md",
    more: Mapping[str, str] = _NOTHING,
) -> str:
    """Fill `system.md`, or another that has `more` to fill in; names, memories and a summary become JSON strings, so that they stay one
    line of data whatever they say.

    What is `added` are instructions: the session's own user gave them.

    The day is told and not the hour: a prompt that changes every minute would never be found in a provider's cache.
    """
    return _template(name).substitute(
        more,
        date=f"{now:%A}, {now.day} {now:%B %Y} ({now.tzname() or 'UTC'})",
        user_name=quoted(user_name),
        earlier="\n" + filled("earlier.md", summary=quoted(summary)) if summary else "",
        memories="\n".join(f"- {quoted(memory)}" for memory in memories),
        added="\n" + filled("added.md", added=added.strip()) if added.strip() else "",
    )


def filled(name: str, **values: str) -> str:
    return _template(name).substitute(values)


def prompt_text(name: str) -> str:
    return _template(name).template


@cache
def _template(name: str) -> Template:
    return Template(Path(__file__).with_name(name).read_text(encoding="utf-8"))
