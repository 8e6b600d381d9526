"""Data hardness, section 3.2 of the paper."""

from __future__ import annotations

import ctypes
from typing import Any, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._arrays import as_doubles
from ._native import check


def hardness(chosen_scores: ArrayLike, rejected_scores: ArrayLike) -> float:
    """δ of one pair, Eqs. (5) and (6): one softmax over all scores, chosen share minus rejected share.

    ``chosen_scores`` [p] and ``rejected_scores`` [q] are CLIP logits of the sub-sentences (logit scale times cosine).
    The result lies in [−1, 1]; a large value means an easy pair. Raises ``InvalidArgument`` for an empty list or a
    score that is not finite.
    """
    return _call(_abi.dama_hardness, chosen_scores, rejected_scores)


def hardness_from_scores(chosen_scores: ArrayLike, rejected_scores: ArrayLike) -> float:
    """δ of one pair as in the ablation of Table 2: Σ chosen scores / Σ rejected scores, Eq. (4), without a softmax.

    ``chosen_scores`` [p] and ``rejected_scores`` [q] are as for :func:`hardness`. Raises ``InvalidArgument`` for an
    empty list, a score that is not finite, or rejected scores whose sum is 0.
    """
    return _call(_abi.dama_hardness_from_scores, chosen_scores, rejected_scores)


def alpha_data(delta: ArrayLike, mean_delta: Optional[float] = None) -> NDArray[np.float64]:
    """α_D = σ(δ) / σ(δ̄) of pairs, Eq. (7).

    ``delta`` [n] are hardnesses; ``mean_delta`` is the dataset's mean, by default the mean of ``delta``. Raises
    ``InvalidArgument`` if a number is not finite.
    """
    values = np.ascontiguousarray(as_doubles(delta))
    result = np.empty(values.shape)
    mean = float("nan") if mean_delta is None else mean_delta
    check(_abi.dama_alpha_data(values.ctypes.data, values.size, mean, result.ctypes.data))
    return result


def _call(function: Any, chosen_scores: ArrayLike, rejected_scores: ArrayLike) -> float:
    chosen = np.ascontiguousarray(chosen_scores, dtype=np.float32).reshape(-1)
    rejected = np.ascontiguousarray(rejected_scores, dtype=np.float32).reshape(-1)
    delta = ctypes.c_double()
    check(function(chosen.ctypes.data, chosen.size, rejected.ctypes.data, rejected.size, ctypes.byref(delta)))
    return delta.value
