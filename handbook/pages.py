"""Which document is which page of the site, and where its links lead there."""

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Final

from app.settings import ROOT

# Outside docs/, but pages all the same: readers of docs/ are sent to them.
_OF_THE_PROJECT: Final = ("README", "CONTRIBUTING", "DECISIONS", "CHANGELOG", "SECURITY")
_FENCE: Final = re.compile(r"^ *(```|~~~)")
_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?!\w+:|#)([^)\s#]*)(#[^)\s]*)?\)")
_FILE_NAME: Final = re.compile(r"`?(?:[\w./-]+\.md|docs/runbooks)`?")
_PICTURE: Final = re.compile(r"""(src|srcset)="(?!\w+:)([^"]*)\"""")


@cache
def pages() -> Mapping[str, str]:
    """Where a document's page is, for each document: both as paths, from the repository's root and from the site's."""
    of_docs = {path.relative_to(ROOT).as_posix(): path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    return dict(sorted(of_docs.items())) | {f"{name}.md": f"project/{name.lower()}.md" for name in _OF_THE_PROJECT}


def as_page(document: str, repository: str) -> str:
    """The document with its links as the site has them; without a `repository` to lead to, what is no page is only named."""
    lines, is_code = [], False
    for line in (ROOT / document).read_text().splitlines():
        is_code ^= bool(_FENCE.match(line))
        lines.append(line if is_code else _linked(line, document, repository))
    return "\n".join(lines) + "\n"


def _title(document: str) -> str:
    """What it is called at its head: on GitHub its file's name is a good name of it, and in the site nobody sees one."""
    return (ROOT / document).read_text().partition("\n")[0].removeprefix("# ").strip()


def _linked(line: str, document: str, repository: str) -> str:
    def link(found: re.Match[str]) -> str:
        mark, text, target, anchor = found[1], _LINK.sub(link, found[2]), found[3], found[4] or ""
        if _FILE_NAME.fullmatch(text) and (named := _path(document, target)) in pages():
            text = _title(named)
        address = _address(document, target, repository)
        return f"{mark}[{text}]({address}{anchor})" if address else text

    def picture(found: re.Match[str]) -> str:
        return f'{found[1]}="{_address(document, found[2], repository)}"'

    return _PICTURE.sub(picture, _LINK.sub(link, line))


def _path(document: str, target: str) -> str:
    """From the repository's root; a folder with a README is that."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(document), target))
    return f"{path}/README.md" if f"{path}/README.md" in pages() else path


def _address(document: str, target: str, repository: str) -> str:
    path, known = _path(document, target), pages()
    here = posixpath.dirname(known[document]) or "."
    if path in known:
        return posixpath.relpath(known[path], here)
    if Path(path).parts[0] == "docs":
        return posixpath.relpath(path.removeprefix("docs/"), here)  # a picture, or a mistake that the build finds
    return f"{repository}/{path}" if repository else ""


def named_in(navigation: object) -> Iterator[str]:
    """The pages that a navigation leads to."""
    match navigation:
        case str():
            yield navigation
        case dict():
            for entry in navigation.values():
                yield from named_in(entry)
        case list():
            for entry in navigation:
                yield from named_in(entry)
