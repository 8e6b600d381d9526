"""Makes the archive that DocC wrote work in any folder of any server, and leads from it back to the guide.

DocC writes one HTML file for each page, all with absolute addresses of its scripts; the scripts take the archive's own
address from `baseUrl`.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

#: A line above DocC's own header.
_BAR = (
    '<div style="padding:.5rem 1.25rem;font:14px/1.4 sans-serif;background:#4051b5">'
    '<a id="guide" style="color:#fff;text-decoration:none" href="#">← libdama: guide, Python and C</a></div>'
    '<script>document.getElementById("guide").href = baseUrl + "../index.html"</script>'
)


def relocated(page: str, up: str) -> str:
    """A page's HTML with addresses relative to the archive, which is `up` of the page."""
    page, count = re.subn(r'var baseUrl = "/"', f'var baseUrl = new URL("{up}", document.baseURI).pathname', page)
    if count != 1 or '<div id="app">' not in page:
        raise SystemExit("relocate.py does not find baseUrl and the app in DocC's HTML; look at the new version's pages")
    page = re.sub(r'(href|src)="/', rf'\1="{up}', page)
    return page.replace('<div id="app">', _BAR + '<div id="app">')


def main(archive: Path) -> None:
    for path in archive.rglob("index.html"):
        up = "../" * (len(path.relative_to(archive).parts) - 1) or "./"
        path.write_text(relocated(path.read_text(encoding="utf-8"), up), encoding="utf-8")
    (archive / "theme-settings.json").write_text("{}\n", encoding="utf-8")  # which the scripts ask for


if __name__ == "__main__":
    main(Path(sys.argv[1]))
