"""Preference losses of the margin h with a β for each pair: values and derivatives.

h is the log-ratio margin of a pair, [log π(y_w) − log π_ref(y_w)] − [log π(y_l) − log π_ref(y_l)]. ∂ℓ/∂h is also
∂ℓ/∂log π(y_w), and the negative of ∂ℓ/∂log π(y_l). β is a constant in the derivative. The results are exact even for
margins of ±1e4 and more.

``margins`` and ``beta`` are arrays, lists, numbers or torch tensors that broadcast against each other::

    value, derivative = libdama.losses.sigmoid([1.5, -2.0], 0.1)
"""

from __future__ import annotations

from typing import NamedTuple, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._adaptive_beta_options import LOSSES, loss_parameter
from ._arrays import as_doubles
from ._native import check

__all__ = ["Loss", "cdpo", "hinge", "ipo", "robust", "sigmoid", "simpo"]


class Loss(NamedTuple):
    """ℓ and ∂ℓ/∂h, float64, in the shape that margins and β broadcast to.

    ``value``
        ℓ.
    ``derivative``
        ∂ℓ/∂h.
    """

    value: NDArray[np.float64]
    derivative: NDArray[np.float64]


def sigmoid(margins: ArrayLike, beta: ArrayLike) -> Loss:
    """−log σ(βh) of ``margins`` h and ``beta`` β: DPO, Eq. (3) (Rafailov et al., 2023)."""
    return _call("sigmoid", margins, beta)


def ipo(margins: ArrayLike, beta: ArrayLike) -> Loss:
    """(h − 1/(2β))² of ``margins`` h and ``beta`` β: IPO (Azar et al., 2024)."""
    return _call("ipo", margins, beta)


def hinge(margins: ArrayLike, beta: ArrayLike) -> Loss:
    """max(0, 1 − βh) of ``margins`` h and ``beta`` β: SLiC (Zhao et al., 2023). The derivative at the kink is 0."""
    return _call("hinge", margins, beta)


def cdpo(margins: ArrayLike, beta: ArrayLike, label_smoothing: float) -> Loss:
    """−(1 − ε) log σ(βh) − ε log σ(−βh) of ``margins`` h and ``beta`` β: conservative DPO (Mitchell, 2023).

    ``label_smoothing`` is ε in [0, 0.5), the share of labels that are taken for wrong.
    """
    return _call("cdpo", margins, beta, label_smoothing=label_smoothing)


def robust(margins: ArrayLike, beta: ArrayLike, label_smoothing: float) -> Loss:
    """(−(1 − ε) log σ(βh) + ε log σ(−βh)) / (1 − 2ε) of ``margins`` h and ``beta`` β: robust DPO (Chowdhury et al.,
    2024).

    ``label_smoothing`` is ε in [0, 0.5), the share of labels that are taken for wrong.
    """
    return _call("robust", margins, beta, label_smoothing=label_smoothing)


def simpo(margins: ArrayLike, beta: ArrayLike, simpo_margin: float) -> Loss:
    """−log σ(βh − γ) with ``beta`` β and ``simpo_margin`` γ ≥ 0: SimPO (Meng et al., 2024).

    ``margins`` h are differences of length-normalised log-probabilities of the policy, without a reference.
    """
    return _call("simpo", margins, beta, simpo_margin=simpo_margin)


def _call(
    name: str,
    margins: ArrayLike,
    beta: ArrayLike,
    label_smoothing: Optional[float] = None,
    simpo_margin: Optional[float] = None,
) -> Loss:
    h, b = np.broadcast_arrays(as_doubles(margins), as_doubles(beta))
    h, b = np.ascontiguousarray(h).reshape(h.shape), np.ascontiguousarray(b).reshape(b.shape)
    value, derivative = np.empty(h.shape), np.empty(h.shape)
    parameter = loss_parameter(name, label_smoothing, simpo_margin)
    check(
        _abi.dama_loss_evaluate(
            LOSSES[name], parameter, h.ctypes.data, b.ctypes.data, h.size, value.ctypes.data, derivative.ctypes.data
        )
    )
    return Loss(value, derivative)
