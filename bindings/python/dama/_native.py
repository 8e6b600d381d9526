"""Finding and loading libdama.so, and the call convention."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable
from pathlib import Path

from ._errors import error_for

_ABI_VERSION = 0


def library_path() -> str:
    """The libdama.so in use: ``$DAMA_LIBRARY``, the one bundled with this package, or the loader's."""
    given = os.environ.get("DAMA_LIBRARY")
    if given:
        return given
    bundled = Path(__file__).parent / "lib" / "libdama.so.0"
    return str(bundled) if bundled.exists() else "libdama.so.0"


def _load() -> ctypes.CDLL:
    path = library_path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load {path}: {error}. Set DAMA_LIBRARY to a libdama.so, or install the package with "
            "`make build && pip install ./bindings/python`, which bundles one."
        ) from None
    library.dama_abi_version.restype = ctypes.c_uint32
    found = library.dama_abi_version()
    if found != _ABI_VERSION:
        raise ImportError(f"{path} has ABI version {found}; this package needs {_ABI_VERSION}")
    library.dama_version_string.restype = ctypes.c_char_p
    library.dama_error_message.restype = ctypes.c_char_p
    return library


lib = _load()


def declare(name: str, *argtypes: object, restype: object = ctypes.c_int) -> ctypes._CFuncPtr:  # type: ignore[name-defined]
    """A function of the library with its parameter types; the default result is a status."""
    function = getattr(lib, name)
    function.argtypes = argtypes
    function.restype = restype
    return function


def declare_init(name: str, kind: type[ctypes.Structure]) -> Callable[[ctypes.Structure], None]:
    """The header's ``name``, a macro: sets every field of a ``kind`` to what it is by default."""
    function = declare(f"{name}_sized", ctypes.c_void_p, ctypes.c_size_t, restype=None)
    size = ctypes.sizeof(kind)

    def initialise(struct: ctypes.Structure) -> None:
        function(ctypes.addressof(struct), size)

    return initialise


def check(status: int) -> None:
    """Raises the exception that belongs to ``status``, unless it is ``DAMA_OK``."""
    if status:
        raise error_for(status, lib.dama_error_message().decode("utf-8", "replace"))


def version() -> str:
    """The library's version, ``"MAJOR.MINOR.PATCH"``."""
    return lib.dama_version_string().decode()
