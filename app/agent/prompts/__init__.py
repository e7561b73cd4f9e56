"""The texts the model is given before the conversation, kept as Markdown and filled at call time."""

import json
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template


def system_prompt(
    *, now: datetime, user_name: str, memories: Sequence[str], summary: str = "", added: str = "", name: str = "system.md"
) -> str:
    """Fill `system.md`, or another agent's file.

    Names, memories and a summary become JSON strings, so that they stay one line of data whatever they say.

    What is `added` are instructions: the session's own user gave them.

    The day is told and not the hour: a prompt that changes every minute would never be found in a provider's cache.
    """
    return _template(name).substitute(
        date=f"{now:%A}, {now.day} {now:%B %Y} ({now.tzname() or 'UTC'})",
        user_name=quoted(user_name),
        earlier="\n" + _template("earlier.md").substitute(summary=quoted(summary)) if summary else "",
        memories="\n".join(f"- {quoted(memory)}" for memory in memories),
        added="\n" + _template("added.md").substitute(added=added.strip()) if added.strip() else "",
    )


def prompt_text(name: str) -> str:
    return _template(name).template


@cache
def _template(name: str) -> Template:
    return Template(Path(__file__).with_name(name).read_text(encoding="utf-8"))


def quoted(text: str) -> str:
    """The text as a JSON string on one line."""
    # Neither a newline, a quote nor a tag of ours can stand in it as itself; \u003c is JSON's other way to write <.
    return json.dumps(text, ensure_ascii=False).replace("<", "\\u003c")
