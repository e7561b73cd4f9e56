"""Take secrets out of what was said, before anything is made of it that is kept.

Of detectors that others keep, detect-secrets reads files and assignments in code, has no typed interface for a text and no release since
2024; CredSweeper brings a model and its runtime; presidio needs spaCy and a model for each language, and finds no passwords. None knows
"my password is …". What is removed too much is a memory less.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final
from unicodedata import normalize

from app.agent.secret_names import NAMED

REMOVED: Final = "[removed]"

# A full stop or sign ends a sentence before white space only, for there are some in passwords.
_SENTENCE_END: Final = re.compile(r"((?<=[.!?;])\s+|\n+|(?<=[。！？；]))")  # noqa: RUF001  # signs people type
# What the sentence after a name may still tell of it.
_GOES_ON: Final = re.compile(r"(?:it|it.s|its|that|this|they|these)\b", re.IGNORECASE)
_LEADS_ON: Final = (":", "=", " is", "：")  # noqa: RUF001
# Letters and digits mixed as nobody writes words, or hexadecimal.
# Looked for where a run of such signs begins: to look from each sign of a long one takes seconds, and everybody else waits.
_RANDOM: Final = r"(?<![\w+/=])(?=[\w+/=]*\d)(?=[\w+/=]*[a-z])(?=[\w+/=]*[A-Z])[\w+/=]{20,}|\b[0-9a-fA-F]{32,}\b"

_DIGIT: Final = r"(?:zero|oh|one|two|three|four|five|six|seven|eight|nine|double|triple)"

_KNOWN: Final[Sequence[re.Pattern[str]]] = (
    re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:sk|pk|rk)[-_][\w-]{12,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{10,}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bhf_\w{20,}|\bnpm_\w{20,}|\bpypi-[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    re.compile(r"\beyJ[\w-]{8,2000}+\.[\w-]{8,}+\.[\w-]*"),
    re.compile(r"\bbearer\s+[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/@]{1,200}:[^\s/@]{1,200}@\S*", re.IGNORECASE),
    re.compile(r"(?<![\w-])(?!000|666)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\w-])"),  # a US social security number
)
_GUESSED: Final[Sequence[re.Pattern[str]]] = (
    re.compile(_RANDOM, re.ASCII),
    re.compile(rf"\b{_DIGIT}(?:[\s,-]{{1,3}}{_DIGIT}){{7,}}\b", re.IGNORECASE),
)
# Of cards 13 to 19 digits, in groups or not; what stands beside them may be a date or a code.
_NUMBER: Final = re.compile(r"(?<!\d)\d(?:[\s./_–—-]{0,3}\d){12,}")  # noqa: RUF001
_CARD_DIGITS: Final = range(13, 20)
# Of more, one or another would pass for a card by chance.
_MOST_GROUPS: Final = 40
_IBAN: Final = re.compile(r"(?<!\w)[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]{1,4}){3,8}(?!\w)", re.IGNORECASE | re.ASCII)
_IBAN_DIVISOR: Final = 97
_IBAN_LENGTHS: Final = range(15, 35)


def redacted(text: str) -> str:
    """The text with `REMOVED` in the place of card numbers, keys and tokens, and of each sentence that names a password or its like."""
    text = without_numbers(text)
    for form in _GUESSED:
        text = form.sub(REMOVED, text)
    return _without_names(text)


def without_numbers(text: str) -> str:
    """The text with `REMOVED` in the place of what is known by its form: card, account and social security numbers, keys and tokens."""
    text = _NUMBER.sub(_without_card, text)
    text = _IBAN.sub(_without_account, text)
    for form in _KNOWN:
        text = form.sub(REMOVED, text)
    return text


def _without_names(text: str) -> str:
    """A sentence goes whole: in how many ways one can tell a password, nobody has written down."""
    parts, before = _SENTENCE_END.split(text), ""
    for place, part in enumerate(parts):
        if sentence := normalize("NFKC", part).strip():
            goes_on = before.endswith(_LEADS_ON) or (before and _GOES_ON.match(sentence))
            names = goes_on or NAMED.search(sentence)
            # What goes on is led on by nothing but the name.
            before = sentence if names and not goes_on else ""
            parts[place] = REMOVED if names else part
    return "".join(parts)


def _without_card(found: re.Match[str]) -> str:
    groups = re.findall(r"\d+", found[0])
    is_found = len(groups) > _MOST_GROUPS or any(_is_card(digits) for digits in _windows(groups))
    return REMOVED if is_found else found[0]


def _windows(groups: Sequence[str]) -> Iterator[str]:
    """Groups side by side that have as many digits as a card."""
    for first in range(len(groups)):
        digits = ""
        for group in groups[first:]:
            digits += group
            if len(digits) in _CARD_DIGITS:
                yield digits
            if len(digits) >= _CARD_DIGITS.stop:
                break


def _is_card(number: str) -> bool:
    """The check digit of ISO/IEC 7812, by Luhn."""
    digits = [int(sign) for sign in number]
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])  # noqa: PLR2004  # of two digits, their sum
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0


def _without_account(found: re.Match[str]) -> str:
    """The check digits of ISO 13616; the words after the number may look like more of it."""
    groups = re.split("[ -]", found[0])
    ends = (" ".join(groups[:count]) for count in range(len(groups), 0, -1))
    whole = next((end for end in ends if _is_iban(re.sub("[ -]", "", end))), "")
    return REMOVED + found[0][len(whole) :] if whole else found[0]


def _is_iban(number: str) -> bool:
    turned = number[4:] + number[:4]
    return len(number) in _IBAN_LENGTHS and int("".join(str(int(sign, 36)) for sign in turned)) % _IBAN_DIVISOR == 1
