"""MkDocs hooks: the site's pages from the repository's documents, headers, Python package and Swift symbols."""

from __future__ import annotations

import os
import posixpath
import re
import sys
import xml.etree.ElementTree as etree
from pathlib import Path
from typing import Any, Optional

from markdown import Extension, Markdown
from markdown.treeprocessors import Treeprocessor
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

sys.path.insert(0, str(Path(__file__).parent))

import c_pages  # noqa: E402
import python_pages  # noqa: E402
import repository  # noqa: E402
import swift_page  # noqa: E402

#: Generated pages by name.
_pages: dict[str, str] = {}
#: The page that declares a name of the C headers.
_c_names: dict[str, str] = {}
#: The document that each page was made of, by its path in the repository.
_documents: dict[str, str] = {}
_current = ""


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    config.markdown_extensions.append(_Links())  # type: ignore[arg-type]
    headers = c_pages.topics()
    for topic in headers:
        name = f"c/{topic.path.stem}.md"
        _pages[name] = c_pages.page(topic)
        _c_names.update(dict.fromkeys(c_pages.anchors(topic), name))
    _pages["c/index.md"] = c_pages.index(headers)
    python = python_pages.pages()
    _pages.update({f"python/{name}": text for name, text in python.items()})
    _pages["swift.md"] = swift_page.page(Path(os.environ["DAMA_SYMBOLS"]))
    documents = {path: (repository.ROOT / path).read_text(encoding="utf-8") for path in _all_documents()}
    for path in documents:
        _documents[repository.page(path) or ""] = path
    _pages.update({page: documents[path] for path, page in repository.DOCUMENTS.items()})
    _pages.update(repository.copies(documents))
    config.nav = _navigation(documents["docs/README.md"], list(python), [topic.path.stem for topic in headers])
    return config


def _all_documents() -> list[str]:
    docs = sorted(path.relative_to(repository.ROOT).as_posix() for path in (repository.ROOT / "docs").glob("*.md"))
    return [*docs, *(path for path in repository.DOCUMENTS if path not in docs)]


def _navigation(contents: str, python: list[str], headers: list[str]) -> list[Any]:
    """The sections and pages of docs/README.md in their order, then the references."""
    guides: list[Any] = []
    for heading, body in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", contents, re.M | re.S):
        pages = re.findall(r"^\| \[.*?\]\((.*?\.md)\)", body, re.M)
        guides.append({heading: [repository.page(repository.target("docs/README.md", page)[0]) for page in pages]})
    return [
        {"Home": ["index.md", {"All pages": "pages.md"}, {"Changelog": "changelog.md"}]},
        {"Guide": guides},
        {"Python": [{"Overview": "python/index.md"}, *(f"python/{name}" for name in python if name != "index.md")]},
        {"C": [{"Overview": "c/index.md"}, "c-api.md", *({f"{name}.h": f"c/{name}.md"} for name in headers)]},
        {"Swift": "swift.md"},
        {"Contributing": "contributing.md"},
    ]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    readme = files.get_file_from_path("README.md")
    if readme:
        files.remove(readme)
    for name, text in _pages.items():
        inclusion = InclusionLevel.NOT_IN_NAV if name.startswith("source/") else InclusionLevel.INCLUDED
        files.append(File.generated(config, name, content=text, inclusion=inclusion))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    global _current
    _current = page.file.src_uri
    return markdown


def on_page_content(content: str, page: Page, **_: Any) -> str:
    """Links the names of the C headers: those that c_pages marks, and those in highlighted code."""
    folder = posixpath.dirname(page.file.src_uri) or "."

    def link(name: str) -> Optional[str]:
        place = _c_names.get(name)
        if not place:
            return None
        address = posixpath.relpath(place, folder).removesuffix(".md")
        return f'<a class="c-name" href="{address}.html#{name}">{name}</a>'

    def linked(match: re.Match[str]) -> str:
        return match[0] if match[1] else match[2] + (link(match[3]) or match[3]) + match[4]

    content = re.sub(r'<a data-c(?:="")?>(\w+)</a>', lambda match: link(match[1]) or match[1], content)
    content = re.sub(r'()(<span class="n[a-z]?">)((?:dama_|DAMA_)\w+)(</span>)', linked, content)
    return re.sub(r"(<a [^>]*>)?(<code>)((?:dama_|DAMA_)\w+)((?:\(\))?</code>)", linked, content)


class _Links(Extension):
    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802, the name is Python-Markdown's
        # Before MkDocs' own processor, which resolves and checks links between pages.
        md.treeprocessors.register(_LinkProcessor(md), "repository-links", 5)


class _LinkProcessor(Treeprocessor):
    """Leads links of documents to the pages of their targets."""

    def run(self, root: etree.Element) -> None:
        document = _documents.get(_current)
        if not document:
            return
        for element in root.iter():
            attribute = {"a": "href", "img": "src"}.get(element.tag)
            link = element.get(attribute, "") if attribute else ""
            if not attribute or not link or link.startswith("#") or ":" in link:
                continue
            path, anchor = repository.target(document, link)
            page = repository.page(path)
            if page:
                address = posixpath.relpath(page, posixpath.dirname(_current) or ".")
                element.set(attribute, f"{address}#{anchor}" if anchor else address)
                if element.text in (link, path) and path.endswith(".md"):
                    element.text = repository.title(path)
