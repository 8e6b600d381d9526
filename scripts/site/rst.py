"""A griffe extension: the docstrings, which are reStructuredText, as HTML with links between the objects."""

from __future__ import annotations

import html
from typing import Any

import griffe
from docutils import nodes
from docutils.core import publish_parts
from docutils.parsers.rst import roles
from docutils.utils import SystemMessage
from docutils.writers.html5_polyglot import HTMLTranslator, Writer
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name

_ROLES = ("attr", "class", "data", "exc", "func", "meth", "mod")
_SETTINGS = {"report_level": 2, "halt_level": 2, "syntax_highlight": "none", "doctitle_xform": False}


class _Translator(HTMLTranslator):
    """Writes code as the site's theme shows it."""

    def visit_literal(self, node: nodes.literal) -> None:
        self.body.append(f"<code>{html.escape(node.astext(), quote=False)}</code>")
        raise nodes.SkipNode

    def visit_field_name(self, node: nodes.field_name) -> None:
        kind, _, name = node.astext().partition(" ")
        if name:  # ":param beta:"
            node.children = [nodes.literal(name, name)]
        else:
            node.children = [nodes.Text(kind.capitalize())]
        super().visit_field_name(node)

    def visit_literal_block(self, node: nodes.literal_block) -> None:
        formatter = HtmlFormatter(cssclass="highlight", wrapcode=True)
        self.body.append(highlight(node.astext(), get_lexer_by_name("python"), formatter))
        raise nodes.SkipNode


class _Writer(Writer):
    def __init__(self) -> None:
        super().__init__()
        self.translator_class = _Translator


class Docstrings(griffe.Extension):
    """Replaces each docstring by its HTML. A docstring with an error in its markup fails the build."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        self._visit(pkg)

    def _visit(self, item: griffe.Object) -> None:
        if item.docstring:
            item.docstring.value = self._converted(item, item.docstring.value)
        for member in item.members.values():
            if isinstance(member, griffe.Object):
                self._visit(member)

    def _converted(self, item: griffe.Object, text: str) -> str:
        def role(name: str, raw: str, text: str, *_: Any, **__: Any) -> tuple[list[nodes.Node], list[nodes.Node]]:
            call = "()" if name in ("func", "meth") else ""
            code = f"<code>{html.escape(text + call)}</code>"
            link = f'<autoref identifier="{html.escape(_path(item, text))}" optional>{code}</autoref>'
            return [nodes.raw(raw, link, format="html")], []

        for name in _ROLES:
            roles.register_local_role(name, role)
        try:
            parts = publish_parts(text, source_path=item.path, writer=_Writer(), settings_overrides=_SETTINGS)
        except SystemMessage as error:
            raise SystemExit(f"the docstring of {item.path} is no valid reStructuredText: {error}") from error
        return f'<div class="docstring">\n{parts["body"].strip()}\n</div>'


def _path(item: griffe.Object, name: str) -> str:
    """The full name of what a docstring names, in the nearest scope around the object that has it."""
    scope: Any = item
    while scope is not None and name.split(".")[0] not in scope.members:
        scope = scope.parent
    try:
        found = item.package[name.removeprefix("libdama.")] if scope is None else scope[name]
        return str(found.canonical_path)
    except (KeyError, griffe.AliasResolutionError) as error:
        raise SystemExit(f"the docstring of {item.path} names '{name}', which libdama does not define") from error
