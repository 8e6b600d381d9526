"""The pages of the Python package, from its source: a page for each module that defines public names."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "bindings" / "python" / "libdama"


def pages() -> dict[str, str]:
    """The Markdown of each page by its file name, in the order of the navigation."""
    by_module = _public_names()
    found = {"index.md": _index(by_module)}
    for module, names in by_module.items():
        title = module.strip("_").replace("_", " ").capitalize()
        found[_file(module)] = _page(f"{title}", [f"libdama.{name}" for name in names])
    for module in _public_modules():
        found[f"{module}.md"] = f"# libdama.{module}\n\n::: libdama.{module}\n    options:\n      heading_level: 2\n" \
            "      show_root_heading: false\n"  # fmt: skip
    return found


def _file(module: str) -> str:
    return f"{module.strip('_').replace('_', '-')}.md"


def _page(title: str, paths: list[str]) -> str:
    return "\n\n".join([f"# {title}", *(f"::: {path}" for path in paths)]) + "\n"


def _index(by_module: dict[str, list[str]]) -> str:
    lines = ["# The Python package", "", "::: libdama", "    options:", "      members: false", "      heading_level: 2",
             "      show_root_heading: false", "", "| page | names |", "|---|---|"]  # fmt: skip
    for module, names in by_module.items():
        cells = ", ".join(f"[`{name}`][libdama.{name}]" for name in names)
        lines.append(f"| [{_file(module)[:-3]}]({_file(module)}) | {cells} |")
    for module in _public_modules():
        lines.append(f"| [libdama.{module}]({module}.md) | {_summary(module)} |")
    return "\n".join(lines) + "\n"


def _public_names() -> dict[str, list[str]]:
    """The names of `__all__` by the private module that defines them."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    listed: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            listed = set(ast.literal_eval(node.value))
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found[node.module] = [name.asname or name.name for name in node.names if name.name in listed]
    missing = listed - {name for names in found.values() for name in names} - set(_public_modules())
    if missing:
        raise SystemExit(f"python_pages.py does not find {', '.join(sorted(missing))} of libdama.__all__")
    return {module: names for module, names in found.items() if names}


def _public_modules() -> list[str]:
    files = [path for path in PACKAGE.glob("*.py")] + [path.parent for path in PACKAGE.glob("*/__init__.py")]
    return sorted(path.stem for path in files if not path.name.startswith("_"))


def _summary(module: str) -> str:
    path = PACKAGE / f"{module}.py"
    text = (path if path.exists() else PACKAGE / module / "__init__.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
