"""What an HTML page says, without what stands around it: a script of its own, run in a process for each page, which can be killed.

There is no parser in C that some page cannot keep busy for minutes, or find a fault in; this process has neither secrets nor much time.
"""

import codecs
import json
import re
import resource
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from lxml.etree import _Element

_UNREAD: Final = frozenset(
    {"script", "style", "noscript", "template", "svg", "iframe", "form", "nav", "header", "footer", "aside", "title"}
)
_BLOCKS: Final = frozenset(
    (
        *("address", "article", "blockquote", "br", "caption", "dd", "div", "dl", "dt", "figcaption", "figure", "hr", "li", "main", "ol"),
        *("h1", "h2", "h3", "h4", "h5", "h6", "p", "pre", "section", "table", "td", "th", "tr", "ul"),
    )
)
_MAIN: Final = (".//main", ".//article", ".//*[@role='main']", ".//body")
# A main part that says less than this is a frame for something else.
_LEAST_CHARACTERS: Final = 200
# Of pieces of a page's text, so many times what is kept of it: the rest is not looked at.
_SPARE: Final = 4
_SPACES: Final = re.compile(r"[^\S\n]+")
_BREAKS: Final = re.compile(r"\s*\n\s*")
_MOST_BYTES: Final = 1_000_000_000


def tidy(text: str) -> str:
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip().replace("\0", "\ufffd")


def known_charset(charset: str | None) -> str | None:
    try:
        return codecs.lookup(charset).name if charset else None
    except LookupError:
        return None


def title_and_text(content: bytes, charset: str | None, characters: int) -> tuple[str, str]:
    """Both empty for what is no page; the text of so many characters at the most."""
    # Not by the server, which takes `tidy` from here.
    from lxml import etree  # noqa: PLC0415

    # Without a word in the header, the parser looks for one in the page. What is nested too deep, it leaves out.
    parser = etree.HTMLParser(encoding=known_charset(charset), remove_comments=True, remove_pis=True, no_network=True)
    try:
        root = etree.fromstring(content, parser)
    except etree.LxmlError:
        return "", ""
    if root is None:
        return "", ""
    texts = [_text(part, characters) for path in _MAIN if (part := root.find(path)) is not None]
    best = next((text for text in texts if len(text) >= _LEAST_CHARACTERS), texts[-1] if texts else "")
    return root.findtext(".//title") or "", best[:characters]


def _text(part: "_Element", characters: int) -> str:
    pieces, length = list[str](), 0
    for piece in _pieces(part):
        pieces.append(piece)
        length += len(piece)
        if length > _SPARE * characters:
            break
    return tidy("".join(pieces))


def _pieces(part: "_Element") -> Iterator[str]:
    """The text in the order of reading, with a line break around each block."""
    from lxml import etree  # noqa: PLC0415

    walk = etree.iterwalk(part, events=("start", "end"))
    for event, element in walk:
        is_unread = element.tag in _UNREAD or "hidden" in element.attrib or element.get("aria-hidden") == "true"
        if event == "start" and is_unread:
            walk.skip_subtree()
        if element.tag in _BLOCKS:
            yield "\n"
        if event == "start" and not is_unread:
            yield element.text or ""
        if event == "end" and element is not part:
            yield element.tail or ""


def main() -> None:
    """Read a line of JSON, and the page after it; write a line of JSON."""
    told = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_CPU, (told["seconds"], told["seconds"]))
    with suppress(ValueError, OSError):  # macOS knows no such limit
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    title, text = title_and_text(sys.stdin.buffer.read(), told["charset"], told["characters"])
    sys.stdout.write(json.dumps({"title": title, "text": text}))


if __name__ == "__main__":
    main()
