"""Finding and loading libdama.so."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path


def library_path() -> str:
    """The libdama.so in use: ``$DAMA_LIBRARY``, the one bundled with this package, or the loader's."""
    given = os.environ.get("DAMA_LIBRARY")
    if given:
        return given
    bundled = Path(__file__).parent / "lib" / "libdama.so.1"
    return str(bundled) if bundled.exists() else "libdama.so.1"


def load(abi_version: int) -> ctypes.CDLL:
    """The library, which must have the ABI that this package was written for."""
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
    if found != abi_version:
        raise ImportError(f"{path} has ABI version {found}; this package needs {abi_version}")
    return library
