"""The metrics of a training step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import _abi


@dataclass(frozen=True)
class StepMetrics:
    """The metrics of one step. Means are over the pairs of the batch.

    ``step``
        Updates so far, including this one.
    ``loss``
        L over the kept pairs.
    ``alpha_model``
        α_M, Eq. (13).
    ``running_mean``
        R̄ after the step, Eq. (15).
    ``accuracy``
        Share of pairs whose chosen response gained more than the rejected one.
    ``beta_mean``, ``beta_min``, ``beta_max``
        Mean, smallest and largest β_i, Eq. (17).
    ``margin_mean``
        Mean of the log-ratio margin h.
    ``reward_chosen``, ``reward_rejected``
        Means of the implicit rewards.
    ``gap_by_third``
        Mean of h times the base β over the pairs of each third by hardness, hardest first; NaN for an empty
        third.
    ``gradient_norm``
        The global norm before clipping.
    ``learning_rate``
        The learning rate of this update.
    ``pairs``
        N, the pairs of the batch.
    ``kept``
        Number of pairs that the filter kept for the loss.
    ``tokens``
        Tokens of images, prompts and responses.
    ``updated``
        False if loss or gradient were not finite; weights, moments and controller are then unchanged.
    ``skipped``
        Updates skipped so far for that reason.
    ``seconds``
        Seconds of each phase: "prepare", "reference", "forward", "backward" and "update".
    ``margin_std``, ``loss_std``
        Standard deviations of h and of the pairs' losses, with divisor N − 1; NaN for a single pair.
    ``logps_chosen``, ``logps_rejected``, ``reference_chosen``, ``reference_rejected``
        Means of log π(y | I, x) by the policy and by the reference; NaN for a loss without a reference.
    ``beta_clamped``
        Number of pairs whose β is the floor or the ceiling.
    ``sft_loss``
        The kept chosen responses' mean negative log-likelihood per token; part of the loss with a
        ``sft_weight``.
    """

    step: int
    loss: float
    alpha_model: float
    running_mean: float
    accuracy: float
    beta_mean: float
    beta_min: float
    beta_max: float
    margin_mean: float
    reward_chosen: float
    reward_rejected: float
    gap_by_third: tuple[float, float, float]
    gradient_norm: float
    learning_rate: float
    pairs: int
    kept: int
    tokens: int
    updated: bool
    skipped: int
    seconds: dict[str, float]
    margin_std: float
    loss_std: float
    logps_chosen: float
    logps_rejected: float
    reference_chosen: float
    reference_rejected: float
    beta_clamped: int
    sft_loss: float


def step_metrics(it: _abi.dama_step_metrics) -> StepMetrics:
    phases = ("prepare", "reference", "forward", "backward", "update")
    values: dict[str, Any] = {name: getattr(it, name) for name in StepMetrics.__dataclass_fields__ if name != "seconds"}
    values["updated"] = bool(it.updated)
    values["gap_by_third"] = tuple(it.gap_by_third)
    return StepMetrics(**values, seconds={phase: getattr(it, f"seconds_{phase}") for phase in phases})
