"""Checks the built site: every link leads to a file or an anchor in it, and nothing is loaded from elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Optional
from urllib.parse import unquote, urlsplit

#: Attributes by which a browser loads a file.
_LOADS = {("script", "src"), ("link", "href"), ("img", "src"), ("iframe", "src"), ("source", "src"), ("video", "src")}


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[tuple[str, bool]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Optional[str]]]) -> None:
        values = dict(attrs)
        self.anchors |= {values[key] or "" for key in ("id", "name") if key in values}
        for key in ("href", "src"):
            address = values.get(key)
            loads = (tag, key) in _LOADS and values.get("rel") != "canonical"
            if address is not None and (tag == "a" or loads):
                self.links.append((address, loads))


class Site:
    """The files of a site, and what is wrong with their links."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self.pages = {path: _Page(path.read_text(encoding="utf-8")) for path in sorted(self.root.rglob("*.html"))}
        self.count = 0

    def broken(self) -> Iterator[str]:
        for path, page in self.pages.items():
            for address, loads in page.links:
                self.count += 1
                reason = self._wrong(path, address, loads)
                if reason:
                    yield f"{path.relative_to(self.root)}: {address}: {reason}"
        yield from self._broken_in_swift()

    def _wrong(self, path: Path, address: str, loads: bool) -> Optional[str]:
        parts = urlsplit(address)
        if parts.scheme in ("http", "https") or parts.netloc:
            return "loaded from another server" if loads else None
        if parts.scheme or address == "#":
            return None  # mailto:, data:
        if address.startswith("/"):
            return "absolute: the site may lie in any folder"
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if target.is_dir():
            target = target / "index.html"
        if not target.is_relative_to(self.root) or not target.exists():
            return "no such file"
        if parts.fragment and target in self.pages:
            # DocC's pages are made by its scripts; their anchors are not in the HTML.
            in_swift = target.is_relative_to(self.root / "swift")
            if not in_swift and unquote(parts.fragment) not in self.pages[target].anchors:
                return "no such anchor"
        return None

    def _broken_in_swift(self) -> Iterator[str]:
        """References between DocC's pages, which its scripts read from JSON."""
        archive = self.root / "swift"
        for path in sorted((archive / "data").rglob("*.json")):
            references: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")).get("references", {})
            for reference in references.values():
                address = reference.get("url", "")
                if reference.get("type") in ("topic", "section") and address.startswith("/"):
                    self.count += 1
                    if not (archive / f"{address.split('#')[0].strip('/')}/index.html").exists():
                        yield f"{path.relative_to(self.root)}: {address}: no such page"


def main(root: Path) -> int:
    site = Site(root)
    found = list(site.broken())
    for line in found:
        print(line, file=sys.stderr)
    print(f"links: {site.count} in {len(site.pages)} pages, {len(found)} broken")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
