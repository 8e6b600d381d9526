"""Pickling of models: by path and options. Another process opens the model again, once."""

from __future__ import annotations

import functools
import hashlib
import os
import threading
import weakref
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, Union

_Self = TypeVar("_Self")
_P = ParamSpec("_P")
_Dir = Union[str, "os.PathLike[str]"]

_lock = threading.Lock()
#: The models that pickles opened in this process, as long as somebody uses them.
_opened: weakref.WeakValueDictionary[Any, Any] = weakref.WeakValueDictionary()


def remembers(
    init: Callable[Concatenate[_Self, _Dir, _P], None],
) -> Callable[Concatenate[_Self, _Dir, _P], None]:
    """Lets ``__init__(self, model_dir, **options)`` remember its arguments for :func:`reduced`."""

    @functools.wraps(init)
    def wrapped(self: _Self, model_dir: _Dir, *args: _P.args, **options: _P.kwargs) -> None:
        init(self, model_dir, *args, **options)
        given = {name: os.fspath(value) if isinstance(value, os.PathLike) else value for name, value in options.items()}
        # Another process may have another working directory.
        source = (os.path.abspath(os.fsdecode(model_dir)), tuple(sorted(given.items())))
        self._source = source  # type: ignore[attr-defined]

    return wrapped


def reduced(model: Any) -> tuple[Callable[..., Any], tuple[Any, ...]]:
    """What ``__reduce__`` of a model returns: path, options, and an identity of the model's files.

    The identity makes the hash that ``datasets`` computes for its cache another one when the model's files change.
    """
    path, options = model._source
    return _open, (type(model), path, options, files_identity(path))


def files_identity(folder: str) -> str:
    """SHA-256 over names, sizes and times of the files in a model's folder; their contents are not read."""
    digest = hashlib.sha256()
    for root, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            status = os.stat(os.path.join(root, name))
            place = os.path.relpath(os.path.join(root, name), folder)
            digest.update(f"{place}\0{status.st_size}\0{status.st_mtime_ns}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _open(kind: type, path: str, options: tuple[tuple[str, Any], ...], identity: str) -> Any:
    """The model of a pickle. A model that another pickle opened in this process is shared."""
    key = (kind, path, options, identity)
    with _lock:
        model = _opened.get(key)
        if model is None:
            model = _opened[key] = kind(path, **dict(options))
        return model
