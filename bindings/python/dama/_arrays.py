"""Arrays from whatever the caller has, without importing torch."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._errors import InvalidArgument


def as_doubles(values: ArrayLike) -> NDArray[np.float64]:
    """``values`` as float64; a torch tensor is detached and brought to the CPU first."""
    detach = getattr(values, "detach", None)
    if detach is not None:
        # double() on torch's side: numpy has no bfloat16.
        return detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)


def as_lengths(values: Any) -> NDArray[np.int64]:
    """``values`` as int64; numbers with a fraction are an error."""
    detach = getattr(values, "detach", None)
    array = detach().cpu().numpy() if detach is not None else np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InvalidArgument(f"lengths have type {array.dtype}; token counts are integers")
    return array.astype(np.int64)
