"""Conversion of the caller's arrays, lists and tensors, without importing torch."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._errors import InvalidArgument, ShapeMismatch


def as_doubles(values: ArrayLike) -> NDArray[np.float64]:
    """``values`` as float64; a torch tensor is detached and copied to the CPU first."""
    detach = getattr(values, "detach", None)
    if detach is not None:
        # torch converts to double, because numpy has no bfloat16.
        return detach().cpu().double().numpy()
    return np.asarray(values, dtype=np.float64)


def as_integers(values: Any) -> Optional[NDArray[np.int64]]:
    """``values`` as int64; None if they are not integers."""
    detach = getattr(values, "detach", None)
    array = detach().cpu().numpy() if detach is not None else np.asarray(values)
    return array.astype(np.int64, copy=False) if array.dtype.kind in "iu" else None


def as_lengths(values: Any) -> NDArray[np.int64]:
    """Token counts as int64."""
    array = as_integers(values)
    if array is None:
        raise InvalidArgument(f"lengths have type {np.asarray(values).dtype}; token counts must be integers")
    return array


def as_labels(values: Any) -> NDArray[np.int64]:
    """Token ids as int64."""
    array = as_integers(values)
    if array is None:
        raise InvalidArgument(f"labels have type {np.asarray(values).dtype}; token ids must be integers")
    return array


def shared_floats(values: Any, name: str, writable: bool = False) -> NDArray[np.float32]:
    """The float32 memory of a numpy array or torch CPU tensor, not a copy: its owner sees all writes."""
    detach = getattr(values, "detach", None)
    array = values if detach is None else detach().numpy()
    if not isinstance(array, np.ndarray) or array.dtype != np.float32:
        kind = array.dtype if isinstance(array, np.ndarray) else type(values).__name__
        raise InvalidArgument(f"{name} is {kind}; it must be a float32 array, whose memory is used without a copy")
    if not array.flags.c_contiguous:
        raise ShapeMismatch(f"{name} is not contiguous; make a contiguous copy first")
    if writable and not array.flags.writeable:
        raise InvalidArgument(f"{name} is read-only")
    return array
