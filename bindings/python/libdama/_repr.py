"""Texts that say what an object is, for people at a prompt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any


def described(it: Any, facts: Callable[[], Mapping[str, Any]]) -> str:
    """``Name(fact=value, …)``. It never raises, as a debugger and a traceback need: an object that is closed, or whose
    ``__init__`` failed, is ``Name(closed)``.
    """
    name = type(it).__name__
    try:
        found = ", ".join(f"{key}={_text(value)}" for key, value in facts().items())
    except Exception:
        return f"{name}(closed)"
    return f"{name}({found})"


def model_facts(model: Any) -> dict[str, Any]:
    """The path of a model and how it was opened."""
    path, options = model._source
    given = dict(options)
    return {
        "model_dir": path, "provider": given.get("provider", "cpu"), "precision": given.get("precision", "auto"),
    }  # fmt: skip


def _text(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else repr(value)
