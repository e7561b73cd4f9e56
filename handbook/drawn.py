"""What of the documents is drawn from the code: the table of settings, and the agents' graphs."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from app.drawing import mermaid_of
from app.settings import ROOT
from handbook.configuration import configuration

_DOCS: Final = ROOT / "docs"
_GRAPH: Final = re.compile(
    r"(<!-- the graph of (\w+), by `python -m handbook write` -->\n\n```mermaid\n).*?(?=^```)", re.DOTALL | re.MULTILINE
)


def drawn() -> Mapping[Path, str]:
    """The documents with parts that are drawn, as they should be."""
    return {_DOCS / "configuration.md": configuration(), **dict(_with_graphs())}


def write() -> None:
    for path, text in drawn().items():
        path.write_text(text)


def _with_graphs() -> Iterator[tuple[Path, str]]:
    for path in sorted(_DOCS.rglob("*.md")):
        text, graphs = _GRAPH.subn(lambda found: found[1] + mermaid_of(found[2]), path.read_text())
        if graphs:
            yield path, text
