"""Take secrets out of what was said, before anything is made of it that is kept.

Of detectors that others keep, detect-secrets reads files and assignments in code, has no typed interface for a text and no release since
2024; CredSweeper brings a model and its runtime. Neither knows "my password is …", nor cards. What is removed too much is a memory less.
"""

import re
from collections.abc import Sequence
from typing import Final

REMOVED: Final = "[removed]"

_WORDS: Final = (
    r"pass(?:word|phrase|code|wort|ord)s?|passwd|pw|pwd|pin(?:[ -]?(?:code|number))?|cv[vc]2?|security code|secret(?:[ -]?key)?"
    r"|(?:api|access|private|licen[cs]e|recovery|encryption|auth)[ _-]?(?:key|token|secret|code)s?|token|seed phrase|credentials?"
    r"|kennwort|mot de passe|contrase[ñn]a|senha|wachtwoord|l[öo]senord|adgangskode|has[łl]o|пароль"
)
_IS: Final = r"(?:\b(?:is|are|was|to|ist|lautet|est|es|er|är|é|è)\b|[:=—])"
_ENDS: Final = r"(?=[.!?;](?:\s|$)|\n|$)"
# Letters and digits mixed as nobody writes words, or hexadecimal.
# Looked for where a run of such signs begins: to look from each sign of a long one takes seconds, and everybody else waits.
_RANDOM: Final = r"(?<![\w+/=])(?=[\w+/=]*\d)(?=[\w+/=]*[a-z])(?=[\w+/=]*[A-Z])[\w+/=]{20,}|\b[0-9a-fA-F]{32,}\b"

_FORMS: Final[Sequence[re.Pattern[str]]] = (
    re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"\b(?:sk|pk|rk)[-_][\w-]{12,}|\bgh[pousr]_\w{20,}|\bgithub_pat_\w{20,}|\bglpat-[\w-]{16,}|\bxox[a-z]-[\w-]{10,}"),
    re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b|\bAIza[\w-]{30,}|\bhf_\w{20,}|\bnpm_\w{20,}|\bpypi-[\w-]{20,}|\bSG\.[\w-]{16,}\.[\w-]{16,}"),
    re.compile(r"\beyJ[\w-]{8,2000}+\.[\w-]{8,}+\.[\w-]*"),
    re.compile(r"\bbearer\s+[\w.~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"\b[a-z][a-z0-9+.-]{1,20}://[^\s/@]{1,200}:[^\s/@]{1,200}@\S*", re.IGNORECASE),
    re.compile(rf"(?<!\w)(?:{_WORDS})[^.!?\n]{{0,60}}?{_IS}\s*\S.*?{_ENDS}", re.IGNORECASE),
    re.compile(rf"(?<!\w)(?:{_WORDS})\s+(?=\S*\d)\S+", re.IGNORECASE),
    re.compile(rf"(?<!\S)\S+ (?:is|was|ist|est|es) (?:my|our|the|mein|mon|mi)\b(?: \w+){{0,3}}? (?:{_WORDS})(?!\w)", re.IGNORECASE),
    # Where words have no spaces between them.
    re.compile(r"(?:密码|密碼|暗証番号|パスワード|비밀번호)[^\w\s]*[是はを는은]?[:：\s]*\S+"),  # noqa: RUF001  # signs people type
    re.compile(_RANDOM, re.ASCII),
)
_CARD: Final = re.compile(r"(?<!\d)\d(?:[\s.-]?\d){12,18}(?!\d)")


def redacted(text: str) -> str:
    """The text with `REMOVED` in the place of card numbers, passwords, keys and tokens."""
    text = _CARD.sub(_without_card, text)
    for form in _FORMS:
        text = form.sub(REMOVED, text)
    return text


def _without_card(found: re.Match[str]) -> str:
    return REMOVED if _is_card([int(sign) for sign in found[0] if sign.isdecimal()]) else found[0]


def _is_card(digits: Sequence[int]) -> bool:
    """The check digit of ISO/IEC 7812, by Luhn."""
    doubled = (digit * 2 - 9 * (digit > 4) for digit in digits[-2::-2])  # noqa: PLR2004  # of two digits, their sum
    return (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
