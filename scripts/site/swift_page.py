"""The page of the Swift module: its types with their first paragraphs, and links to the pages that DocC makes."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path
from typing import Any

_KINDS = {
    "swift.class": "Classes",
    "swift.struct": "Structures",
    "swift.enum": "Enumerations",
    "swift.protocol": "Protocols",
    "swift.typealias": "Type aliases",
    "swift.var": "Variables",
}


def page(symbols: Path) -> str:
    """The page, Markdown with HTML, of a symbol graph."""
    graph = json.loads(symbols.read_text(encoding="utf-8"))
    tops = sorted((s for s in graph["symbols"] if len(s["pathComponents"]) == 1), key=lambda s: s["names"]["title"])
    unknown = {symbol["kind"]["identifier"] for symbol in tops} - set(_KINDS)
    if unknown:
        raise SystemExit(f"swift_page.py has no heading for {', '.join(sorted(unknown))}; add one to _KINDS")
    parts = ["# The Swift module", "`import Dama` offers these types. Each name leads to its page "
             "in <a href=\"swift/documentation/dama/\">the module's documentation</a>, which needs a web server: "
             "`python3 -m http.server --directory build/site`."]  # fmt: skip
    for kind, heading in _KINDS.items():
        rows = [_row(symbol) for symbol in tops if symbol["kind"]["identifier"] == kind]
        if rows:
            parts += [f"## {heading}", '<div class="declared"><table>\n' + "\n".join(rows) + "\n</table></div>"]
    return "\n\n".join(parts) + "\n"


def _row(symbol: dict[str, Any]) -> str:
    name = symbol["names"]["title"]
    lines = [line["text"] for line in symbol.get("docComment", {"lines": []})["lines"]]
    summary = " ".join("\n".join(lines).split("\n\n")[0].split())
    address = f"swift/documentation/dama/{name.lower()}/"
    text = re.sub(r"`+(.+?)`+", r"<code>\1</code>", html.escape(summary, quote=False))
    return f'<tr><td><a href="{address}"><code>{html.escape(name)}</code></a></td><td>{text}</td></tr>'
