"""Tests the documents themselves: their links, and that docs/README.md lists every page."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "site"))

from slugs import slug  # noqa: E402


def prose(text: str) -> str:
    """A document without its code."""
    text = re.sub(r"^( *)(`{3,}).*?^\1\2\s*$", "", text, flags=re.M | re.S)
    return re.sub(r"(`+)(?!`).*?(?<!`)\1(?!`)", "", text, flags=re.S)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings; a repeated heading has a number, as on Git hosts."""
    text = re.sub(r"^( *)(`{3,}).*?^\1\2\s*$", "", document.read_text(encoding="utf-8"), flags=re.M | re.S)
    found: set[str] = set()
    for heading in re.findall(r"^#{1,6} +(.*?) *#*$", text, re.M):
        # Links and code in a heading count as their text.
        name = slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading))
        number = 0
        while (f"{name}-{number}" if number else name) in found:
            number += 1
        found.add(f"{name}-{number}" if number else name)
    return found


def broken(document: Path) -> list[str]:
    """The relative links of a document that lead nowhere."""
    found = []
    for link in re.findall(r"\]\(([^()\s]+)\)", prose(document.read_text(encoding="utf-8"))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / unquote(path)).resolve() if path else document
        if not target.exists():
            found.append(f"{document.name}: {link}: no such file")
        elif anchor and target.suffix == ".md" and unquote(anchor) not in anchors(target):
            found.append(f"{document.name}: {link}: no such heading")
    return found


def documents() -> list[Path]:
    return [*sorted((ROOT / "docs").glob("*.md")), *sorted(ROOT.glob("*.md"))]


def test_links_lead_to_files_and_headings() -> None:
    checked = documents()
    assert len(checked) > 20
    assert [line for document in checked for line in broken(document)] == []


def test_broken_links_are_found(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Other\n\n## Adaptive β: `keep`, and 25 %\n\n## Twice\n\n## Twice\n")
    page = tmp_path / "page.md"
    page.write_text(
        "# Page\n\n[a](other.md) [b](other.md#adaptive-β-keep-and-25-) [c](#page) [d](https://example.com/x.md)\n"
        "[e](other.md#twice-1)\n\n`[](code.md)`\n\n```c\n[](const char *text) [x](fence.md)\n```\n\n"
        "[f](missing.md) [g](other.md#none) ![h](missing.svg) [i](#none)\n"
    )
    assert broken(page) == [
        "page.md: missing.md: no such file",
        "page.md: other.md#none: no such heading",
        "page.md: missing.svg: no such file",
        "page.md: #none: no such heading",
    ]


def test_the_list_of_pages_is_complete() -> None:
    listed = re.findall(r"^\| \[.*?\]\((\w[\w-]*\.md)\)", (ROOT / "docs" / "README.md").read_text(encoding="utf-8"), re.M)
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert sorted(listed) == sorted(pages), "docs/README.md has one row for each page of docs"
