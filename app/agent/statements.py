"""What users plainly say of themselves, word for word: all that can be remembered where no model reads for facts. English only."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from app.agent.redaction import REMOVED

_MOST: Final = 5
_MAX_LENGTH: Final = 300
_LEAST_WORDS: Final = 3


def statements(text: str) -> list[str]:
    """The sentences of a message that state something of the user or that they want remembered; no questions and no commands."""
    return [*_statements(text.replace("’", "'"))][:_MOST]  # noqa: RUF001  # phones write it so


def replaces(newer: str, older: str) -> bool:
    """Whether the older statement is no longer true: a person has one of what both are about, or the newer one ends it."""
    if _words(newer) == _words(older):
        return True
    new, old = _known(newer), _known(older)
    if not new or not old or new.about != old.about:
        return False
    return new.value == old.value if new.has_ended != old.has_ended else not new.has_ended


@dataclass(frozen=True, slots=True)
class _Known:
    about: str
    value: str
    has_ended: bool


def _known(statement: str) -> _Known | None:
    """What of all that a person has one of a statement tells; None for most: two facts too many do less harm."""
    plain = statement.replace("’", "'").rstrip(" .!,;")  # noqa: RUF001
    found = ((name, form.fullmatch(plain)) for name, form in _HAS_ONE.items())
    name, match = next(((name, match) for name, match in found if match), ("", None))
    if match is None:
        return None
    parts = match.groupdict()
    return _Known(f"{name} {parts.get('of', '')}", parts["value"].casefold(), bool(parts.get("ended")))


def _statements(text: str) -> Iterator[str]:
    for sentence in _SENTENCE_END.split(text):
        plain = _BEFORE.sub("", sentence.strip())
        wanted = _WANTED.match(plain)
        said = plain[wanted.end() :] if wanted else plain
        if (wanted or _OF_THE_USER.match(said)) and _can_be_kept(said):
            yield said[0].upper() + said[1:].rstrip(" .!,;")


def _can_be_kept(said: str) -> bool:
    is_long_enough = len(said) <= _MAX_LENGTH and len(said.split()) >= _LEAST_WORDS
    return is_long_enough and REMOVED not in said and not said.endswith("?") and not _PASSING.match(said)


def _words(statement: str) -> str:
    return " ".join(re.findall(r"[\w']+", statement.casefold().replace("’", "'")))  # noqa: RUF001


def _form(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


# A full stop or sign ends a sentence before white space only, and stays with it; of two statements in one, one may become untrue.
_SENTENCE_END: Final = _form(r"(?<=[.!?;])\s+|\n+|,? (?:and|but) (?=(?:i|my)\b)|(?:(?<=anymore)|(?<=any more)|(?<=any longer)),? (?=i\b)")
_BEFORE: Final = _form(
    r"^(?:(?:hi|hey|hello|please|also|and|so|well|ok|okay|oh|by the way|btw|actually|just|now|can you|could you)\b[,!.:\s]*)+"
)
_WANTED: Final = _form(
    r"(?:(?:always )?remember|note|keep in mind|(?:don't|do not|never) forget)(?: for (?:later|next time))?"
    r"(?:,|:| that\b|(?= (?:i|my|we|our)\b))\s*"
)
_OF_THE_USER: Final = _form(
    r"(?:my|our)\s|(?:you can )?call me\s|we (?:live|have|are|moved)\s"
    r"|i(?: now| currently| still| also)?"
    r"(?:'m|'ve|'d rather| am| was| have| had| own| live| work| moved| come| grew| study| studied| speak| teach| play| use| like| love"
    r"| hate| prefer| enjoy| avoid| eat| drink| never| always| usually| do not| don't| no longer| can't| cannot| can not)\s"
)
# What is said of this moment or this conversation, and will be of no use in another.
_PASSING: Final = _form(
    r"i(?:'m| am| was) (?:not )?"
    r"(?:sure|sorry|looking|trying|wondering|asking|thinking|talking|afraid|back|done|here|ready|just|going to)\b"
    r"|i(?:'ve| have| had)(?: got)? (?:an? |another |one |some |no |the |to )?(?:more )?"
    r"(?:question|problem|doubt|issue|idea|request|error|go|do)s?\b"
    r"|i (?:do not|don't|can't|cannot|can not|never) "
    r"(?:know|understand|think|see|get|want|mean|need|find|believe|care|agree|remember|open|tell)\b"
    r"|i (?:like|love|hate|prefer|enjoy|use) (?:it|that|this|these|those|them|your|the (?:first|second|last|other))\b"
    r"|my (?:last |first |previous |next )?(?:question|problem|message|point|mistake|bad|apologies|goodness|god)\b"
)
# What a person has one of at a time. A name or a place is written like one: "I live in fear" tells no home.
_NAME: Final = r"(?P<value>[^\W\da-z_][\w'&.-]*(?:,? [^\W\da-z_][\w'&.-]*){0,3})"
_NOW: Final = r"(?: (?:now|these days|at the moment|currently|instead|from now on))?"
_I: Final = r"[Ii](?P<ended> (?:don't|do not|no longer))?(?: (?:now|currently|still|just))?"
_ANY_MORE: Final = r"(?: (?:any ?more|any longer|now))?"
_HAS_ONE: Final = {
    "name": re.compile(rf"(?:[Mm]y name is(?: now)?|(?:[Yy]ou can )?[Cc]all me|I(?: am|'m) called) {_NAME}{_NOW}"),
    "home": re.compile(rf"(?:{_I} live in|[Ii](?:'ve| have)?(?: now| just)? moved to) {_NAME}(?:{_ANY_MORE}|{_NOW})"),
    "work": re.compile(rf"{_I} work (?:at|for) (?!Christmas|Easter|New Year){_NAME}(?:{_ANY_MORE}|{_NOW})"),
    "birthday": _form(r"(?:my birthday is|i was born) (?:on )?(?P<value>[\w ,./-]*\d[\w ,./-]*)"),
    "favourite": _form(r"my favou?rite (?P<of>[\w ]{1,40}?) is(?: now)? (?!not\b|hard\b|still\b)(?P<value>[\w'-]+)"),
}
