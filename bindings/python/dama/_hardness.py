"""Data hardness, section 3.2 of the paper."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import ArrayLike

from ._native import check, declare

_FLOATS = ctypes.POINTER(ctypes.c_float)
_hardness = declare(
    "dama_hardness", _FLOATS, ctypes.c_size_t, _FLOATS, ctypes.c_size_t, ctypes.POINTER(ctypes.c_double)
)


def hardness(chosen_scores: ArrayLike, rejected_scores: ArrayLike) -> float:
    """δ of one pair, Eqs. (5) and (6): one softmax over all scores, chosen share minus rejected share.

    ``chosen_scores`` [p] and ``rejected_scores`` [q] are CLIP logits of the sub-sentences (logit scale times cosine).
    The result lies in [−1, 1]; large means easy to tell apart. Raises ``InvalidArgument`` for an empty list or a score
    that is not finite.
    """
    chosen = np.ascontiguousarray(chosen_scores, dtype=np.float32).reshape(-1)
    rejected = np.ascontiguousarray(rejected_scores, dtype=np.float32).reshape(-1)
    delta = ctypes.c_double()
    check(
        _hardness(
            chosen.ctypes.data_as(_FLOATS), chosen.size, rejected.ctypes.data_as(_FLOATS), rejected.size, delta
        )
    )
    return delta.value
