"""Gradient accumulation: the gaps of the whole batch before the first backward pass."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Optional

import numpy as np
import torch
from numpy.typing import NDArray

from .._adaptive_beta import AdaptiveBeta, AdaptiveBetaStep
from .._arrays import as_doubles
from .._errors import DamaError, InvalidArgument, ShapeMismatch
from .._repr import described
from ._gather import Gathered, fail_together, gather_pairs, is_distributed
from ._loss import check_exact, fixed_gradient, step_over

_COLUMNS = (
    "chosen", "rejected", "reference_chosen", "reference_rejected", "alpha", "chosen_lengths", "rejected_lengths",
)  # fmt: skip


@dataclass
class MicroPlan:
    """What the backward pass of one micro-batch needs: made by :func:`plan`."""

    #: The place of the micro-batch among those of this rank.
    index: int
    #: Which of its pairs are kept.
    mask: NDArray[np.bool_]
    #: β of its pairs.
    beta: NDArray[np.float64]
    #: ∂L/∂log π of its pairs, of the global loss; 0 where masked.
    grad_chosen: NDArray[np.float64]
    grad_rejected: NDArray[np.float64]
    #: Its part of the global loss: the parts of all micro-batches of all ranks add up to ``step.loss``.
    part: float
    #: No pair is kept, and every rank can leave one out here: no forward and no backward pass is needed.
    skip: bool
    #: The ranks by which gradients are divided afterwards; :meth:`loss` makes up for it.
    scale: int
    #: The step, whose arrays cover the global batch in the order of ``gathered``.
    step: AdaptiveBetaStep
    #: The global batch in the sampler's order.
    gathered: Gathered
    _generators: list[Any] = field(default_factory=list, repr=False)

    def __repr__(self) -> str:
        return described(self, lambda: {"index": self.index, "pairs": len(self.mask), "kept": int(self.mask.sum()),
                                        "part": self.part, "skip": self.skip})  # fmt: skip

    def kept(self) -> MicroPlan:
        """The plan of the kept pairs alone, for a second pass that leaves the others out of the micro-batch.

        Their part of the loss and their gradients are those of the whole micro-batch, since masked pairs have none. The
        places of the kept pairs are those where :attr:`mask` is true. Dropout then draws other numbers.
        """
        rows = self.mask
        return replace(
            self, mask=rows[rows], beta=self.beta[rows], grad_chosen=self.grad_chosen[rows],
            grad_rejected=self.grad_rejected[rows],
        )  # fmt: skip

    def loss(self, chosen: Any, rejected: Any) -> Any:
        """The micro-batch's part of the loss as a tensor for ``backward()``, from its log-probabilities with gradients.

        The value is multiplied by the ranks, if gradients are averaged over them: averaged and added up over
        micro-batches it is the global loss. It is not to be divided by the number of micro-batches.
        """
        for name, values in (("chosen", chosen), ("rejected", rejected)):
            if tuple(values.shape) != self.mask.shape:
                raise ShapeMismatch(
                    f"{name} of micro-batch {self.index} has shape {tuple(values.shape)}; the first pass had "
                    f"{self.mask.shape}"
                )
        return fixed_gradient(
            self.part * self.scale, chosen, rejected, self.grad_chosen * self.scale, self.grad_rejected * self.scale
        )

    @contextlib.contextmanager
    def replay(self) -> Iterator[None]:
        """Sets torch's generators to what the first pass began with: dropout then draws the same numbers again."""
        for device, state in self._generators:
            if device is None:
                torch.set_rng_state(state)
            else:
                torch.cuda.set_rng_state(state, device)
        yield


