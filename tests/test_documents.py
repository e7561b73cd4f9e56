"""What a machine can see of the documents: nothing is said twice by a merge, and what they point at is there."""

import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Final

import pytest

from app.settings import ROOT

DOCUMENTS: Final = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_CODE: Final = re.compile(r"^( *)```.*?^\1```$", re.DOTALL | re.MULTILINE)
_SHORT: Final = 40
_TEST: Final = re.compile(r"`((?:tests/[\w/]*)?test_\w+\.py)`")


def _lines(document: Path) -> list[str]:
    return _CODE.sub("```", document.read_text()).splitlines()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_nothing_is_said_twice(document: Path) -> None:
    lines = _lines(document)
    # Tables may have the same head.
    heads = {above for above, line in pairwise(lines) if line.startswith(("|-", "| -"))}
    said = Counter(line for line in lines if line.startswith("#") or (len(line) > _SHORT and not line.startswith(("|-", "| -"))))
    assert [line for line, count in said.items() if count > 1 and line not in heads and not line.startswith("Measured ")] == []


@pytest.mark.parametrize("document", [*DOCUMENTS, ROOT / ".env.example"], ids=lambda document: document.name)
def test_a_heading_stands_by_itself(document: Path) -> None:
    lines = _lines(document)
    heading = "# ---" if document.name == ".env.example" else "#"
    crowded = [line for above, line in pairwise(lines) if line.startswith(heading) and above]
    assert crowded == []


def test_each_promise_has_a_proof_that_is_there() -> None:
    rows = [line for line in _lines(ROOT / "docs" / "security.md") if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 20
    for row in rows:
        named = _TEST.findall(row)
        assert named, row
        for name in named:
            assert (ROOT / name if "/" in name else ROOT / "tests" / "security" / name).is_file(), name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_links_between_documents_lead_somewhere(document: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)", "\n".join(_lines(document))):
        file = document.parent / target if target else document
        assert file.exists(), target
        if anchor:
            headings = {
                re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-") for line in _lines(file) if line.startswith("#")
            }
            assert anchor in headings, f"{target}#{anchor}"


def test_the_chinese_readme_has_the_same_code_links_and_sections() -> None:
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh.md"))
    blocks = [[block[0] for block in re.finditer(_CODE, text)] for text in (english, chinese)]
    assert len(blocks[0]) >= 5
    assert blocks[1] == blocks[0]
    inline = re.compile(r"`([^`\n]+)`")
    prose = [_CODE.sub("", text) for text in (english, chinese)]
    assert {*inline.findall(prose[1])} == {*inline.findall(prose[0])}
    links = [{*re.findall(r"\]\(([^)\s]+)\)", text)} - {"README.md", "README.zh.md"} for text in prose]
    assert links[1] == links[0]
    assert [[line.count("#") for line in text.splitlines() if line.startswith("#")] for text in prose] == [[1] + [2] * 7] * 2
    assert "](README.zh.md)" in english
    assert "](README.md)" in chinese
