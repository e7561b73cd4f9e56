"""What users plainly say of themselves, word for word: all that can be remembered where no model reads for facts. English only."""

import re
from collections.abc import Iterator
from typing import Final

from app.agent.redaction import REMOVED

_MOST: Final = 5
_MAX_LENGTH: Final = 300
_LEAST_WORDS: Final = 3


def statements(text: str) -> list[str]:
    """The sentences of a message that state something of the user or that they want remembered; no questions and no commands."""
    return [*_statements(text.replace("’", "'"))][:_MOST]  # noqa: RUF001  # phones write it so


def subject(statement: str) -> str:
    """What a statement is about: of two about the same, the newer is true."""
    words = _words(statement)
    found = ((name, form.match(words)) for name, form in _SUBJECTS.items())
    return next((f"{name} {match[1] if match.re.groups else ''}" for name, match in found if match), words)


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
_SENTENCE_END: Final = _form(r"(?<=[.!?;])\s+|\n+|,? (?:and|but) (?=(?:i|my)\b)")
_BEFORE: Final = _form(
    r"^(?:(?:hi|hey|hello|please|also|and|so|well|ok|okay|oh|by the way|btw|actually|just|now|can you|could you)\b[,!.:\s]*)+"
)
_WANTED: Final = _form(
    r"(?:(?:always )?remember|note|keep in mind|(?:don't|do not|never) forget)(?: for (?:later|next time))?"
    r"(?:,|:| that\b|(?= (?:i|my|we|our)\b))\s*"
)
_OF_THE_USER: Final = _form(
    r"(?:my|our)\s|(?:you can )?call me\s|we (?:live|have|are|moved)\s"
    r"|i(?:'m|'ve|'d rather| am| was| have| had| own| live| work| moved| come| grew| study| studied| speak| teach| play| use| like| love"
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
# What a person has one of at a time; after the name, what further tells the subject.
_SUBJECTS: Final = {
    "name": _form(r"(?:my name is|call me|i am called|i'm called|you can call me)\b"),
    "home": _form(r"i (?:now )?(?:live in|moved to|have moved to)\b|i've moved to\b"),
    "work": _form(r"i (?:now )?work (?:at|for|as)\b"),
    "birthday": _form(r"my birthday is\b|i was born on\b"),
    "favourite": _form(r"my favou?rite ([\w ]{1,40}?) is\b"),
}
