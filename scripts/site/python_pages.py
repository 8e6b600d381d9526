"""The pages of the Python package, from its source: a page for each module that defines public names."""

from __future__ import annotations

import ast
from pathlib import Path

#: The name that a page is called after, where it is not the name of its module.
_MAIN = {"_errors": "DamaError", "_generation": "Policy", "_policy": "PairLogps", "_text": "Tokenizer"}

PACKAGE = Path(__file__).resolve().parents[2] / "bindings" / "python" / "libdama"


def pages() -> dict[str, str]:
    """The Markdown of each page by its file name, in the order of the navigation."""
    by_module = _public_names()
    found = {"index.md": _index(by_module)}
    for module, names in by_module.items():
        found[_file(module)] = _page(names[0], [_identifier(module, name) for name in names])
    shown = {name for names in by_module.values() for name in names}
    for module in _public_modules():
        # What a module shares with the package is on the package's page.
        members = [name for name in _listed(_source(module)) if name not in shown]
        options = {"heading_level": 2, "show_root_heading": "false", "members": members}
        lines = [f"# libdama.{module}", "", f"::: libdama.{module}", "    options:"]
        found[f"{module}.md"] = "\n".join([*lines, *(f"      {key}: {value}" for key, value in options.items())]) + "\n"
    return found


def _identifier(module: str, name: str) -> str:
    """The full name of a name of the package: that of its definition, if a module of the package has the same name."""
    return f"libdama.{module}.{name}" if (PACKAGE / f"{name}.py").exists() else f"libdama.{name}"


def _file(module: str) -> str:
    return f"{module.strip('_').replace('_', '-')}.md"


def _page(title: str, paths: list[str]) -> str:
    return "\n\n".join([f"# {title}", *(f"::: {path}" for path in paths)]) + "\n"


def _index(by_module: dict[str, list[str]]) -> str:
    lines = ["# The Python package", "", "::: libdama", "    options:", "      members: false", "      heading_level: 2",
             "      show_root_heading: false", "", "| page | names |", "|---|---|"]  # fmt: skip
    for module, names in by_module.items():
        cells = ", ".join(f"[`{name}`][{_identifier(module, name)}]" for name in names)
        lines.append(f"| [{names[0]}]({_file(module)}) | {cells} |")
    for module in _public_modules():
        lines.append(f"| [libdama.{module}]({module}.md) | {_summary(module)} |")
    return "\n".join(lines) + "\n"


def _public_names() -> dict[str, list[str]]:
    """The names of `__all__` by the private module that defines them."""
    tree = ast.parse((PACKAGE / "__init__.py").read_text(encoding="utf-8"))
    listed = set(_listed(tree))
    found: dict[str, list[str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module:
            found[node.module] = [name.asname or name.name for name in node.names if name.name in listed]
    missing = listed - {name for names in found.values() for name in names} - set(_public_modules())
    if missing:
        raise SystemExit(f"python_pages.py does not find {', '.join(sorted(missing))} of libdama.__all__")
    return {module: _main_first(module, names) for module, names in found.items() if names}


def _main_first(module: str, names: list[str]) -> list[str]:
    main = _MAIN.get(module, module).replace("_", "").lower()
    return sorted(names, key=lambda name: (name.replace("_", "").lower() != main, name))


def _public_modules() -> list[str]:
    """The modules to import: those with an `__all__`, which commands (`python -m`) do not have."""
    files = [path for path in PACKAGE.glob("*.py")] + [path.parent for path in PACKAGE.glob("*/__init__.py")]
    return sorted(path.stem for path in files if not path.name.startswith("_") and _listed(_source(path.stem)))


def _summary(module: str) -> str:
    return (ast.get_docstring(_source(module)) or "").split("\n")[0]


def _source(module: str) -> ast.Module:
    path = PACKAGE / f"{module}.py"
    return ast.parse((path if path.exists() else PACKAGE / module / "__init__.py").read_text(encoding="utf-8"))


def _listed(tree: ast.Module) -> list[str]:
    """The names of `__all__`."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id == "__all__":
            return list(ast.literal_eval(node.value))
    return []
