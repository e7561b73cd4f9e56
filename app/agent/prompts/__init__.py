"""The texts the model is given before the conversation, kept as Markdown and filled at call time."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from string import Template
from typing import Final, cast

from app.errors import InvalidInput, SettingsInvalid
from app.text import quoted

__all__ = [
    "SYSTEM",
    "ServedPrompt",
    "ServedPrompts",
    "check_prompt",
    "no_served_prompts",
    "prompt_text",
    "quoted",
    "served_prompt",
    "system_prompt",
]

SYSTEM: Final = "system.md"

_NOTHING: Final[Mapping[str, str]] = {}
_LONGEST_NAMED: Final = 200
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


# As prompts that are kept elsewhere are written.
_SERVED_NAME: Final = re.compile(r"\{\{\s*(\w+)\s*\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedPrompt:
    """A prompt that is kept elsewhere and takes the place of a file; `mark` says which it is, to whoever traces a call."""

    template: Template
    mark: Mapping[str, str | int]


# The prompt that takes a file's place now, None for the file.
type ServedPrompts = Callable[[str], ServedPrompt | None]


def no_served_prompts(name: str) -> ServedPrompt | None:  # noqa: ARG001  # as all of them are asked
    return None


def served_prompt(text: str, mark: Mapping[str, str | int]) -> ServedPrompt:
    """The text as `system_prompt` takes it: with `{{name}}` for what is filled in, and a `$` for a dollar.

    Raise InvalidInput where nothing is filled in for a name.
    """
    wanted = {*_SERVED_NAME.findall(text)}
    if unknown := sorted(wanted - _NAMES):
        known = ", ".join(f"{{{{{name}}}}}" for name in sorted(_NAMES))
        raise InvalidInput(f"Nothing is filled in for {', '.join(unknown)[:_LONGEST_NAMED]}; there are {known}.")
    return ServedPrompt(template=_Prompt(_SERVED_NAME.sub(r"${\1}", text.replace("$", "$$"))), mark=mark)


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
    name: str = SYSTEM,
    more: Mapping[str, str] = _NOTHING,
    served: ServedPrompt | None = None,
) -> str:
    """Fill `system.md`, or another that has `more` to fill in; names, memories and a summary become JSON strings, so that they stay one
    line of data whatever they say. One that is `served` takes the file's place.

    What is `added` are instructions: the session's own user gave them.

    The day is told and not the hour: a prompt that changes every minute would never be found in a provider's cache.
    """
    return (served.template if served else _template(name)).substitute(
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
