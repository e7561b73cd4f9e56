"""The built-in embedder: a text is as near to another as they share words and parts of words. No key, no network, any language."""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final
from unicodedata import normalize
from zlib import crc32

# Scripts that put no spaces between words: each of their signs counts as one.
_SIGNS: Final = "\u3040-\u30ff\u3400-\u9fff"
_WORD: Final = re.compile(rf"[{_SIGNS}]|[^\W_{_SIGNS}]+")
_DIMENSIONS: Final = 256
_LETTERS: Final = 3
# What comes later says little more of what a text is about, and is paid for in time on the event loop.
_MOST_CHARACTERS: Final = 2_000


class WordsEmbedder:
    """Feature hashing (Weinberger et al. 2009) of words and letter trigrams: the same vectors in every process and on every machine.

    Another way to count or to hash makes other vectors, and needs another name.
    """

    name = "words-1"
    dimensions = _DIMENSIONS

    async def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        return [_vector(text) for text in texts]


def _vector(text: str) -> list[float]:
    """Of length one, or all zeros for a text without a letter or digit."""
    vector = [0.0] * _DIMENSIONS
    for feature, count in Counter(_features(text)).items():
        hashed = crc32(feature.encode())
        # Signed, so that what falls into one place by chance cancels out instead of adding up.
        vector[hashed % _DIMENSIONS] += (1 + math.log(count)) * (1 if hashed & _DIMENSIONS else -1)
    length = math.hypot(*vector)
    return [value / length for value in vector] if length else vector


def _features(text: str) -> Iterator[str]:
    """Long words give more trigrams than short ones, and so weigh more, as they should: "the" says little."""
    for word in _WORD.findall(normalize("NFKC", text[:_MOST_CHARACTERS]).casefold()):
        edged = f"<{word}>"
        yield edged
        yield from (edged[at : at + _LETTERS] for at in range(len(edged) - _LETTERS + 1))
