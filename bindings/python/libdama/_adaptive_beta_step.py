"""The result of a step of adaptive β, and the memory that steps share."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._repr import described

#: The arrays of the result, in the order of the block's rows.
ROWS = (
    "beta", "margins", "losses", "grad_chosen", "grad_rejected",
    "reward_chosen", "reward_rejected", "plain_reward_chosen", "plain_reward_rejected",
)  # fmt: skip


class AdaptiveBetaStep:
    """Result of :meth:`AdaptiveBeta.step`: arrays over the pairs of the slice, and numbers of the global batch."""

    __slots__ = (
        "_block", "mask", "loss", "slice_loss", "alpha_model", "batch_gap", "running_mean", "accuracy", "kept",
        "kept_in_slice", "nonfinite", "normalized", "sampled_uniformly",
    )  # fmt: skip

    #: Which pairs are kept, bool.
    mask: NDArray[np.bool_]
    #: L = Σ mask·ℓ / Σ mask over the global batch.
    loss: float
    #: The part of :attr:`loss` that the slice contributes; the parts of all ranks add up to it.
    slice_loss: float
    #: α_M, Eq. (13).
    alpha_model: float
    #: R_B, Eq. (12): mean of the kept gaps.
    batch_gap: float
    #: The R̄ that this step used.
    running_mean: float
    #: Share of the global batch's finite margins that are above 0.
    accuracy: float
    #: Pairs kept in the global batch.
    kept: int
    #: Pairs kept in the slice.
    kept_in_slice: int
    #: Pairs of the global batch with a non-finite gap; they are masked.
    nonfinite: int
    #: Whether the guard let Eq. (10) divide by R̄.
    normalized: bool
    #: Whether the filter's weights were degenerate and it sampled uniformly.
    sampled_uniformly: bool

    def __init__(
        self, block: NDArray[np.float64], mask: NDArray[np.bool_], result: _abi.dama_preference_result
    ) -> None:
        self._block = block
        self.mask = mask
        self.loss = result.loss
        self.slice_loss = result.slice_loss
        self.alpha_model = result.alpha_model
        self.batch_gap = result.batch_gap
        self.running_mean = result.running_mean
        self.accuracy = result.accuracy
        self.kept = result.kept
        self.kept_in_slice = result.kept_in_slice
        self.nonfinite = result.nonfinite
        self.normalized = result.normalized != 0
        self.sampled_uniformly = result.sampled_uniformly != 0

    @property
    def beta(self) -> NDArray[np.float64]:
        """β_i, Eq. (17), within floor and ceiling."""
        return self._block[0]

    @property
    def margins(self) -> NDArray[np.float64]:
        """h_i, the log-ratio margins; not finite if the log-probabilities are not."""
        return self._block[1]

    @property
    def losses(self) -> NDArray[np.float64]:
        """ℓ_i, also of masked pairs; 0 if the margin is not finite."""
        return self._block[2]

    @property
    def grad_chosen(self) -> NDArray[np.float64]:
        """∂L/∂log π(y_w); 0 for masked pairs."""
        return self._block[3]

    @property
    def grad_rejected(self) -> NDArray[np.float64]:
        """∂L/∂log π(y_l); 0 for masked pairs."""
        return self._block[4]

    @property
    def reward_chosen(self) -> NDArray[np.float64]:
        """β_i (log π − log π_ref) of the chosen response."""
        return self._block[5]

    @property
    def reward_rejected(self) -> NDArray[np.float64]:
        """β_i (log π − log π_ref) of the rejected response."""
        return self._block[6]

    @property
    def plain_reward_chosen(self) -> NDArray[np.float64]:
        """The chosen response's reward with the base β, comparable between methods and steps."""
        return self._block[7]

    @property
    def plain_reward_rejected(self) -> NDArray[np.float64]:
        """The rejected response's reward with the base β."""
        return self._block[8]

    def of_rows(self) -> AdaptiveBetaStep:
        """Itself, with the numbers of the slice taken from its arrays, which are a choice of the batch's rows."""
        self.kept_in_slice = int(self.mask.sum())
        self.slice_loss = float(self.losses[self.mask].sum() / self.kept)
        return self

    def __repr__(self) -> str:
        return described(self, lambda: {
            "loss": self.loss, "alpha_model": self.alpha_model, "kept": self.kept, "nonfinite": self.nonfinite,
            "accuracy": self.accuracy, "pairs": len(self.mask),
        })  # fmt: skip


class Workspace:
    """The memory of a step over N pairs, and C structs that point to it: a step is then only copies and one call."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.doubles = np.zeros((5, count))
        self.lengths = np.zeros((2, count), dtype=np.int64)
        self.block = np.zeros((len(ROWS), count))
        self.mask = np.zeros(count, dtype=np.bool_)
        self.inputs = [row.ctypes.data for row in (*self.doubles, *self.lengths)]
        self.rows = (*self.doubles, *self.lengths)
        self.batch, self.result = _abi.dama_preference_batch(), _abi.dama_preference_result()
        _abi.dama_preference_batch_init(self.batch)
        _abi.dama_preference_result_init(self.result)
        self.batch.count = self.result.capacity = count
        self.batch.policy_chosen, self.batch.policy_rejected = self.inputs[:2]
        self.result.mask = self.mask.ctypes.data
        for name, row in zip(ROWS, self.block):
            setattr(self.result, name, row.ctypes.data)
