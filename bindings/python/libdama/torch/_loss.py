"""The preference loss as a differentiable tensor: values and gradients of the controller, backward passes of torch."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from .._adaptive_beta import AdaptiveBeta, AdaptiveBetaStep
from .._errors import InvalidArgument
from ._gather import gather_pairs, is_distributed, to_doubles


class FixedGradient(torch.autograd.Function):
    """A number with given derivatives with respect to two tensors, which reach these in their own types."""

    @staticmethod
    def forward(ctx: Any, value: float, chosen: Any, rejected: Any, gradients: NDArray[np.float64]) -> Any:
        exact = torch.float64 if torch.float64 in (chosen.dtype, rejected.dtype) else torch.float32
        ctx.gradients = torch.from_numpy(gradients).to(device=chosen.device, dtype=exact)
        ctx.place, ctx.types = rejected.device, (chosen.dtype, rejected.dtype)
        return torch.tensor(value, dtype=exact, device=chosen.device)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weight: Any) -> Any:
        # Multiplied before it is rounded to a short type.
        chosen, rejected = (ctx.gradients * weight).unbind()
        return None, chosen.to(ctx.types[0]), rejected.to(device=ctx.place, dtype=ctx.types[1]), None


def fixed_gradient(
    value: float, chosen: Any, rejected: Any, by_chosen: NDArray[np.float64], by_rejected: NDArray[np.float64]
) -> Any:
    """The scalar tensor ``value``, whose gradients with respect to ``chosen`` and ``rejected`` are given."""
    return FixedGradient.apply(value, chosen, rejected, np.stack([by_chosen, by_rejected]))


def check_exact(**columns: Any) -> None:
    """Refuses sums of log-probabilities in a short type, which has lost them already."""
    for name, values in columns.items():
        dtype = getattr(values, "dtype", None)
        if dtype in (torch.bfloat16, torch.float16):
            raise InvalidArgument(
                f"{name} is {str(dtype).removeprefix('torch.')}, which rounds −79.9 to −80: keep sums of "
                "log-probabilities and α in float32 or float64"
            )


def preference_loss(
    chosen: Any,
    rejected: Any,
    reference_chosen: Optional[Any] = None,
    reference_rejected: Optional[Any] = None,
    alpha: Optional[Any] = None,
    *,
    controller: AdaptiveBeta,
    group: Optional[Any] = None,
    key: ArrayLike = 0,
    chosen_lengths: Optional[Any] = None,
    rejected_lengths: Optional[Any] = None,
    averaged: bool = True,
) -> tuple[Any, AdaptiveBetaStep]:
    """The loss of one global batch as a tensor for ``backward()``, and the step with mask, β and rewards.

    The arguments are tensors [n] of this rank's pairs: ``chosen``, ``rejected``, ``reference_chosen`` and
    ``reference_rejected`` are log π(y | I, x) of policy and reference, summed over the tokens; ``alpha`` is α_D (1 if
    it is not given). Losses of means divide the sums by ``chosen_lengths`` and ``rejected_lengths``, in tokens. The
    policy's may be on any device and of any floating type; the reference's and α_D must not be in half precision. All
    is computed in float64; the loss is float32 (float64 for float64), its gradients have the inputs' types. β is a
    constant of the gradient.

    Over several ranks of ``torch.distributed`` (``group``, by default all) the batch is that of all ranks, in the order
    of :func:`gather_pairs` with ``key``; the loss is the global one on every rank, and the step's arrays cover this
    rank's pairs. ``averaged`` says that gradients are averaged over the ranks afterwards, as DDP, FSDP and DeepSpeed
    do; with False they have to be added up. No state changes until ``controller.commit()``.
    """
    check_exact(reference_chosen=reference_chosen, reference_rejected=reference_rejected, alpha=alpha)
    for name, values in (("chosen", chosen), ("rejected", rejected)):
        if not (isinstance(values, torch.Tensor) and values.is_floating_point()):
            raise InvalidArgument(f"{name} must be a floating-point tensor [pairs], as the gradient goes to it")
    columns = dict(
        chosen=chosen, rejected=rejected, reference_chosen=reference_chosen, reference_rejected=reference_rejected,
        alpha=alpha, chosen_lengths=chosen_lengths, rejected_lengths=rejected_lengths,
    )  # fmt: skip
    if is_distributed():
        gathered = gather_pairs(columns, key, group)
        step = step_over(controller, gathered.columns, gathered.rows)
        scale = torch.distributed.get_world_size(group) if averaged else 1
    else:
        given = {name: values for name, values in columns.items() if values is not None}
        together = _is_alike(given)
        arrays = dict(zip(given, to_doubles(list(given.values())))) if together else given
        step, scale = step_over(controller, arrays, None), 1
    loss = fixed_gradient(step.loss, chosen, rejected, step.grad_chosen * scale, step.grad_rejected * scale)
    return loss, step


def step_over(
    controller: AdaptiveBeta, columns: dict[str, Any], rows: Optional[NDArray[np.int64]]
) -> AdaptiveBetaStep:
    """A step over the columns of :func:`preference_loss` by their names."""
    lengths: dict[str, Any] = {}
    for name in ("chosen_lengths", "rejected_lengths"):
        values = columns.get(name)
        if values is not None:
            lengths[name] = values.astype(np.int64) if isinstance(values, np.ndarray) else values
    return controller.step(
        columns["chosen"], columns["rejected"], columns.get("reference_chosen"), columns.get("reference_rejected"),
        columns.get("alpha"), rows=rows, **lengths,
    )  # fmt: skip


def _is_alike(columns: dict[str, Any]) -> bool:
    """Whether all are tensors [n] of one size, which then cross to the CPU together."""
    shapes = {tuple(values.shape) if isinstance(values, torch.Tensor) else None for values in columns.values()}
    return len(shapes) == 1 and None not in shapes and len(next(iter(shapes)) or ()) == 1
