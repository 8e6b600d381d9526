"""jinja2 as transformers sets it up for chat templates, with a fixed date."""

from __future__ import annotations

import datetime
import json
from typing import Any, Callable, Optional

import jinja2
import jinja2.ext
from jinja2.sandbox import ImmutableSandboxedEnvironment

#: What `strftime_now` takes for now: year, month, day, hour, minute, second.
DATE = [2026, 7, 9, 5, 3, 2]


class Generation(jinja2.ext.Extension):
    """`{% generation %}`, whose body is written out as it is."""

    tags = {"generation"}

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_write"), [], [], body).set_lineno(line)

    def _write(self, caller: Callable[[], str]) -> str:
        return caller()


def _raise(message: str) -> None:
    raise jinja2.exceptions.TemplateError(message)


def _tojson(
    value: Any, ensure_ascii: bool = False, indent: Optional[int] = None, separators: Any = None, sort_keys: bool = False
) -> str:
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment() -> jinja2.Environment:
    made = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols]
    )
    made.filters["tojson"] = _tojson
    made.globals["raise_exception"] = _raise
    made.globals["strftime_now"] = lambda form: datetime.datetime(*DATE).strftime(form)
    return made


def rendered(template: str, variables: dict[str, Any]) -> Optional[str]:
    """The text, or None where jinja2 raises."""
    try:
        return environment().from_string(template).render(**variables)
    except Exception:
        return None
