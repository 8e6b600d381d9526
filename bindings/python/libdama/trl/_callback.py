"""What has to happen after an update: the commit, the state in checkpoints, the metrics."""

from __future__ import annotations

import math
from typing import Any, Optional

import numpy as np
from transformers import TrainerCallback
from transformers.trainer_callback import ExportableState

from .._adaptive_beta import AdaptiveBeta, AdaptiveBetaStep
from .._errors import InvalidArgument
from .._repr import described


class DamaCallback(TrainerCallback, ExportableState):
    """Commits a controller's step after a real update, and keeps its state in ``trainer_state.json``.

    :class:`DamaDPOTrainer` adds it by itself. Another trainer, whose loss calls ``libdama.torch.plan``, gives it the
    controller and its ``accelerator``, which knows whether an update was skipped, and sets ``pending`` with each step.
    """

    def __init__(self, controller: Optional[AdaptiveBeta] = None, accelerator: Any = None) -> None:
        self.controller = controller
        self.accelerator = accelerator
        #: Set by the loss: a step was made for the update that is under way.
        self.pending = False
        #: The state that a checkpoint had, until the training begins.
        self.saved: Optional[dict[str, Any]] = None

    def __repr__(self) -> str:
        return described(self, lambda: {"controller": self.controller, "pending": self.pending})

    def state(self) -> dict[str, Any]:
        """For ``trainer_state.json``: the committed state."""
        saved = self.controller.state_dict() if self.controller is not None else self.saved
        return {"args": {}, "attributes": {"saved": saved}}

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Continues from the state in a checkpoint."""
        if self.controller is None:
            return
        name = type(self).__name__
        found = state.stateful_callbacks.get(name)
        saved = self.saved or (found or {}).get("attributes", {}).get("saved")
        if saved is not None and state.global_step > 0:
            self.controller.load_state_dict(saved)
        elif state.global_step > 0:
            raise InvalidArgument(
                f"the checkpoint at step {state.global_step} has no state of a controller; another trainer made it"
            )
        self.saved = None
        # transformers writes the states of the callbacks that were there at the start.
        state.stateful_callbacks[name] = self.state()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Commits, unless the optimizer left the update out, as a gradient scaler does where gradients overflow."""
        pending, self.pending = self.pending, False
        if not pending or self.controller is None:
            return
        if self.accelerator is None or not self.accelerator.optimizer_step_was_skipped:
            self.controller.commit()


def metrics_of(step: AdaptiveBetaStep, alpha: Optional[Any]) -> dict[str, float]:
    """The numbers of a step over the global batch, under the names of the log."""
    finite = np.isfinite(step.margins)
    found = {
        "dama/loss": step.loss,
        "dama/beta_mean": float(step.beta[finite].mean()) if finite.any() else math.nan,
        "dama/beta_min": float(step.beta.min()),
        "dama/beta_max": float(step.beta.max()),
        "dama/kept": float(step.kept),
        "dama/alpha_model": step.alpha_model,
        "dama/batch_gap": step.batch_gap,
        "dama/running_mean": step.running_mean,
        "dama/accuracy": step.accuracy,
        "dama/nonfinite": float(step.nonfinite),
        "dama/rewards_chosen": float(step.reward_chosen[finite].mean()) if finite.any() else math.nan,
        "dama/rewards_rejected": float(step.reward_rejected[finite].mean()) if finite.any() else math.nan,
    }
    if alpha is not None and len(alpha) >= 3:
        # α_D grows with δ: a small α_D is a pair that is hard to tell apart.
        order = np.argsort(alpha, kind="stable")
        for name, places in zip(("hard", "medium", "easy"), np.array_split(order, 3)):
            margins = step.margins[places]
            margins = margins[np.isfinite(margins)]
            if len(margins):
                found[f"dama/margin_{name}"] = float(margins.mean())
    return found
