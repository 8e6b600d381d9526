"""TRL's DPO trainer with DAMA's loss."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import torch
import trl.trainer.dpo_trainer
from trl import DPOTrainer
from trl.trainer.utils import selective_log_softmax

from .. import kernels
from ._collator import PairCollator
from ._columns import BITS
from ._mixin import DamaMixin

#: Whether this TRL computes log-probabilities inside the model's forward pass, as it does from 1.11 on.
_FUSED = hasattr(trl.trainer.dpo_trainer, "add_fused_lm_head")

#: Keys of a batch that TRL does not pass to the model.
_NOT_THE_MODELS = {"completion_mask", "ref_chosen_logps", "ref_rejected_logps"}


class DamaDPOTrainer(DamaMixin, DPOTrainer):
    """``trl.DPOTrainer`` with the method of DAMA: hard pairs and responsiveness set the β of each pair.

    It takes all arguments of TRL's trainer, and ``dama``, a :class:`DamaConfig`. All of TRL's metrics are logged as
    before, rewards with the base β; those of the method are named ``dama/…``. Evaluation is TRL's, with the base β.
    With ``DamaConfig("dpo")`` everything is TRL's own code.
    """

    def create_accelerator_and_postprocess(self) -> None:
        """Also keeps TRL from loading a reference model that rows make needless."""
        super().create_accelerator_and_postprocess()
        if self.args.precompute_ref_log_probs and not self.dama.is_plain:
            # TRL's own values travel as ours do, too.
            self._dama_columns.add_precomputed()
        if self.dama.has_reference:
            # TRL decides after this whether it loads one. It asks this question of text datasets only earlier.
            self.args.precompute_ref_log_probs = True

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._dama_draws: Optional[bool] = None
        self._dama_outputs: Any = None
        super().__init__(*args, **kwargs)
        if self.dama.has_reference:
            self.args.precompute_ref_log_probs = False
            self.precompute_ref_logps = False
        if not self.dama.is_plain and getattr(self, "use_liger_kernel", False):
            # Up to 1.10, TRL's loss with Liger has no log-probabilities of its own. Liger's layers stay.
            self.use_liger_kernel = False

    def _dama_collator(self, is_given: bool) -> Any:
        if self._is_vision_dataset and self.dama.has_cache and not is_given:
            # The cache holds log-probabilities of prompt and response as one text.
            return PairCollator(self.processing_class, self.args.max_length)
        return self.data_collator

    def _precompute_ref_logps(self, dataset: Any, name: str, batch_size: int) -> Any:
        """TRL's pass over the dataset, unless the rows have the reference's log-probabilities already."""
        if self.dama.has_reference and self.dama.reference != "precompute":
            return dataset
        return super()._precompute_ref_logps(dataset, name, batch_size)

    def evaluate(self, eval_dataset: Any = None, *args: Any, **kwargs: Any) -> Any:
        if eval_dataset is not None and not isinstance(eval_dataset, str):
            eval_dataset = self._with_columns(eval_dataset, "eval_dataset")
        return super().evaluate(eval_dataset, *args, **kwargs)

    def _pair_logps(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        given = {name: value for name, value in batch.items() if name not in _NOT_THE_MODELS}
        if _FUSED:
            labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, kernels.IGNORED_LABEL)
            given.update(labels=labels, fused_lm_head=True)
        if self._dama_routes():
            given["output_router_logits"] = True
        outputs = model(**given, use_cache=False)
        self._dama_outputs = outputs if self._dama_routes() else None
        return self._dama_sums(outputs, batch)

    def _kept_pairs(self, model: Any, batch: dict[str, Any], mask: Any) -> Optional[dict[str, Any]]:
        # Every tensor must have a row for each response: some processors put the patches of all images in one.
        tensors = {name: value for name, value in batch.items() if isinstance(value, torch.Tensor) and value.dim() > 0}
        both, references = 2 * len(mask), {"ref_chosen_logps", "ref_rejected_logps"}
        if any(len(value) != both for name, value in tensors.items() if name not in references):
            return None
        # Dropout would draw other numbers than in the first pass, and experts are balanced over all pairs.
        if self._dama_draws is None:
            self._dama_draws = has_dropout(model)
        if self._dama_routes() or self._dama_draws:
            return None
        rows = torch.from_numpy(np.flatnonzero(np.concatenate([mask, mask])))
        cut = {name: value[rows.to(value.device)] for name, value in tensors.items() if name not in references}
        return {**batch, **cut}

    def _dama_routes(self) -> bool:
        """Whether a mixture of experts adds its balancing loss."""
        return bool(getattr(self, "aux_loss_enabled", False))

    def _extra_loss(self) -> Any:
        # TRL adds the mean over micro-batches, also over pairs that the method masks.
        if self._dama_outputs is None:
            return 0
        outputs, self._dama_outputs = self._dama_outputs, None
        return self.router_aux_loss_coef * outputs.aux_loss / len(self._dama_plans)

    def _dama_skips(self) -> bool:
        return super()._dama_skips() and not self._dama_routes()

    def _dama_sums(self, outputs: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """Sums over the tokens of each response, as TRL forms them."""
        mask = batch["completion_mask"][..., 1:]
        tokens = getattr(outputs, "log_probs", None)
        if tokens is None:
            # The operation of TRL's reference pass: at the start, all gaps have to be exactly 0.
            logits = outputs.logits[:, -mask.size(1) - 1 : -1]
            tokens = selective_log_softmax(logits, batch["input_ids"][:, 1:]).where(mask.bool(), 0)
        # Prompt-learning adapters prepend virtual tokens.
        tokens = tokens[:, -mask.size(1) :]
        if self.ld_alpha is not None:
            lengths = mask.sum(dim=1)
            shared = torch.minimum(*lengths.chunk(2)).repeat(2)
            places = mask.cumsum(dim=1)
            tail = (places > shared[:, None]).to(tokens.dtype)
            tokens = tokens * (1 - tail + self.ld_alpha * tail)
        # FSDP gives a model's outputs the type of mixed precision, and a sum in bfloat16 makes a −79.9 a −80.
        chosen, rejected = tokens.float().sum(dim=1).chunk(2)
        return chosen, rejected

    def compute_ref_log_probs(self, model: Any, inputs: dict[str, Any]) -> Any:
        """TRL's forward pass of the reference, with the sums of :meth:`_dama_sums`."""
        if self.dama.is_plain:
            return super().compute_ref_log_probs(model, inputs)
        # An evaluation of other rows computes their reference after our collator is in place.
        inputs = {name: value for name, value in inputs.items() if name != BITS}
        seen: list[Any] = []

        def recorded(**given: Any) -> Any:
            seen.append(model(**given))
            return seen[-1]

        super().compute_ref_log_probs(recorded, inputs)
        return self._dama_sums(seen[0], inputs)

    def _lengths(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        if self.loss_types[0] not in ("ipo", "sigmoid_norm"):
            return None, None
        chosen, rejected = batch["completion_mask"].sum(dim=1).clamp(min=1).chunk(2)
        return chosen, rejected

    def _reference_logps(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        if self.precompute_ref_logps:
            return batch["ref_chosen_logps"], batch["ref_rejected_logps"]
        chosen, rejected = self.compute_ref_log_probs(self.ref_model or self.model, batch)
        return chosen, rejected

    def _first_pass(self, model: Any, batch: dict[str, Any], reference: tuple[Any, Any]) -> tuple[Any, Any]:
        """TRL's whole loss of the micro-batch, for its metrics; its forward pass is the one that is needed."""
        seen: list[Any] = []

        def recorded(**inputs: Any) -> Any:
            seen.append(model(**inputs))
            return seen[-1]

        self._dama_plain_loss(recorded, dict(batch), dict(zip(("reference_chosen", "reference_rejected"), reference)))
        return self._dama_sums(seen[0], batch)

    def _dama_plain_loss(self, model: Any, inputs: Any, columns: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        if not self._dama_has_reference(columns):
            return super()._dama_plain_loss(model, inputs, columns, *args, **kwargs)
        self._dama_check_tokens(inputs, columns)
        # Set here, after the inputs have been prepared: DeepSpeed has cast its floats by now.
        for name in ("chosen", "rejected"):
            inputs[f"ref_{name}_logps"] = columns[f"reference_{name}"].float().to(inputs["input_ids"].device)
        before, self.precompute_ref_logps = self.precompute_ref_logps, True
        try:
            return super()._dama_plain_loss(model, inputs, columns, *args, **kwargs)
        finally:
            self.precompute_ref_logps = before


def has_dropout(model: Any) -> bool:
    """Whether a forward pass of ``model`` in training draws random numbers, as far as its modules name it."""
    for module in model.modules():
        for name, value in vars(module).items():
            is_rate = "dropout" in name or "drop_path" in name or (name == "p" and "Dropout" in type(module).__name__)
            if is_rate and isinstance(value, (int, float)) and value > 0:
                return True
    return False
