"""Tests the scripts that build the documentation site, on inputs written by hand."""

from __future__ import annotations

import ast
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "scripts" / "site"))

import c_pages  # noqa: E402
import python_pages  # noqa: E402
import relocate  # noqa: E402
import repository  # noqa: E402
import swift_page  # noqa: E402
import swift_symbols  # noqa: E402
from check_links import Site  # noqa: E402

HEADER = """\
/* Counters: they count. */
#ifndef DAMA_COUNTER_H
#define DAMA_COUNTER_H

/** A counter of *things* < 10, see `dama_counter *c`. */
typedef struct dama_counter dama_counter;

/* ----------------- */
/* Use               */
/* ----------------- */

/** How it counts. */
typedef enum dama_way { DAMA_UP = 0, DAMA_DOWN = 1 } dama_way;

/** Its options. */
typedef struct dama_counter_options {
    uint32_t struct_size;
    /** The way; DAMA_UP. */
    dama_way way;
    /**
     * [count] names, one, two;
     * three.
     */
    const char *const *names;
} dama_counter_options;

#define dama_counter_options_init(options) dama_counter_options_init_sized((options), sizeof(dama_counter_options))
DAMA_API void dama_counter_options_init_sized(dama_counter_options *options, size_t size);

/**
 * Counts.
 *
 * Twice.
 *
 * @param[in,out] counter
 * @param[out]    sum      The sum of
 *                         all.
 * @return DAMA_OK.
 */
DAMA_API DAMA_NODISCARD dama_status dama_counter_count(dama_counter *counter,
                                                       double *sum);
#endif
"""


def test_a_header_becomes_a_page(tmp_path: Path) -> None:
    (tmp_path / "counter.h").write_text(HEADER)
    topic = c_pages.read(tmp_path / "counter.h")
    assert [(section.title, [entry.name for entry in section.declarations]) for section in topic.sections] == [
        ("", ["dama_counter"]),
        ("Use", ["dama_way", "dama_counter_options", "dama_counter_count"]),
    ]
    assert c_pages.anchors(topic) == {
        "dama_counter", "dama_way", "DAMA_UP", "DAMA_DOWN", "dama_counter_options", "dama_counter_options_init",
        "dama_counter_options_init_sized", "dama_counter_count",
    }  # fmt: skip
    page = c_pages.page(topic)
    assert page.startswith("# Counters\n")
    assert "<p>A counter of *things* &lt; 10, see <code><a data-c>dama_counter</a> *c</code>.</p>" in page
    assert "### `dama_counter_count()` { #dama_counter_count }" in page
    # The declaration lost its macros, and its second line moved with it.
    assert "dama_status dama_counter_count(dama_counter *counter,\n                               double *sum);" in page
    assert "<code>sum</code>&nbsp;<small>out</small></td><td>The sum of all.</td>" in page
    assert "<small>in, out</small>" in page
    assert "<td>Returns</td><td><code><a data-c>DAMA_OK</a></code>.</td>" in page
    assert "<td><code>const char *const *names</code></td><td>[count] names, one, two; three.</td>" in page
    assert '<a id="DAMA_DOWN"></a><code><a data-c>DAMA_DOWN</a> = 1</code>' in page


def test_every_declaration_of_the_headers_has_a_page() -> None:
    # topics() compares with what the preprocessor sees, and exits if something is missing.
    topics = c_pages.topics()
    assert len(topics) == len(list((ROOT / "include" / "dama").glob("*.h")))
    names = [name for topic in topics for name in c_pages.anchors(topic)]
    assert len(names) == len(set(names)), "a name has two declarations"


def test_a_missing_declaration_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    found = c_pages.read

    def shortened(path: Path) -> c_pages.Topic:
        topic = found(path)
        return topic._replace(sections=topic.sections[:-1]) if path.name == "clip.h" else topic

    monkeypatch.setattr(c_pages, "read", shortened)
    with pytest.raises(SystemExit, match="does not find .*dama_scorer_create"):
        c_pages.topics()


def test_python_pages_hold_every_public_name() -> None:
    text = "\n".join(python_pages.pages().values())
    tree = (ROOT / "bindings" / "python" / "libdama" / "__init__.py").read_text(encoding="utf-8")
    start = tree.index("__all__ = ") + len("__all__ = ")
    names = set(ast.literal_eval(tree[start : tree.index("]", start) + 1]))
    assert len(names) > 50
    assert {name for name in names if not re.search(rf"^::: libdama\.(_\w+\.)?{name}$", text, re.M)} == set()


