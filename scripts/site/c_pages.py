"""The headers of the C ABI as pages: each declaration with its comment, and links between them."""

from __future__ import annotations

import html
import re
import sys
from pathlib import Path
from typing import NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import abi_header  # noqa: E402

INCLUDE = abi_header.HEADER.parent
NAME = re.compile(r"\b(?:dama_\w+|DAMA_[A-Z]\w*)")


class Declaration(NamedTuple):
    """A declaration, with the undocumented ones that directly follow it (a struct's dama_T_init())."""

    name: str
    comment: str
    codes: list[str]


class Section(NamedTuple):
    title: str
    declarations: list[Declaration]


class Topic(NamedTuple):
    """A header."""

    path: Path
    comment: str
    sections: list[Section]


_TOKEN = re.compile(
    r"""^(?:
      /\*\ -+\ \*/\n/\*\ (?P<section>[^-\n].*?)\s*\*/\n/\*\ -+\ \*/
    | /\*\*(?P<comment>.*?)\*/
    | (?P<macro>\#define\ (?P<macro_name>DAMA_\w+|dama_\w+)(?P<arguments>\([^)\n]*\))?\ (?:[^\n]|\\\n)*)
    | (?P<body>typedef\ (?:struct|enum)\ (?P<body_name>dama_\w+)\ \{.*?\}\ (?P=body_name);)
    | (?P<handle>typedef\ struct\ (?P<handle_name>dama_\w+)\ (?P=handle_name);)
    | (?P<callback>typedef\ [^;{]*?\(\*(?P<callback_name>dama_\w+)\)[^;]*;)
    | (?P<function>DAMA_API\ [^;]*?(?P<function_name>dama_\w+)\([^;]*;)
    )""",
    re.M | re.S | re.X,
)


def topics() -> list[Topic]:
    """The headers in the order in which dama.h includes them. Fails if a declaration was not found."""
    found = [read(INCLUDE / name) for name in re.findall(r'#include "(dama/\w+\.h)"', abi_header.HEADER.read_text())]
    names = {name for topic in found for name in anchors(topic)}
    header = abi_header.read(abi_header.preprocessed())
    expected = {function.name for function in header.functions} | {*header.structs, *header.callbacks, *header.handles}
    for enum, enumerators in header.enums.items():
        expected |= {enum, *enumerators}
    hidden = {name for name in abi_header.constants() if name.endswith("_H")}
    expected |= set(abi_header.constants()) - hidden - {"DAMA_API", "DAMA_NODISCARD"}
    if expected - names:
        raise SystemExit(f"c_pages.py does not find {', '.join(sorted(expected - names))} in include/dama")
    return found


def read(path: Path) -> Topic:
    """Reads a header."""
    text = path.read_text(encoding="utf-8")
    title = re.match(r"/\*(.*?)\*/", text, re.S)
    topic = Topic(path, _plain(title[1]) if title else "", [Section("", [])])
    comment, end = "", 0
    for match in _TOKEN.finditer(text):
        follows = match.start() == end + 1
        end = match.end()
        if match["section"]:
            topic.sections.append(Section(match["section"], []))
        elif match["comment"] is not None:
            comment = match["comment"]
            continue
        else:
            kind = next(k for k in ("macro", "body", "handle", "callback", "function") if match[k])
            name, code = match[f"{kind}_name"], match[kind]
            declarations = topic.sections[-1].declarations
            small = kind in ("macro", "function")
            if small and not comment and declarations and (follows or declarations[-1].name + "_" in name):
                declarations[-1].codes.append(code)
            elif name not in ("DAMA_API", "DAMA_NODISCARD"):
                declarations.append(Declaration(name, _plain(comment), [code]))
        comment = ""
    return topic


def anchors(topic: Topic) -> set[str]:
    """The names that a topic's page has an anchor for."""
    found = set()
    for section in topic.sections:
        for declaration in section.declarations:
            for code in declaration.codes:
                found |= {_declared(code), *(re.findall(r"\b(DAMA_\w+) = -?\d", code) if " enum " in code else ())}
    return found


def title(topic: Topic) -> str:
    """The first sentence of the header's comment, up to a colon."""
    return re.split(r"[:.]", topic.comment)[0]


def _first_line(topic: Topic) -> str:
    return " ".join(topic.comment.split("\n\n")[0].split())


def page(topic: Topic) -> str:
    """The page of a header, Markdown with HTML."""
    parts = [f"# {title(topic)}", f"`#include <dama/{topic.path.name}>`, or `<dama.h>` for all topics."]
    if topic.comment != f"{title(topic)}.":
        parts += _text(topic.comment)
    for section in topic.sections:
        if section.title:
            parts.append(f"## {section.title}")
        for declaration in section.declarations:
            parts += _declaration(declaration)
    return "\n\n".join(parts) + "\n"


