"""Numbers of sources in an answer while it is made: those that stand for nothing are left out, the others count from one as they come."""

import re
from collections.abc import Sequence
from typing import Final

from app.agent.researcher.state import Source
from app.llm.calls import Hearer, ModelCall

# What may yet become a number in brackets, and what is one.
_BEGUN: Final = re.compile(r"\[[\d\s,;]{0,40}\Z")
_CITED: Final = re.compile(r"\[\s*\d+(?:\s*[,;]\s*\d+)*\s*\]")
_MARKS: Final = re.compile(r"(`+)")
_FOR_MARKDOWN: Final = re.compile(r"([\\`*_\[\]<>#|~!])")
_NOT_IN_ADDRESSES: Final = str.maketrans({"(": "%28", ")": "%29", "<": "%3C", ">": "%3E", " ": "%20", "\\": "%5C"})


class Citations:
    """Reads an answer piece by piece, and gives it back with the numbers that its list will have; code stays as it is."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._held = ""
        self._code = ""
        self.cited: list[int] = []

    def take(self, piece: str) -> str:
        """What can be said by now: a bracket is held back until it is known what it is."""
        text = self._held + piece
        begun = _BEGUN.search(text) or re.search(r"`+\Z", text)
        self._held = text[begun.start() :] if begun else ""
        return self._renumbered(text[: len(text) - len(self._held)])

    def rest(self) -> str:
        held, self._held = self._held, ""
        return self._renumbered(held)

    def listed(self) -> list[Source]:
        """The sources in the order of their numbers; all of them for an answer that names none."""
        return [self._sources[number - 1] for number in self.cited] or [*self._sources]

    def _renumbered(self, text: str) -> str:
        return "".join(self._mark(part) if part.startswith("`") else self._cited(part) for part in _MARKS.split(text))

    def _mark(self, ticks: str) -> str:
        if not self._code:
            self._code = ticks
        elif self._code == ticks:
            self._code = ""
        return ticks

    def _cited(self, text: str) -> str:
        return text if self._code else _CITED.sub(lambda found: self._numbers(found[0]), text)

    def _numbers(self, cited: str) -> str:
        known = [int(number) for number in re.findall(r"\d{1,4}", cited)]
        return "".join(f"[{self._place(number)}]" for number in known if 0 < number <= len(self._sources))

    def _place(self, number: int) -> int:
        if number not in self.cited:
            self.cited.append(number)
        return self.cited.index(number) + 1


class CitingHearer:
    """Hands on what a model says, with its citations in order."""

    def __init__(self, hearer: Hearer, sources: Sequence[Source]) -> None:
        self._hearer = hearer
        self._sources = sources
        self._citations = Citations(sources)
        self.reasoning = hearer.reasoning

    def token(self, content: str) -> None:
        if said := self._citations.take(content):
            self._hearer.token(said)

    def answer_begins(self) -> None:
        self._citations = Citations(self._sources)
        self._hearer.answer_begins()

    def answer_taken_back(self, reason: str) -> None:
        self._citations = Citations(self._sources)
        self._hearer.answer_taken_back(reason)

    def called(self, call: ModelCall) -> None:
        self._hearer.called(call)

    def end(self, closing: str) -> None:
        """Say what is still held back, and what closes the answer."""
        if said := self._citations.rest() + closing:
            self._hearer.token(said)


def with_citations(text: str, sources: Sequence[Source]) -> tuple[str, list[Source]]:
    """The whole answer as a hearer of it was told, and the sources of its list."""
    citations = Citations(sources)
    return citations.take(text) + citations.rest(), citations.listed()


def as_list(sources: Sequence[Source]) -> str:
    """The list as Markdown; a page's title can end neither its link nor its line."""
    lines = [
        f"{number}. [{_title(source)}]({source['url'].translate(_NOT_IN_ADDRESSES)})" for number, source in enumerate(sources, start=1)
    ]
    return "\n\n**Sources**\n\n" + "\n".join(lines) if lines else ""


def _title(source: Source) -> str:
    return _FOR_MARKDOWN.sub(r"\\\1", " ".join((source["title"] or source["url"]).split()))