def test_links_lead_to_pages_of_the_site() -> None:
    def place(document: str, link: str) -> object:
        path, anchor = repository.target(document, link)
        return repository.page(path), anchor

    assert place("docs/score.md", "data.md#ray") == ("data.md", "ray")
    assert place("docs/score.md", "#images") == ("score.md", "images")
    assert place("README.md", "docs/README.md") == ("pages.md", "")
    assert place("docs/c-api.md", "../include/dama/base.h") == ("c/base.md", "")
    assert place("docs/c-api.md", "../examples/c/train.c") == ("source/examples/c/train.c.md", "")
    assert place("docs/c-api.md", "../README.md") == ("index.md", "")
    assert place("docs/c-api.md", "../no-such-file") == (None, "")


def test_copies_hold_what_links_lead_to() -> None:
    copies = repository.copies({"docs/x.md": "[a](../examples/c/train.c) [b](../LICENSE) [c](score.md) [d](http://x/y)"})
    mine = {name for name in copies if not name.startswith("source/include")}
    assert mine == {"source/examples/c/train.c.md", "source/LICENSE.md"}
    assert (ROOT / "examples/c/train.c").read_text(encoding="utf-8").rstrip() in copies["source/examples/c/train.c.md"]


def symbol(name: str, path: list[str], doc: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"identifier": {"precise": name}, "pathComponents": path, "names": {"title": path[-1]},
                             "kind": {"identifier": "swift.struct"}}  # fmt: skip
    if doc:
        found["docComment"] = {"lines": [{"text": line} for line in doc.split("\n")]}
    return found


def test_members_of_extensions_join_their_type(tmp_path: Path) -> None:
    member = {"kind": "memberOf", "source": "A.f", "target": "A"}
    other = {"kind": "memberOf", "source": "Hidden.f", "target": "Hidden"}
    graphs: dict[str, tuple[list[dict[str, Any]], list[dict[str, str]]]] = {
        "Dama": ([symbol("A", ["A"])], []),
        "DamaModels": ([symbol("A", ["A"]), symbol("A.f", ["A", "f"]), symbol("Hidden.f", ["Hidden", "f"])],
                       [member, other, member]),
    }  # fmt: skip
    for name, (symbols, relations) in graphs.items():
        text = json.dumps({"module": {"name": name}, "symbols": symbols, "relationships": relations})
        (tmp_path / f"{name}.symbols.json").write_text(text)
    joined = swift_symbols.joined(tmp_path)
    assert joined["module"] == {"name": "Dama"}
    assert [entry["identifier"]["precise"] for entry in joined["symbols"]] == ["A", "A.f"]
    assert joined["relationships"] == [member]


def test_the_page_of_swift_types(tmp_path: Path) -> None:
    path = tmp_path / "Dama.symbols.json"
    symbols = [symbol("A", ["ABox"], "Holds ``B`` < 1,\nof Eq. (4).\n\nMore."), symbol("B", ["ABox", "b"])]
    path.write_text(json.dumps({"symbols": symbols}))
    page = swift_page.page(path)
    assert '<a href="swift/documentation/dama/abox/"><code>ABox</code></a>' in page
    assert "<td>Holds <code>B</code> &lt; 1, of Eq. (4).</td>" in page


def test_a_relocated_page_has_no_absolute_address() -> None:
    page = ('<link href="/css/a.css"><script>var baseUrl = "/"</script><script src="/js/b.js"></script>'
            '<a href="https://example.com/">x</a><div id="app"></div>')  # fmt: skip
    moved = relocate.relocated(page, "../../")
    assert '<link href="../../css/a.css">' in moved and '<script src="../../js/b.js">' in moved
    assert 'var baseUrl = new URL("../../", document.baseURI).pathname' in moved
    assert 'href="https://example.com/"' in moved
    with pytest.raises(SystemExit, match="baseUrl"):
        relocate.relocated("<html></html>", "./")


def test_broken_links_of_a_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "index.html").write_text('<h1 id="top">x</h1><a href="../page.html#a%20b">y</a>')
    (tmp_path / "page.html").write_text(
        '<a id="a b"></a><a href="folder/">1</a><a href="folder/#top">2</a><a href="https://example.com">3</a>'
        '<a href="folder/#none">4</a><a href="none.html">5</a><img src="none.png"><a href="#none">6</a>'
        '<script src="https://example.com/x.js"></script><a href="/folder/">7</a><a href="../outside.html">8</a>'
    )
    data = tmp_path / "swift" / "data"
    data.mkdir(parents=True)
    references = {"a": {"type": "topic", "url": "/documentation/dama/gone"}}
    (data / "dama.json").write_text(json.dumps({"references": references}))
    assert list(Site(tmp_path).broken()) == [
        "page.html: folder/#none: no such anchor",
        "page.html: none.html: no such file",
        "page.html: none.png: no such file",
        "page.html: #none: no such anchor",
        "page.html: https://example.com/x.js: loaded from another server",
        "page.html: /folder/: absolute: the site may lie in any folder",
        "page.html: ../outside.html: no such file",
        "swift/data/dama.json: /documentation/dama/gone: no such page",
    ]