def plan(
    controller: AdaptiveBeta,
    forward: Callable[[Any], Sequence[Any]],
    micro_batches: Sequence[Any],
    group: Optional[Any] = None,
    *,
    averaged: bool = True,
) -> list[MicroPlan]:
    """One step over a batch of several micro-batches on one or several ranks, before any backward pass.

    Mask, α_M and divisor are those of the whole batch, so its gaps have to be known first. ``forward(micro_batch)``
    returns (log π chosen, log π rejected, reference chosen, reference rejected, α_D, lengths of both responses),
    tensors [n]; all but the first two may be None or left out, as for :func:`preference_loss`. It is called without
    gradients for every micro-batch. Then::

        for micro, batch in zip(plan(controller, forward, batches), batches):
            if not micro.skip:
                with micro.replay():                      # only needed with dropout
                    chosen, rejected = log_probabilities(batch)
                micro.loss(chosen, rejected).backward()   # not divided by the number of micro-batches
        optimizer.step()
        controller.commit()

    A micro-batch that is masked whole can be left out (``skip``). Every rank leaves out the same number, so that
    collectives of forward and backward passes still meet; wrappers that reduce gradients in the last backward pass, as
    DDP does, need those that are left out first. At least one stays, unless the controller drops the batch. ``group``
    and ``averaged`` are as for :func:`preference_loss`.
    """
    found: list[dict[str, Any]] = []
    generators: list[list[Any]] = []
    with torch.no_grad():
        for batch in micro_batches:
            generators.append(_generators())
            found.append(_named(forward(batch)))
    try:
        columns, lengths = _joined(found)
    except DamaError as error:
        fail_together(error, group)
        raise
    keys = np.repeat(np.arange(len(found)), lengths)
    gathered = gather_pairs(columns, keys, group)
    step = step_over(controller, gathered.columns, None)
    scale = torch.distributed.get_world_size(group) if is_distributed() and averaged else 1
    kept = [step.mask[gathered.rows[keys == index]] for index in range(len(found))]
    spare = len(found) - _longest(gathered, step.mask)
    skipped = [index for index, mask in enumerate(kept) if not mask.any()][: max(spare, 0)]
    plans = []
    for index, mask in enumerate(kept):
        rows = gathered.rows[keys == index]
        plans.append(
            MicroPlan(
                index=index,
                mask=mask,
                beta=step.beta[rows],
                grad_chosen=step.grad_chosen[rows],
                grad_rejected=step.grad_rejected[rows],
                part=float(step.losses[rows[mask]].sum()) / max(step.kept, 1),
                skip=index in skipped,
                scale=scale,
                step=step,
                gathered=gathered,
                _generators=generators[index],
            )
        )
    return plans


def _longest(gathered: Gathered, mask: NDArray[np.bool_]) -> int:
    """The most micro-batches of one rank that keep a pair: every rank has to run as many."""
    kept = {(int(rank), int(key)) for rank, key in zip(gathered.ranks[mask], gathered.keys[mask])}
    counts = np.bincount([rank for rank, _ in kept], minlength=1)
    return int(counts.max())


def _named(columns: Sequence[Any]) -> dict[str, Any]:
    """What ``forward`` returned, by name."""
    if not 2 <= len(columns) <= len(_COLUMNS):
        raise InvalidArgument(f"forward returned {len(columns)} values; it must return {', '.join(_COLUMNS)}")
    return dict(zip(_COLUMNS, columns))


def _joined(found: list[dict[str, Any]]) -> tuple[dict[str, Any], list[int]]:
    """The columns over all micro-batches of this rank, and their lengths."""
    if not found:
        raise InvalidArgument("there is no micro-batch; every rank needs at least one")
    lengths = [len(columns["chosen"]) for columns in found]
    joined: dict[str, Any] = {}
    for name in _COLUMNS:
        values: list[Any] = [columns.get(name) for columns in found]
        missing = [index for index, value in enumerate(values) if value is None]
        if len(missing) == len(values):
            continue
        if missing:
            raise InvalidArgument(f"micro-batch {missing[0]} has no {name}, another one has")
        for index, value in enumerate(values):
            if np.shape(value) != (lengths[index],):
                raise ShapeMismatch(
                    f"{name} of micro-batch {index} has shape {tuple(np.shape(value))}; chosen has ({lengths[index]},)"
                )
            if name in _COLUMNS[2:5]:
                check_exact(**{name: value})
        alike = all(isinstance(value, torch.Tensor) and value.device == values[0].device for value in values)
        joined[name] = torch.cat(values) if alike else np.concatenate([as_doubles(value) for value in values])
    return joined, lengths


def _generators() -> list[tuple[Optional[int], Any]]:
    """The states of the generators that a forward pass draws from, by CUDA device; None is the CPU."""
    states: list[tuple[Optional[int], Any]] = [(None, torch.get_rng_state())]
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        device = torch.cuda.current_device()
        states.append((device, torch.cuda.get_rng_state(device)))
    return states
