#!/usr/bin/env python3
"""Writes the generated files of Sources/DamaABI: generate_settings.py [--check]

JobOptionFields.swift, from include/dama.h. For the options of every job over a dataset: the simple fields of the struct
as names and JSON values, which the job's table of settings reads, and the values of that table as the struct's defaults.

StructSizes.swift, from Tests/ABI/first_sizes.txt: the size of each struct that may grow, as it was first published.

With --check it writes nothing, and fails if a file is stale.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import abi_header
from abi_header import Field, Header

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ROOT / "Sources" / "DamaABI"
FIRST_SIZES = ROOT / "Tests" / "ABI" / "first_sizes.txt"

SIZES_PREAMBLE = """\
// scripts/generate_settings.py writes this file from Tests/ABI/first_sizes.txt; do not edit it.
import CDama
"""

PREAMBLE = """\
// scripts/generate_settings.py writes this file from include/dama.h; do not edit it.
// swift-format-ignore-file
import CDama
import Dama
"""

#: What belongs to the struct, not to its settings.
PARTS = {"struct_size", "reserved"}
#: Strings that have to be given.
REQUIRED = {"data", "output", "benchmark", "responses"}
NUMBERS = {"uint32_t": "UInt32", "size_t": "Int", "uint64_t": "UInt64", "int64_t": "Int64"}


def choices(enumerators: dict[str, int]) -> str:
    """The names of an enum without the part that all have in common, as a Swift dictionary."""
    common = os.path.commonprefix(list(enumerators))
    common = common[: common.rindex("_") + 1]
    pairs = [f'"{name.removeprefix(common).lower()}": {number}' for name, number in enumerators.items()]
    return f"[{', '.join(pairs)}]"


def lines(field: Field, counts: set[str], header: Header) -> tuple[str, str] | None:
    """How Swift reads a field, and how it sets it; None for a field that is not a simple value."""
    name = f"`{field.name}`" if field.name == "guard" else field.name
    if field.name in PARTS or field.name in counts:
        return None
    if field.type in header.enums:
        names = choices(header.enums[field.type])
        return (
            f'try OptionField.choice({name}.rawValue, {names}, "{field.name}")',
            f'{name} = {field.type}(OptionField.choice(values["{field.name}"], {names}))',
        )
    if field.type == "int32_t":
        return f".bool({name} != 0)", f'{name} = values["{field.name}"]?.bool == true ? 1 : 0'
    if field.type == "double":
        return f"OptionField.number({name})", f'{name} = values["{field.name}"]?.double ?? .nan'
    if field.type in NUMBERS:
        kind = NUMBERS[field.type]
        return f"OptionField.number({name})", f'{name} = OptionField.number(values["{field.name}"]) as {kind}'
    bare = re.sub(r"\bconst\b|\s", "", field.type)
    if bare == "char*" and field.name in REQUIRED:
        return f'.string(try string({name}, "{field.name}"))', ""
    if bare == "char*":
        return f'try OptionField.text({name}, "{field.name}")', ""
    if bare == "char**":
        count = field.name.removesuffix("s") + "_count"
        return f'try OptionField.texts({name}, {count}, "{field.name}")', ""
    return None


def option_fields() -> str:
    header = abi_header.read(abi_header.preprocessed())
    parts = [PREAMBLE]
    for struct, fields in header.structs.items():
        if not re.fullmatch(r"dama_(\w+_dataset|evaluate)_options", struct):
            continue
        counts = {field.name for field in fields if field.name.endswith("_count")}
        found = [(field.name, lines(field, counts, header)) for field in fields]
        simple = [(name, line) for name, line in found if line is not None]
        parts.append(f"\nextension {struct}: JobOptionFields {{\n")
        parts.append("    func settings() throws -> [JSONObject.Member] {\n")
        if any(field.name == "reserved" for field in fields):
            parts.append("        try requireZero(reserved)\n")
        parts.append("        return [\n")
        parts += [f'            ("{name}", {read}),\n' for name, (read, _) in simple]
        parts.append("        ]\n    }\n\n    mutating func set(_ values: JSONObject) {\n")
        parts += [f"        {write}\n" for _, (_, write) in simple if write]
        parts.append("    }\n}\n")
    return "".join(parts)


def struct_sizes() -> str:
    parts = [SIZES_PREAMBLE]
    for line in FIRST_SIZES.read_text(encoding="utf-8").splitlines():
        if line.startswith("#"):
            continue
        name, size, _ = line.split()
        parts.append(
            f"\nextension {name}: SizedStruct {{\n"
            f"    static var firstSize: Int {{ {size} }}\n"
            f'    static var name: String {{ "{name}" }}\n}}\n'
        )
    return "".join(parts)


if __name__ == "__main__":
    for name, text in {"JobOptionFields.swift": option_fields(), "StructSizes.swift": struct_sizes()}.items():
        abi_header.write_or_check(TARGETS / name, text, Path(__file__), sys.argv[1:], str(__doc__))