def index(found: list[Topic]) -> str:
    """The page of dama.h and dama.hpp."""
    comment = re.match(r"/\*(.*?)\*/", abi_header.HEADER.read_text(encoding="utf-8"), re.S)
    parts = ["# The C ABI", *_text(_plain(comment[1]) if comment else "")]
    rows = [f"| [{topic.path.name}]({topic.path.stem}.md) | {_first_line(topic)} |" for topic in found]
    parts.append("\n".join(["| header | contents |", "|---|---|", *rows]))
    parts.append("Names of the headers in code lead to their declarations, here and in the guide.")
    parts.append("C++ programs include [dama.hpp](../source/include/dama.hpp.md), which wraps every function; its parts "
                 "are in [dama/cpp](../source/include/dama/cpp.md).")  # fmt: skip
    return "\n\n".join(parts) + "\n"


def _declaration(declaration: Declaration) -> list[str]:
    name = declaration.name
    call = "()" if "(" in declaration.codes[0].split("{")[0] and "typedef" not in declaration.codes[0] else ""
    parts = [f"### `{name}{call}` {{ #{name} }}"]
    parts += [f'<a id="{_declared(code)}"></a>' for code in declaration.codes[1:]]
    lines, fields = [], []
    for code in declaration.codes:
        if "{" in code and "typedef" in code:
            fields += _rows(code)
            lines.append(re.sub(r"\{.*\}", "{ … }", code, flags=re.S))
        elif re.match(r"#define \w+\(", code):
            lines.append(f"{re.sub(r'[)].*', ')', code.removeprefix('#define '), flags=re.S)};  /* a macro */")
        else:
            lines.append(code.replace("DAMA_API ", "").replace("DAMA_NODISCARD ", ""))
    parts.append("```c\n" + "\n".join(_dedented(line) for line in lines) + "\n```")
    parts += _text(declaration.comment)
    if fields:
        parts.append(_table(fields))
    return parts


def _dedented(code: str) -> str:
    """Moves the continued lines of a declaration to the left, as far as its macros had moved it to the right."""
    first, *others = code.split("\n")
    column = first.find("(") + 1
    return "\n".join([first, *(" " * column + line.strip() for line in others)]) if others else first


def _rows(code: str) -> list[tuple[str, str]]:
    """The fields of a struct or the enumerators of an enum, each with its comment."""
    inner = code[code.index("{") + 1 : code.rindex("}")]
    rows = []
    for match in re.finditer(r"(?:/\*\*(.*?)\*/\s*)?([^;,/]+?)\s*(?:[;,]|$)", inner.strip(), re.S):
        declared = " ".join(match[2].split())
        anchor = re.match(r"(DAMA_\w+) =", declared)
        cell = f"<code>{_linked(declared)}</code>"
        rows.append((f'<a id="{anchor[1]}"></a>{cell}' if anchor else cell, _cell(_plain(match[1] or ""))))
    return rows


def _table(rows: list[tuple[str, str]]) -> str:
    body = "".join(f"<tr><td>{first}</td><td>{second}</td></tr>\n" for first, second in rows)
    return f'<div class="declared"><table>\n{body}</table></div>'


def _text(comment: str) -> list[str]:
    """A comment: its paragraphs, then its parameters as a table, then what the function returns."""
    prose, *tags = re.split(r"^@", comment, flags=re.M)
    parts = [f"<p>{_inline(paragraph)}</p>" for paragraph in re.split(r"\n\n+", prose.strip()) if paragraph]
    rows = []
    for tag in tags:
        parameter = re.match(r"param\[(.*?)\]\s+(\w+)\s*(.*)", tag, re.S)
        returned = re.match(r"return\s+(.*)", tag, re.S)
        if parameter:
            direction = parameter[1].replace(",", ", ")
            rows.append((f"<code>{parameter[2]}</code>&nbsp;<small>{direction}</small>", _cell(parameter[3])))
        elif returned:
            rows.append(("Returns", _cell(returned[1])))
        else:
            raise SystemExit(f"c_pages.py cannot read '@{tag.split()[0]}'; a comment has @param[in] and @return")
    return parts + ([_table(rows)] if rows else [])


def _cell(text: str) -> str:
    return "<br>".join(_inline(paragraph) for paragraph in re.split(r"\n\n+", text.strip()))


def _inline(text: str) -> str:
    """Text with code between backticks, and names and calls of the header as code."""
    parts = re.split(r"`(.*?)`", " ".join(text.split()))
    for index, part in enumerate(parts):
        if index % 2:
            parts[index] = f"<code>{_linked(part)}</code>"
        else:
            named = re.compile(NAME.pattern + r"(?:\(\))?")
            pieces, start = [], 0
            for match in named.finditer(part):
                pieces += [html.escape(part[start : match.start()]), f"<code>{_linked(match[0])}</code>"]
                start = match.end()
            parts[index] = "".join([*pieces, html.escape(part[start:])])
    return "".join(parts)


def _linked(code: str) -> str:
    """Code whose names are marked for `links`."""
    return NAME.sub(lambda match: f"<a data-c>{match[0]}</a>", html.escape(code, quote=False))


def _declared(code: str) -> str:
    match = _TOKEN.match(code)
    names = [match[f"{kind}_name"] for kind in ("macro", "body", "handle", "callback", "function")] if match else []
    return next((name for name in names if name), "")


def _plain(comment: str) -> str:
    """The text of a comment, without its stars. Paragraphs are separated by empty lines."""
    return "\n".join(re.sub(r"^ ?\* ?", "", line.strip()) for line in comment.strip().split("\n")).strip()
