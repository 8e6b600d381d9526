"""Opening models: the ONNX Runtime, and the options that all models share."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any, Optional, Union

from ._errors import InvalidArgument
from ._text import _c_string


def runtime_path() -> Optional[str]:
    """The file to open, or ``None`` if ``$DAMA_ONNXRUNTIME`` is set (the library reads it) or no wheel is installed.

    The wheels ``onnxruntime`` and ``onnxruntime-gpu`` both contain the C library in their package ``onnxruntime``. The
    lookup does not import the package, which would load a second copy of the runtime.
    """
    if os.environ.get("DAMA_ONNXRUNTIME"):
        return None
    try:
        spec = importlib.util.find_spec("onnxruntime")
    except (ImportError, ValueError):
        return None
    for folder in (spec.submodule_search_locations or []) if spec else []:
        for file in sorted((Path(folder) / "capi").glob("libonnxruntime.so*")):
            return str(file)
    return None


def open_with(
    options: Any,
    threads: int,
    provider: str,
    precision: str,
    max_image_pixels: Optional[int],
    onnxruntime: Optional[Union[str, os.PathLike[str]]],
) -> None:
    """Sets the fields that the option structs of all models share."""
    options.threads = unsigned("threads", threads, 32)
    options.provider = _c_string(provider, "provider")
    options.precision = _c_string(precision, "precision")
    if max_image_pixels is not None:
        options.max_image_pixels = unsigned("max_image_pixels", max_image_pixels, 64)
    runtime = os.fspath(onnxruntime) if onnxruntime is not None else runtime_path()
    if runtime is not None:
        options.onnxruntime = os.fsencode(runtime)


def unsigned(name: str, value: int, bits: int) -> int:
    """``value``, if an unsigned C field of ``bits`` bits can hold it; otherwise ``InvalidArgument``."""
    if not 0 <= value < 1 << bits:
        raise InvalidArgument(f"{name} is {value}; it must be from 0 to 2**{bits} - 1")
    return value
