"""The texts the model is given before the conversation, kept as Markdown and filled at call time."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Final, cast

from app.errors import SettingsInvalid
from app.text import quoted

__all__ = ["check_prompt", "prompt_text", "quoted", "system_prompt"]

_NOTHING: Final[Mapping[str, str]] = {}
_FOLDER: Final = Path(__file__).parent
# What `system_prompt` fills in of itself.
_NAMES: Final = frozenset({"date", "user_name", "earlier", "memories", "added"})


class _Prompt(Template):
    """A `$` that no name follows is one: whoever writes of $5 need know nothing of templates."""

    # Template compiles it.
    pattern = cast(
        "re.Pattern[str]",
        r"\$(?:(?P<escaped>\$)|(?P<named>(?a:[_a-z][_a-z0-9]*))|\{(?P<braced>(?a:[_a-z][_a-z0-9]*))\}|(?P<invalid>(?!)))",
    )


def check_prompt(name: str, more: Collection[str] = ()) -> None:
    """Raise SettingsInvalid for a file that `system_prompt` could not fill: when an agent is built, and not in each of its turns."""
    try:
        text = _template(name).template
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"app/agent/prompts/{name} cannot be read.") from error
    known = {*_NAMES, *more}
    for found in _Prompt.pattern.finditer(text):
        wanted = found["named"] or found["braced"]
        if wanted and wanted not in known:
            line, names = text.count("\n", 0, found.start()) + 1, ", ".join(f"${one}" for one in sorted(known))
            raise SettingsInvalid(
                f"app/agent/prompts/{name}, line {line}: ${wanted} is nothing that is filled in here; there are {names}. "
                f"Write $${wanted} for the words ${wanted}."
            )


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
def _template(name: str) -> _Prompt:
    return _Prompt((_FOLDER / name).read_text(encoding="utf-8"))
