"""Finding and loading libdama.so."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def library_path() -> str:
    """The path of the library: ``$DAMA_LIBRARY``, the library in this package, or the loader's default."""
    given = os.environ.get("DAMA_LIBRARY")
    if given:
        return given
    bundled = Path(__file__).parent / "lib" / "libdama.so.1"
    return str(bundled) if bundled.exists() else "libdama.so.1"


def load(abi_version: int) -> ctypes.CDLL:
    """Loads the library; its ABI version must be ``abi_version``. Raises ``ImportError`` otherwise."""
    path = library_path()
    try:
        library = ctypes.CDLL(path)
    except OSError as error:
        raise ImportError(
            f"cannot load {path}: {error}. Set DAMA_LIBRARY to a libdama.so, or install the wheel of `make wheel`, "
            "which includes the library and what it needs."
        ) from None
    library.dama_abi_version.restype = ctypes.c_uint32
    found = library.dama_abi_version()
    if found != abi_version:
        raise ImportError(f"{path} has ABI version {found}; this package needs {abi_version}")
    return library
