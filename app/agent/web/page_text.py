"""What a page says, without what stands around it: a script of its own, run in a process for each page, which can be killed.

There is no parser in C that some page cannot keep busy for minutes, or find a fault in, and some of Python's charsets take as long; this
process has neither secrets nor much time.
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
# A parsed page takes up to 43 times its own length, for `<p>` again and again; what people write takes 25. The parser itself takes 10 MB.
_BYTES_PER_BYTE: Final = 45
_PARSER_BYTES: Final = 32_000_000
_MOST_BYTES: Final = 1_000_000_000


def title_and_text(content: bytes, charset: str | None, characters: int) -> tuple[str, str]:
    """Both empty for what is no page; the text of so many characters at the most."""
    from lxml import etree  # noqa: PLC0415  # not for plain text

    # Where nothing names a charset, the parser looks for one in the page. What is nested too deep, it leaves out.
    parser = etree.HTMLParser(encoding=_charset(content, charset), remove_comments=True, remove_pis=True, no_network=True)
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
    return _tidy("".join(pieces))


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


def plain_text(content: bytes, charset: str | None, characters: int) -> str:
    return _tidy(content.decode(_charset(content, charset) or "utf-8", errors="replace"))[:characters]


def _charset(content: bytes, named: str | None) -> str | None:
    """The one that is named, if it is a text's; else UTF-8, if the page is that all through: nothing else looks like it by chance."""
    for charset in (named, "utf-8"):
        with suppress(LookupError, ValueError):
            if charset:
                content.decode(charset, errors="replace" if named == charset else "strict")
                return codecs.lookup(charset).name
    return None


def _tidy(text: str) -> str:
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip().replace("\0", "\ufffd")


def _taken() -> int:
    """The addresses that Python has taken for itself: on some systems all the languages they know."""
    with open("/proc/self/statm") as sizes:  # noqa: PTH123  # pathlib is one more thing to import for each page
        return int(sizes.read().split()[0]) * resource.getpagesize()


def main() -> None:
    """Read a line of JSON, and the page after it; write a line of JSON."""
    told = json.loads(sys.stdin.buffer.readline())
    with suppress(ValueError, OSError):  # macOS knows no such limit
        most_bytes = min(_taken() + _PARSER_BYTES + _BYTES_PER_BYTE * told["bytes"], _MOST_BYTES)
        resource.setrlimit(resource.RLIMIT_AS, (most_bytes, most_bytes))
    resource.setrlimit(resource.RLIMIT_CPU, (told["seconds"], told["seconds"]))
    page, told_of = sys.stdin.buffer.read(told["bytes"]), (told["charset"], told["characters"])
    title, text = ("", plain_text(page, *told_of)) if told["is_plain"] else title_and_text(page, *told_of)
    sys.stdout.write(json.dumps({"title": title, "text": text}))


if __name__ == "__main__":
    main()
