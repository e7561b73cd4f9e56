"""A whole answer from its chunks, without an object for each.

Neighbouring chunks that add nothing but text are joined into one: those of one read for who hears it, and all of them for the message.
What is left, a handful in an answer, goes through LangChain's own conversion and merge, so the message is the one that ChatOpenAI makes
of the stream.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from app.llm.calls import Hearer

type Chunk = Mapping[str, Any]

_CONTENT: Final = "content"
# OpenAI tells no thoughts here; of those who do, some write the first name and some the second.
REASONING: Final = ("reasoning_content", "reasoning")
_JOINED: Final = (_CONTENT, *REASONING)


class Assembly:
    """Hands each piece on, and keeps what the message is made of."""

    def __init__(self, hearer: Hearer | None) -> None:
        self._tell: Mapping[str, Callable[[str], None]] = {name: _teller(hearer, name) for name in _JOINED}
        self._chunks: list[Chunk] = []
        self._kind = ""
        self._texts: list[str] = []
        self._told = 0
        self._like: Chunk = {}
        self.is_finished = False

    def take_all(self, chunks: Iterable[Chunk]) -> None:
        """What one read has brought; raise what it raises, and LookupError, TypeError or AttributeError for a chunk of another shape."""
        try:
            for chunk in chunks:
                self.take(chunk)
        finally:
            self._tell_rest()

    def take(self, chunk: Chunk) -> None:
        """The hot path: once per token."""
        choices = chunk.get("choices")
        if choices and not chunk.get("usage"):
            choice = choices[0]
            delta = choice["delta"]
            if delta and not choice.get("finish_reason") and not choice.get("logprobs"):
                is_plain = len(delta) == 1 and type(delta.get(_CONTENT)) is str
                if kind := _CONTENT if is_plain else _only_text(delta):
                    if kind != self._kind:
                        self._begin(kind, chunk)
                    self._texts.append(delta[kind])
                    return
        self._keep(chunk)

    def chunks(self) -> Sequence[Chunk]:
        """What was taken, in order, with neighbouring texts joined."""
        self._close()
        return self._chunks

    def _begin(self, kind: str, like: Chunk) -> None:
        self._close()
        self._kind, self._like = kind, like

    def _keep(self, chunk: Chunk) -> None:
        self._close()
        self._chunks.append(chunk)
        for choice in chunk.get("choices") or ():
            self.is_finished = self.is_finished or bool(choice.get("finish_reason"))
            for kind, text in (choice["delta"] or {}).items():
                if text and kind in _JOINED and isinstance(text, str):
                    self._tell[kind](text)

    def _tell_rest(self) -> None:
        if untold := "".join(self._texts[self._told :]):
            self._tell[self._kind](untold)
            self._told = len(self._texts)

    def _close(self) -> None:
        self._tell_rest()
        if self._texts:
            (choice, *_) = self._like["choices"]
            self._chunks.append({**self._like, "choices": [{**choice, "delta": {**choice["delta"], self._kind: "".join(self._texts)}}]})
            self._kind, self._texts, self._told = "", [], 0


def _only_text(delta: Mapping[str, Any]) -> str:
    """The one name under which a delta adds text, empty when it adds anything else."""
    names = [name for name, value in delta.items() if value and (name != "role" or value != "assistant")]
    return names[0] if len(names) == 1 and names[0] in _JOINED and isinstance(delta[names[0]], str) else ""


def _teller(hearer: Hearer | None, kind: str) -> Callable[[str], None]:
    if hearer is None:
        return lambda _: None
    return hearer.token if kind == _CONTENT else hearer.reasoning
