"""libdama from Python: data- and model-aware preference alignment of multimodal language models.

Everything here calls ``libdama.so`` through ctypes; only numpy is needed.
"""

from ._errors import DamaError
from ._hardness import hardness
from ._native import library_path, version

__all__ = ["DamaError", "hardness", "library_path", "version"]
__version__ = version()
