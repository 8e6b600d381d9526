"""The step over a whole update inside transformers' ``Trainer``: for DPO trainers of any kind."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any, Optional

import torch
from transformers import Trainer

from .._adaptive_beta import AdaptiveBeta
from .._errors import InvalidArgument, ShapeMismatch, Unsupported
from ..torch._plan import MicroPlan, plan
from ._callback import DamaCallback, metrics_of
from ._columns import REFERENCE, Columns, pop_columns, with_reference
from ._config import DamaConfig

#: Keywords of a trainer that hold datasets.
_DATASETS = ("train_dataset", "eval_dataset")

#: How trainers of TRL before 1.0, and those that derive from them, name the reference's log-probabilities.
_REFERENCES = ("compute_ref_log_probs", "compute_reference_log_probs")


class DamaMixin:
    """Before a DPO trainer in the order of base classes, it gives it DAMA's loss.

    ``Trainer.get_batch_samples`` hands over all micro-batches of an update. The first of their training steps runs
    :func:`libdama.torch.plan`: forward passes without gradients over all of them, one step of the controller over the
    batch of all ranks. Every training step then takes the fixed gradients of its micro-batch. A subclass says how its
    trainer computes log-probabilities: :meth:`_pair_logps` and :meth:`_reference_logps`, and :meth:`_first_pass` if the
    first pass is to leave metrics. ``dama`` is a :class:`DamaConfig`, by default the paper's method; the other
    arguments are the trainer's.
    """

    # What transformers' Trainer has.
    args: Any
    accelerator: Any
    model: Any
    data_collator: Any
    callback_handler: Any
    _signature_columns: Any

    def __init__(self, *args: Any, dama: Optional[DamaConfig] = None, **kwargs: Any) -> None:
        self.dama = DamaConfig() if dama is None else dama
        if not isinstance(self.dama, DamaConfig):
            raise InvalidArgument(f"dama is a {type(dama).__name__}; it must be a DamaConfig")
        self._dama_columns = Columns(self.dama)
        args, kwargs = self._named_arguments(inspect.signature(super().__init__), args, kwargs)
        for name in _DATASETS:
            if kwargs.get(name) is not None:
                kwargs[name] = self._with_columns(kwargs[name], name)
        self._dama_batches: list[Any] = []
        self._dama_plans: list[MicroPlan] = []
        self._dama_order: list[int] = []
        self._dama_turn = 0
        if not self.dama.is_plain and hasattr(Trainer, "loss_is_scaled_for_ga"):
            # The parts of the micro-batches add up to the loss, and Trainer is not to divide them by their number.
            self.loss_is_scaled_for_ga = True
        super().__init__(*args, **kwargs)
        collator = self._dama_collator(kwargs.get("data_collator") is not None)
        self.data_collator = self._dama_columns.collator(collator)
        if self.dama.is_plain:
            return
        if getattr(self.args, "auto_find_batch_size", False):
            raise Unsupported("auto_find_batch_size changes the batch, and with it K and α_M; set it to False")
        # LLaMA-Factory's trainer has β and the loss itself, not its arguments.
        settings = self.args if hasattr(self.args, "beta") else self
        self.controller = self.dama.controller(self._dama_batch_size(), settings, hasattr(self, "dpo_loss"))
        self.dama_callback = DamaCallback(self.controller, self.accelerator)
        self.add_callback(self.dama_callback)  # type: ignore[attr-defined]

    @staticmethod
    def _named_arguments(
        signature: inspect.Signature, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Positional arguments by their names, as far as the trainer names them."""
        names = [name for name, it in signature.parameters.items() if it.kind is it.POSITIONAL_OR_KEYWORD]
        twice = set(names[: len(args)]) & set(kwargs)
        if twice:
            raise TypeError(f"got multiple values for argument {twice.pop()!r}")
        return args[len(names) :], {**dict(zip(names, args)), **kwargs}

    def _pair_logps(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """log π of chosen and rejected responses of a micro-batch, [pairs] each, with gradients where they are enabled.

        By default what trainers of TRL before 1.0, and those that derive from them, name ``concatenated_forward``.
        """
        return _both(self.concatenated_forward(model, batch))  # type: ignore[attr-defined]

    def _reference_logps(self, model: Any, batch: dict[str, Any]) -> tuple[Any, Any]:
        """log π_ref of both responses, where rows do not bring them."""
        found = self.compute_ref_log_probs(batch)  # type: ignore[attr-defined]
        return found[0], found[1]

    def _first_pass(self, model: Any, batch: dict[str, Any], reference: tuple[Any, Any]) -> tuple[Any, Any]:
        """:meth:`_pair_logps` without gradients; where the trainer has metrics of a batch, they are taken here.

        By default those of ``get_batch_loss_metrics``, as trainers of TRL before 1.0 name it.
        """
        if not hasattr(self, "get_batch_loss_metrics"):
            return self._pair_logps(model, batch)
        forward, seen = self.concatenated_forward, []  # type: ignore[attr-defined]

        def recorded(*args: Any, **kwargs: Any) -> Any:
            seen.append(forward(*args, **kwargs))
            return seen[-1]

        # Its forward pass is the one that is needed, and the reference is known.
        stand_ins = {"concatenated_forward": recorded, **{name: lambda *_, **__: reference for name in _REFERENCES}}
        vars(self).update(stand_ins)
        try:
            _, metrics = self.get_batch_loss_metrics(model, dict(batch), train_eval="train")
        finally:
            for name in stand_ins:
                del vars(self)[name]
        self.store_metrics(metrics, train_eval="train")  # type: ignore[attr-defined]
        return _both(seen[0])

    def _extra_loss(self) -> Any:
        """What the trainer adds to the preference loss of the micro-batch that :meth:`_pair_logps` had last."""
        return 0

    def _kept_pairs(self, model: Any, batch: dict[str, Any], mask: Any) -> Optional[dict[str, Any]]:
        """The micro-batch without its masked pairs, or None where they have to stay."""
        return None

    def _dama_skips(self) -> bool:
        """Whether micro-batches that are masked whole are left out."""
        return self.dama.skip_masked

    def _lengths(self, batch: dict[str, Any]) -> tuple[Any, Any]:
        """The token counts that log-probabilities are divided by, for losses of averages; otherwise None."""
        return None, None

    def _dama_collator(self, is_given: bool) -> Any:
        """The collator that our columns travel beside. ``is_given`` if the caller chose it."""
        return self.data_collator

    # Data

    def _with_columns(self, dataset: Any, name: str) -> Any:
        """The dataset, checked, with the reference's columns from a cache. A dict is one of datasets."""
        if isinstance(dataset, dict):
            return type(dataset)({key: self._with_columns(value, f"{name}[{key!r}]") for key, value in dataset.items()})
        if name == "train_dataset":
            self._dama_columns.check(dataset, name)
        if self.dama.has_cache:
            return with_reference(dataset, self.dama.reference)
        return dataset

    def _set_signature_columns_if_needed(self) -> None:
        """Adds our columns to those that ``remove_unused_columns`` keeps."""
        super()._set_signature_columns_if_needed()  # type: ignore[misc]
        have = list(self._signature_columns)
        self._signature_columns = have + [name for name in self._dama_columns.sources.values() if name not in have]

    # An update

    def _dama_batch_size(self) -> int:
        """N: the pairs of an update on all ranks."""
        size = self.args.per_device_train_batch_size * self.args.gradient_accumulation_steps
        return int(size) * int(self.accelerator.num_processes)

    def get_batch_samples(self, epoch_iterator: Iterator[Any], num_batches: int, device: Any) -> tuple[list[Any], Any]:
        """Remembers the micro-batches of the update. With ``last_batch="drop"`` a smaller update has none."""
        batches, items = super().get_batch_samples(epoch_iterator, num_batches, device)  # type: ignore[misc]
        if not self.dama.is_plain:
            if self.dama.last_batch == "drop" and batches:
                pairs = torch.tensor(sum(_pairs(batch) for batch in batches), device=self.args.device)
                if int(self.accelerator.gather(pairs.reshape(1)).sum()) < self._dama_batch_size():
                    return [], items
            self._dama_batches, self._dama_plans, self._dama_turn = batches, [], 0
        return batches, items

    def training_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """One backward pass. Micro-batches that are left out come first, because wrappers reduce in the last one."""
        if self.dama.is_plain:
            return super().training_step(model, inputs, *args, **kwargs)  # type: ignore[misc]
        if not self._dama_plans:
            self._dama_plan(model)
        if self._dama_turn >= len(self._dama_order):
            raise ShapeMismatch("more training steps than micro-batches: get_batch_samples was not called")
        micro = self._dama_plans[self._dama_order[self._dama_turn]]
        self._dama_turn += 1
        if micro.skip and self._dama_skips():
            return torch.zeros((), device=self.args.device)
        batch = {**self._dama_batches[micro.index], "dama_micro": micro.index}
        return super().training_step(model, batch, *args, **kwargs)  # type: ignore[misc]

    def _dama_plan(self, model: Any) -> None:
        """The first pass over all micro-batches, and the controller's step."""
        model.train()

        def forward(batch: Any) -> tuple[Any, ...]:
            inputs = self._prepare_inputs(batch)  # type: ignore[attr-defined]
            with self.compute_loss_context_manager():  # type: ignore[attr-defined]
                columns = pop_columns(inputs, self._dama_columns.sources)
                if "alpha" in self._dama_columns.sources and "alpha" not in columns:
                    raise InvalidArgument(f"a batch has no column {self.dama.alpha_column!r}, α_D of its pairs")
                reference = self._dama_reference(model, inputs, columns)
                chosen, rejected = self._first_pass(model, inputs, reference)
            return (chosen, rejected, *reference, columns.get("alpha"), *self._lengths(inputs))

        self._dama_plans = plan(self.controller, forward, self._dama_batches)
        for batch in self._dama_batches:
            pop_columns(batch, self._dama_columns.sources)
        self._dama_order = list(range(len(self._dama_plans)))
        if self._dama_skips():
            self._dama_order.sort(key=lambda index: not self._dama_plans[index].skip)
        self.dama_callback.pending = True
        first = self._dama_plans[0]
        for name, value in metrics_of(first.step, first.gathered.columns.get("alpha")).items():
            self._dama_log(name, value)

    def _dama_log(self, name: str, value: float) -> None:
        """Adds a number to the metrics of the training, which TRL averages until it logs them."""
        if hasattr(self, "_metrics"):
            self._metrics["train"][name].append(value)
        elif hasattr(self, "store_metrics"):
            self.store_metrics({name: value}, train_eval="train")

    def _dama_reference(self, model: Any, inputs: dict[str, Any], columns: dict[str, Any]) -> tuple[Any, Any]:
        """The reference's log-probabilities of a micro-batch: those of its rows, or of the reference model."""
        if not self._dama_has_reference(columns):
            return self._reference_logps(model, inputs)
        self._dama_check_tokens(inputs, columns)
        device = self.args.device
        # float64 is not on every device. float32 keeps a sum of log-probabilities to 8 digits.
        return columns["reference_chosen"].float().to(device), columns["reference_rejected"].float().to(device)

    def _dama_has_reference(self, columns: dict[str, Any]) -> bool:
        """Whether the rows of a batch bring the reference; an error if they should."""
        found = "reference_chosen" in columns and "reference_rejected" in columns
        if not found and self.dama.has_reference:
            names = self.dama.reference_columns or REFERENCE[:2]
            raise InvalidArgument(f"a batch has no columns {names[0]!r} and {names[1]!r}, the reference's values")
        return found

    def _dama_check_tokens(self, inputs: dict[str, Any], columns: dict[str, Any]) -> None:
        """Refuses a reference that was computed over other tokens, as another template gives."""
        if "chosen_tokens" not in columns or "completion_mask" not in inputs:
            return
        trained = inputs["completion_mask"][:, 1:].sum(1).cpu().chunk(2)
        for role, counts in zip(("chosen", "rejected"), trained):
            bad = (columns[f"{role}_tokens"] != counts).nonzero()
            if len(bad):
                row = int(bad[0])
                raise InvalidArgument(
                    f"the reference scored {int(columns[f'{role}_tokens'][row])} tokens of a {role} response, the "
                    f"trainer has {int(counts[row])}: the reference's template and TRL's chat template differ"
                )

    def compute_loss(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """The micro-batch's part of the loss while training; the trainer's own loss with the base β otherwise."""
        index = inputs.pop("dama_micro", None) if hasattr(inputs, "pop") else None
        if index is None:
            columns = pop_columns(inputs, self._dama_columns.sources)
            return self._dama_plain_loss(model, inputs, columns, *args, **kwargs)
        micro = self._dama_plans[index]
        with micro.replay():
            if self.dama.skip_masked and 0 < micro.mask.sum() < len(micro.mask):
                kept = self._kept_pairs(model, inputs, micro.mask)
                if kept is not None:
                    micro, inputs = micro.kept(), kept
            chosen, rejected = self._pair_logps(model, inputs)
        return (micro.loss(chosen, rejected) + self._extra_loss()) * self._dama_divisor(kwargs)

    def _dama_divisor(self, options: dict[str, Any]) -> int:
        """What ``Trainer`` divides the loss of a micro-batch by, where it cannot be told not to.

        That is in older versions of transformers, as 5.6. ``options`` are those of ``compute_loss``.
        """
        counted = getattr(self, "model_accepts_loss_kwargs", False) and options.get("num_items_in_batch") is not None
        if hasattr(Trainer, "loss_is_scaled_for_ga") or counted or getattr(self, "compute_loss_func", None) is not None:
            return 1
        return int(getattr(self, "current_gradient_accumulation_steps", self.args.gradient_accumulation_steps))

    def prediction_step(self, model: Any, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """That of the trainer. Those of TRL before 1.0 do not go through :meth:`compute_loss`."""
        if hasattr(self, "get_batch_loss_metrics"):
            pop_columns(inputs, self._dama_columns.sources)
        return super().prediction_step(model, inputs, *args, **kwargs)  # type: ignore[misc]

    def _dama_plain_loss(self, model: Any, inputs: Any, columns: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """The trainer's own loss, with the reference's log-probabilities that the rows bring, if any."""
        return super().compute_loss(model, inputs, *args, **kwargs)  # type: ignore[misc]

    # Checkpoints

    def _load_callback_state(self) -> None:
        """transformers may make new callbacks from a checkpoint's; ours needs its controller again."""
        super()._load_callback_state()  # type: ignore[misc]
        for callback in self.callback_handler.callbacks:
            if isinstance(callback, DamaCallback) and callback.controller is None:
                callback.controller, callback.accelerator = self.controller, self.accelerator
                self.dama_callback = callback


def _both(found: Any) -> tuple[Any, Any]:
    """The log-probabilities of both responses in what ``concatenated_forward`` returns."""
    if isinstance(found, dict):
        return found["chosen_logps"], found["rejected_logps"]
    return found[0], found[1]


def _pairs(batch: Any) -> int:
    """The pairs of a micro-batch: chosen and rejected responses are the halves of a tensor, or tensors of their own."""
    own = batch.get("chosen_input_ids")
    return int(batch["input_ids"].shape[0]) // 2 if own is None else int(own.shape[0])
