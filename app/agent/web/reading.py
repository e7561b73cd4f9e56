"""What a page says, without what stands around it."""

import codecs
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from app.agent.web import Page
from app.agent.web.fetching import Fetched

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

_UNREAD: Final = "script, style, noscript, template, svg, iframe, form, nav, header, footer, aside, [hidden], [aria-hidden=true]"
_MAIN: Final = ("main", "article", "[role=main]", "body")
# A main part that says less than this is a frame for something else.
_LEAST_CHARACTERS: Final = 200
_BLOCKS: Final = "p, div, section, article, h1, h2, h3, h4, h5, h6, li, tr, td, th, dt, dd, blockquote, pre, figcaption, table, ul, ol, br"
# Of a page made of nothing else; the rest of its text is read as one block.
_MOST_BLOCKS: Final = 10_000
_SPACES: Final = re.compile(r"[^\S\n]+")
_BREAKS: Final = re.compile(r"\s*\n\s*")
_MAX_TITLE: Final = 150


def page_of(fetched: Fetched, characters: int) -> Page:
    """Its title and text, of so many characters at the most."""
    if fetched.media_type == "text/plain":
        title, text = "", fetched.content.decode(_known(fetched.charset) or "utf-8", errors="replace")
    else:
        title, text = _of_html(fetched)
    return Page(url=fetched.url, title=" ".join(title.split())[:_MAX_TITLE], text=_tidy(text)[:characters])


def _of_html(fetched: Fetched) -> tuple[str, str]:
    # Only where pages are read.
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415

    charset = _known(fetched.charset)
    # Without a word in the header, the parser looks for one in the page.
    tree = LexborHTMLParser(fetched.content.decode(charset, errors="replace") if charset else fetched.content)
    title = found.text() if (found := tree.css_first("title")) else ""
    for node in tree.css(_UNREAD):
        node.decompose()
    for node in tree.css(_BLOCKS)[:_MOST_BLOCKS]:
        node.insert_before("\n")
        node.insert_after("\n")
    texts = [node.text() for node in _main_parts(tree.root) if node]
    return title, next((text for text in texts if len(text.strip()) >= _LEAST_CHARACTERS), texts[-1] if texts else "")


def _main_parts(root: "LexborNode | None") -> "Iterator[LexborNode | None]":
    return (root.css_first(selector) for selector in _MAIN) if root else iter(())


def _tidy(text: str) -> str:
    return _BREAKS.sub("\n", _SPACES.sub(" ", text)).strip()


def _known(charset: str | None) -> str | None:
    try:
        return codecs.lookup(charset).name if charset else None
    except LookupError:
        return None
