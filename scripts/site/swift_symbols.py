"""Joins the symbol graphs of the library's modules into one of the module Dama, with what `import Dama` offers."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def joined(folder: Path) -> dict[str, Any]:
    """The graph of Dama with the members that other modules' extensions add to its types.

    The extractor follows `@_exported import` to types, but not to their extensions.
    """
    graph: dict[str, Any] = json.loads((folder / "Dama.symbols.json").read_text(encoding="utf-8"))
    symbols = {symbol["identifier"]["precise"]: symbol for symbol in graph["symbols"]}
    relations = {json.dumps(relation, sort_keys=True): relation for relation in graph["relationships"]}
    types = {symbol["pathComponents"][0] for symbol in graph["symbols"]}
    for path in sorted(folder.glob("*.symbols.json")):
        other = json.loads(path.read_text(encoding="utf-8"))
        found = {symbol["identifier"]["precise"]: symbol for symbol in other["symbols"]
                 if symbol["pathComponents"][0] in types}  # fmt: skip
        symbols = {**found, **symbols}
        for relation in other["relationships"]:
            if relation["source"] in found:
                relations.setdefault(json.dumps(relation, sort_keys=True), relation)
    graph["symbols"] = [symbols[name] for name in sorted(symbols)]
    graph["relationships"] = [relations[name] for name in sorted(relations)]
    return graph


if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(joined(Path(sys.argv[1])), sort_keys=True), encoding="utf-8")
