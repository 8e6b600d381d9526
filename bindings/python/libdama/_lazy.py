"""Modules that need a package of an extra: they are imported when a name of theirs is first used."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from ._errors import MissingPackage


def lookup(module: str, name: str, places: Mapping[str, str], packages: tuple[str, ...], extra: str) -> Any:
    """The value of ``name`` in ``module``: from the submodule that ``places`` names.

    A submodule that cannot be imported because one of ``packages`` is not installed is a ``MissingPackage``.
    """
    place = places.get(name)
    if place is None:
        raise AttributeError(f"module {module!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(f"{module}.{place}"), name)
    except ModuleNotFoundError as error:
        missing = (error.name or "").split(".")[0]
        if missing not in packages:
            raise
        raise missing_package(f"{module}.{name}", missing, extra) from None


def missing_package(user: str, package: str, extra: str) -> MissingPackage:
    """The error of ``user``, which needs a package that is not installed and that ``extra`` brings."""
    package = package.split(".")[0]
    return MissingPackage(
        f"{user} needs {package}, which is not installed: pip install 'libdama[{extra}]'", name=package
    )
