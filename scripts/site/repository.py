"""Where the files of the repository are in the site: pages of their own, or copies that links lead to."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[2]

#: Documents outside docs/, and their pages.
DOCUMENTS = {
    "README.md": "index.md",
    "docs/README.md": "pages.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
}
#: Folders and files whose contents have pages of another form.
_REFERENCES = {"docs": "pages.md", "include": "c/index.md", "include/dama": "c/index.md", "include/dama.h": "c/index.md"}

#: Files and folders that the C pages lead to.
_CPP = ("include/dama.hpp", "include/dama/cpp")

_LINK = re.compile(r"\]\(([^()\s]+)\)")
_LANGUAGES = {".py": "python", ".hpp": "cpp", ".cpp": "cpp", ".c": "c", ".h": "c", ".swift": "swift", ".sh": "bash",
              ".md": "markdown", ".json": "json", ".yaml": "yaml", ".jinja": "jinja"}  # fmt: skip


def page(path: str) -> Optional[str]:
    """The page of a file or folder, by its path from the root; None if the repository has no such file."""
    if path in DOCUMENTS:
        return DOCUMENTS[path]
    if path in _REFERENCES:
        return _REFERENCES[path]
    if not (ROOT / path).exists():
        return None
    if re.fullmatch(r"include/dama/\w+\.h", path):
        return f"c/{Path(path).stem}.md"
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    return f"source/{path}.md"


def target(document: str, link: str) -> tuple[str, str]:
    """The path from the root and the anchor that a relative link in a document leads to."""
    path, _, anchor = link.partition("#")
    joined = posixpath.normpath(posixpath.join(posixpath.dirname(document), path)) if path else document
    return joined, anchor


def title(path: str) -> str:
    """The heading of a document, which a link shows in place of its path."""
    return (ROOT / path).read_text(encoding="utf-8").split("\n")[0].removeprefix("# ")


def copies(documents: dict[str, str]) -> dict[str, str]:
    """The pages with copies of the files that links of the documents lead to, by page; folders have lists of files."""
    found: dict[str, str] = {}
    for path in _CPP:
        _copy(path, found)
    for document, text in documents.items():
        for link in _LINK.findall(text):
            path, _ = target(document, link)
            if ":" not in link and (page(path) or "").startswith("source/"):
                _copy(path, found)
    return found


def _copy(path: str, found: dict[str, str]) -> None:
    place = ROOT / path
    name = f"source/{path}.md"
    if name in found:
        return
    if place.is_dir():
        files = sorted(file for file in place.rglob("*") if file.is_file() and not _hidden(file))
        lines = []
        for file in files:
            inside = file.relative_to(place).as_posix()
            _copy(file.relative_to(ROOT).as_posix(), found)
            copied = f"source/{file.relative_to(ROOT).as_posix()}.md" in found
            lines.append(f"- [{inside}]({place.name}/{inside}.md)" if copied else f"- {inside}")
        found[name] = _document(path, "\n".join(lines))
        return
    try:
        text = place.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # an image or the like
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    language = _LANGUAGES.get(place.suffix, "text")
    found[name] = _document(path, f"{fence}{language}\n{text.rstrip()}\n{fence}")


def _document(path: str, body: str) -> str:
    return f"---\nsearch:\n  exclude: true\nhide: [toc]\n---\n\n# {path}\n\n{body}\n"


def _hidden(file: Path) -> bool:
    return any(part.startswith((".", "__pycache__")) for part in file.relative_to(ROOT).parts)
