"""The web as agents reach it: a search, and pages read as text. All of it comes from strangers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """What a search found."""

    title: str
    url: str
    excerpt: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The text of a page, cut to what the settings give a model; `url` is where it was found in the end."""

    url: str
    title: str
    text: str


class Searcher(Protocol):
    async def search(self, query: str) -> Sequence[Hit]:
        """Raise WebError when nothing is found, or nothing can be asked."""
        ...


class Web(Searcher, Protocol):
    async def read(self, url: str) -> Page:
        """Raise WebError for what may not be fetched, cannot be, or is no text."""
        ...
