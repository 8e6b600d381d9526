"""Reads the declarations of the preprocessed dama.h, for the ABI tests and the Python binding."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import NamedTuple, Optional

HEADER = Path(__file__).resolve().parents[1] / "include" / "dama.h"


class Parameter(NamedTuple):
    type: str  # a function pointer is "callback"
    name: str


class Function(NamedTuple):
    result: str
    name: str
    arguments: list[Parameter]

    @property
    def parameters(self) -> list[str]:
        """The types of the arguments."""
        return [argument.type for argument in self.arguments]


class Field(NamedTuple):
    type: str
    name: str
    length: Optional[int]  # of an array


class Header(NamedTuple):
    """All declarations, in the order of the header."""

    functions: list[Function]
    structs: dict[str, list[Field]]
    enums: dict[str, dict[str, int]]
    callbacks: dict[str, Function]
    #: Structs without a body.
    handles: list[str]


def preprocessed(header: Path = HEADER) -> str:
    """The header as the compiler sees it, with all included headers."""
    return _preprocess("-P", header)


def constants(header: Path = HEADER) -> dict[str, str]:
    """The macros that define a value, and their text."""
    found = re.findall(r"^#define (DAMA_\w+) (.+)$", _preprocess("-dM", header), re.M)
    return {name: text for name, text in sorted(found) if not text.startswith("__attribute__")}


def _preprocess(flag: str, header: Path) -> str:
    command = [os.environ.get("CC", "cc"), "-E", flag, "-I", str(header.parent), str(header)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(source: str) -> Header:
    """Parses a preprocessed header."""
    source = re.sub(r"__attribute__\s*\(\(.*?\)\)\)?", "", source)
    flat = " ".join(source.split())
    structs = {
        name: [_field(line) for line in body.split(";") if line.strip()]
        for name, body in re.findall(r"typedef struct (dama_\w+) \{([^{}]*)\}", flat)
    }
    enums = {
        name: _enumerators(name, body) for name, body in re.findall(r"typedef enum (dama_\w+) \{([^{}]*)\}", flat)
    }
    callbacks = {
        name: Function(result.strip(), name, [_parameter(part) for part in _split(parameters)])
        for result, name, parameters in re.findall(r"typedef ([\w *]+?) ?\( ?\* ?(dama_\w+)\) ?\(([^()]*)\)", flat)
    }
    # A handle is a struct without a body: only pointers to it are passed.
    handles = re.findall(r"typedef struct (dama_\w+) \1 ?;", flat)
    return Header(_functions(flat), structs, enums, callbacks, handles)


def _functions(source: str) -> list[Function]:
    # Bodies of structs and enums may hold function pointers: only declarations outside braces count.
    while "{" in source:
        shorter = re.sub(r"\{[^{}]*\}", " ", source)
        if shorter == source:
            break
        source = shorter
    found = []
    for statement in source.split(";"):
        match = re.fullmatch(r'(?:extern "C" )?(.*?[\s*])(dama_\w+) ?\((.*)\)', statement.strip())
        if not match or statement.strip().startswith("typedef"):
            continue
        arguments = [] if match[3].strip() in ("void", "") else [_parameter(part) for part in _split(match[3])]
        found.append(Function(match[1].strip(), match[2], arguments))
    return found


def _split(text: str) -> list[str]:
    """Splits at commas that are not inside parentheses."""
    parts, depth, start = [], 0, 0
    for i, c in enumerate(text):
        depth += (c == "(") - (c == ")")
        if c == "," and depth == 0:
            parts.append(text[start:i])
            start = i + 1
    return [part.strip() for part in [*parts, text[start:]]]


def _parameter(text: str) -> Parameter:
    if "(*" in text.replace(" ", ""):
        return Parameter("callback", "")
    array = re.fullmatch(r"(.*?)(\w+)\s*\[[^\]]*\]", text)
    if array:
        return Parameter(array[1].strip() + " *", array[2])
    match = re.fullmatch(r"(.*[\s*])(\w+)", text)
    if not match:
        raise SystemExit(f"cannot read the parameter '{text}'; give it a type and a name")
    return Parameter(match[1].strip(), match[2])


def _field(text: str) -> Field:
    match = re.fullmatch(r"(.*[\s*])(\w+) ?(?:\[ ?(\d+) ?\])?", text.strip())
    if not match:
        raise SystemExit(f"cannot read the field '{text.strip()}'; give it a type and a name, one field a declaration")
    return Field(match[1].strip(), match[2], int(match[3]) if match[3] else None)


def _enumerators(enum: str, body: str) -> dict[str, int]:
    found = {}
    for text in body.split(","):
        match = re.fullmatch(r"(DAMA_\w+) ?= ?(-?\d+)", text.strip())
        if not match:
            raise SystemExit(f"cannot read '{text.strip()}' of {enum}; give each enumerator its number")
        found[match[1]] = int(match[2])
    return found


def write_or_check(target: Path, text: str, script: Path, arguments: list[str], usage: str) -> None:
    """Writes a generated file; with --check it writes nothing, and fails if the file is stale."""
    if arguments == ["--check"]:
        if not target.exists() or target.read_text(encoding="utf-8") != text:
            raise SystemExit(f"{target.name} is stale; run scripts/{script.name}")
    elif arguments:
        raise SystemExit(usage)
    else:
        target.write_text(text, encoding="utf-8")
