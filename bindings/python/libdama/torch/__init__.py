"""Adaptive β in a PyTorch training loop: losses with gradients, several ranks, gradient accumulation.

::

    controller = AdaptiveBeta("paper", beta=0.1, batch=16)
    loss, step = preference_loss(chosen, rejected, reference_chosen, reference_rejected, alpha, controller=controller)
    loss.backward()
    optimizer.step()
    controller.commit()

:func:`plan` does the same for a batch of several micro-batches, :func:`gather_pairs` for several ranks. :func:`ranks` lets libdama's own trainer run on
the ranks of ``torch.distributed``. torch is
imported when one of the functions is first used; without it that is a ``MissingPackage``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _lazy
from .._adaptive_beta import AdaptiveBeta, AdaptiveBetaStep

if TYPE_CHECKING:
    from ._gather import Gathered, gather_pairs
    from ._logprobs import token_logprobs
    from ._loss import preference_loss
    from ._plan import MicroPlan, plan
    from ._ranks import ranks

__all__ = [
    "AdaptiveBeta",
    "AdaptiveBetaStep",
    "Gathered",
    "MicroPlan",
    "gather_pairs",
    "plan",
    "preference_loss",
    "ranks",
    "token_logprobs",
]

_PLACES = {
    "Gathered": "_gather",
    "MicroPlan": "_plan",
    "gather_pairs": "_gather",
    "plan": "_plan",
    "preference_loss": "_loss",
    "ranks": "_ranks",
    "token_logprobs": "_logprobs",
}


def __getattr__(name: str) -> Any:
    value = globals()[name] = _lazy.lookup(__name__, name, _PLACES, ("torch",), "torch")
    return value


def __dir__() -> list[str]:
    return __all__
