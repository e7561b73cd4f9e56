"""After the model: an answer that says what an operator's list has is withheld."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final
from unicodedata import normalize

from langchain_core.messages import AIMessage, BaseMessage

from app.errors import AnswerWithheld, SettingsInvalid
from app.llm.calls import Purpose
from app.llm.reasoning import thoughts_of

_VARIABLE: Final = "MODERATION_BLOCKLIST"


class Blocklist:
    """A Hook; phrases are found as whole words, in any case and across line breaks."""

    def __init__(self, phrases: Sequence[str]) -> None:
        self._phrases = [phrase for phrase in dict.fromkeys(map(_plain, phrases)) if phrase]

    async def before(self, prompt: Sequence[BaseMessage]) -> Sequence[BaseMessage]:
        return prompt

    async def after(self, answer: AIMessage, purpose: Purpose) -> None:  # noqa: ARG002  # each is looked at
        said = _plain(f"{thoughts_of(answer)}\n{answer.text}")
        if any(_has(said, phrase) for phrase in self._phrases):
            raise AnswerWithheld


def open_blocklist(file: Path) -> Blocklist:
    """A phrase on each line; `#` begins a comment. Raise SettingsInvalid."""
    try:
        lines = [line.strip() for line in file.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsInvalid(f"{_VARIABLE}: {file.name} cannot be read as text.") from error
    phrases = [line for line in lines if line and not line.startswith("#")]
    if not phrases:
        raise SettingsInvalid(f"{_VARIABLE}: {file.name} names nothing.")
    return Blocklist(phrases)


def _plain(text: str) -> str:
    return " ".join(normalize("NFKC", text).casefold().split())


def _has(text: str, phrase: str) -> bool:
    begin = text.find(phrase)
    while begin >= 0:
        end = begin + len(phrase)
        if not (_grows(text[:begin][-1:], phrase[0]) or _grows(text[end : end + 1], phrase[-1])):
            return True
        begin = text.find(phrase, begin + 1)
    return False


def _grows(beside: str, edge: str) -> bool:
    """Whether the word goes on beside its edge; scripts without capitals, such as Chinese, may have no spaces between words."""
    has_edges = edge.isdigit() or edge.lower() != edge.upper()
    return has_edges and beside.isalnum()
