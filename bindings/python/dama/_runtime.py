"""Finding the ONNX Runtime that the library opens."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Optional


def runtime_path() -> Optional[str]:
    """The file to open: ``None`` where ``$DAMA_ONNXRUNTIME`` names one (the library reads it) or no wheel is installed.

    The wheels ``onnxruntime`` and ``onnxruntime-gpu`` both hold the C library in their package ``onnxruntime``. It is
    looked up without importing the package, which would load a second copy of the runtime.
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
