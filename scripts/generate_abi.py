#!/usr/bin/env python3
"""Writes bindings/python/libdama/_abi.py from include/dama.h: generate_abi.py [--check]

With --check it writes nothing, and fails if the file does not match the header.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import abi_header
from abi_header import Function, Header

TARGET = Path(__file__).resolve().parents[1] / "bindings" / "python" / "libdama" / "_abi.py"

PREAMBLE = '''\
"""The C ABI for ctypes. scripts/generate_abi.py writes this file from include/dama.h; do not edit it.

The names are the same as in C. Handles, and pointers to numbers, to writable characters and to void, are addresses
(``c_void_p``): pass ``array.ctypes.data``, ``ctypes.byref()`` or None. The parameter for a new handle is a pointer to
``c_void_p``, and the parameter for a struct is a pointer to its class: pass the object itself.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum

from ._library import load

'''

SCALARS = {
    "int": "c_int",
    "size_t": "c_size_t",
    "float": "c_float",
    "double": "c_double",
    **{f"{sign}int{bits}_t": f"c_{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)},
}


class Types:
    """Maps C types to ctypes."""

    def __init__(self, header: Header) -> None:
        self.header = header

    def of(self, text: str) -> str:
        # The position of `const` makes no difference to ctypes.
        bare = re.sub(r"\bconst\b", "", text)
        name, stars = bare.replace("*", "").strip(), bare.count("*")
        if stars == 0 and (name in self.header.callbacks or name in self.header.structs):
            return name
        if stars == 0:
            return self.scalar(name, text)
        if name == "char":
            if stars == 2:
                return "ctypes.POINTER(ctypes.c_char_p)"
            return "ctypes.c_char_p" if "const" in text else "ctypes.c_void_p"
        if name in self.header.handles:
            return "ctypes.c_void_p" if stars == 1 else "ctypes.POINTER(ctypes.c_void_p)"
        if stars != 1:
            raise SystemExit(f"no rule for the type '{text}'; add one to scripts/generate_abi.py")
        if name in self.header.structs:
            return f"ctypes.POINTER({name})"
        if name != "void":
            self.scalar(name, text)
        return "ctypes.c_void_p"

    def scalar(self, name: str, text: str) -> str:
        if name in self.header.enums:
            # GCC and Clang use unsigned int for an enum, and int if an enumerator is negative.
            return "ctypes.c_int" if min(self.header.enums[name].values()) < 0 else "ctypes.c_uint"
        if name not in SCALARS:
            raise SystemExit(f"no rule for the type '{text}'; add one to scripts/generate_abi.py")
        return "ctypes." + SCALARS[name]

    def result(self, text: str) -> str:
        return "None" if text == "void" else self.of(text)


def value(text: str) -> str:
    """A macro's value as a Python expression."""
    match = re.fullmatch(r"\(?(?:\((\w+)\))?(-?\d+)\)?", text)
    if not match:
        raise SystemExit(f"no rule for the value '{text}' of a macro; add one to scripts/generate_abi.py")
    return f"ctypes.{SCALARS[match[1]]}({match[2]}).value" if match[1] else match[2]


def wrapped(head: str, parts: list[str], brackets: str) -> str:
    """`head(parts)` on one line if it fits, otherwise with a line for each part."""
    line = f"{head}{brackets[0]}{', '.join(parts)}{brackets[1]}"
    if len(line) <= 120:
        return line
    return "\n".join([f"{head}{brackets[0]}", *(f"    {part}," for part in parts), brackets[1]])


def initializer(function: Function) -> str:
    """The function for the macro over an …_init_sized(): it passes the size of the struct declared here."""
    struct = re.sub(r"\bconst\b|\*", "", function.parameters[0]).strip()
    first, _, *others = function.arguments
    macro = function.name.removesuffix("_sized")
    declared = ", ".join([f"{first.name}: {struct}", *(f"{other.name}: int" for other in others)])
    passed = ", ".join([first.name, f"ctypes.sizeof({struct})", *(other.name for other in others)])
    result = "None" if function.result == "void" else "int"
    call = f"{function.name}({passed})"
    body = call if result == "None" else f"result: int = {call}\n    return result"
    return f"def {macro}({declared}) -> {result}:\n    {body}\n"


def generated() -> str:
    header = abi_header.read(abi_header.preprocessed())
    types = Types(header)
    parts = [PREAMBLE]
    # The binding reads the version from the library instead.
    values = {name: text for name, text in abi_header.constants().items() if not name.startswith("DAMA_VERSION_")}
    parts += [f"{name} = {value(text)}\n" for name, text in values.items()]
    parts.append("\n_library = load(DAMA_ABI_VERSION)\n")
    for name, enumerators in header.enums.items():
        lines = "".join(f"    {enumerator} = {number}\n" for enumerator, number in enumerators.items())
        parts.append(f"\n\nclass {name}(IntEnum):\n{lines}")
    # A callback may take a struct and a struct may hold a callback, so fields follow after all names are defined.
    for name in header.structs:
        parts.append(f"\n\nclass {name}(ctypes.Structure):\n    pass\n")
    parts.append("\n\n")
    for name, callback in header.callbacks.items():
        kinds = [types.result(callback.result), *map(types.of, callback.parameters)]
        parts.append(wrapped(f"{name} = ctypes.CFUNCTYPE", kinds, "()") + "\n")
    for name, fields in header.structs.items():
        parts.append(f"\n{name}._fields_ = [\n")
        for field in fields:
            kind = types.of(field.type) + (f" * {field.length}" if field.length else "")
            parts.append(f'    ("{field.name}", {kind}),\n')
        parts.append("]\n")
    for function in header.functions:
        parts.append(f"\n{function.name} = _library.{function.name}\n")
        parts.append(wrapped(f"{function.name}.argtypes = ", [*map(types.of, function.parameters)], "[]") + "\n")
        parts.append(f"{function.name}.restype = {types.result(function.result)}\n")
    for function in header.functions:
        if function.name.endswith("_init_sized"):
            parts.append("\n\n" + initializer(function))
    return "".join(parts)


if __name__ == "__main__":
    abi_header.write_or_check(TARGET, generated(), Path(__file__), sys.argv[1:], str(__doc__))
