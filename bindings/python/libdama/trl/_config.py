"""The settings of a DAMA run in TRL."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union

from .._adaptive_beta import AdaptiveBeta
from .._errors import InvalidArgument, Unsupported
from .._reference import ReferenceCache

#: Losses of TRL that the controller has, by TRL's names.
LOSSES = {"sigmoid": "sigmoid", "sigmoid_norm": "sigmoid", "hinge": "hinge", "robust": "robust", "ipo": "ipo"}


@dataclass
class DamaConfig:
    """What :class:`DamaDPOTrainer` adds to TRL's ``DPOConfig``.

    A batch is that of an update: ``per_device_train_batch_size`` · ``gradient_accumulation_steps`` · ranks.

    ``preset``
        A preset of ``AdaptiveBeta``. ``"dpo"`` is TRL's own trainer: its loss, in one pass, for every loss that
        it has.
    ``beta``
        β; by default that of ``DPOConfig``.
    ``keep``
        How many pairs of a batch are kept: a share in (0, 1] or a count. By default the preset's share: 0.75
        for ``paper`` and ``mdpo`` (12 of 16), 0.8 for ``released``.
    ``seed``
        Seed of filters that sample.
    ``reference``
        ``"compute"``: the reference model of TRL, in every update. ``"precompute"``: TRL's pass over the
        dataset before the training, also for images, where TRL itself refuses. A
        :class:`libdama.ReferenceCache`, or the path of one: log-probabilities that
        ``libdama.reference_dataset`` has computed; no reference model is loaded.
    ``skip_masked``
        Leave masked pairs out of the second pass: a micro-batch that is masked whole, and the rows of others.
    ``last_batch``
        A batch with fewer pairs, at the end of an epoch: ``"rescale"`` keeps the same share of it, ``"drop"``
        leaves the update out.
    ``alpha_column``
        The column of α_D; None for α_D = 1.
    ``reference_columns``
        Columns with log π_ref of both responses, as the ``reference`` of rows that were scored before.
    ``options``
        Other options of ``AdaptiveBeta`` by their names, such as ``{"momentum": 0.95}``.
    """

    preset: str = "paper"
    beta: Optional[float] = None
    keep: Union[int, float, None] = None
    seed: int = 0
    reference: Union[str, ReferenceCache] = "compute"
    skip_masked: bool = True
    last_batch: str = "rescale"
    alpha_column: Optional[str] = "alpha_data"
    reference_columns: Optional[tuple[str, str]] = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        taken = {"preset", "beta", "keep", "seed", "batch", "last_batch"} & set(self.options)
        if taken:
            raise InvalidArgument(f"options has {taken.pop()!r}, which is a field of DamaConfig itself")
        if self.last_batch not in ("rescale", "drop"):
            raise InvalidArgument(f"last_batch is {self.last_batch!r}; it must be 'rescale' or 'drop'")
        if self.reference_columns is not None and self.reference != "compute":
            raise InvalidArgument("give either reference_columns or reference, not both")

    @property
    def is_plain(self) -> bool:
        """Whether TRL's own loss is the whole method."""
        return self.preset == "dpo" and not self.options and self.keep is None

    @property
    def needs_alpha(self) -> bool:
        """Whether β depends on α_D."""
        combine = AdaptiveBeta(self.preset, **self.options).options["combine"]
        return not self.is_plain and combine in ("product", "weighted", "data")

    @property
    def has_cache(self) -> bool:
        """Whether the reference is a cache."""
        return self.reference not in ("compute", "precompute")

    @property
    def has_reference(self) -> bool:
        """Whether rows bring the reference's log-probabilities."""
        return self.reference_columns is not None or self.reference != "compute"

    def controller(self, batch: int, args: Any, smooths: bool = False) -> AdaptiveBeta:
        """The controller for batches of ``batch`` pairs. Beta and loss come from TRL's ``args`` unless given.

        ``smooths`` says that the loss ``sigmoid`` takes ``label_smoothing``, as in TRL before 1.0.
        """
        options: dict[str, Any] = dict(self.options)
        if "loss" not in options:
            options.update(_loss_of(args, smooths))
        keep = self.keep
        if keep is None:
            keep = AdaptiveBeta(self.preset).options["keep"]
            # The paper's 12 are of 16 pairs.
            keep = keep / 16 if isinstance(keep, int) else keep
        return AdaptiveBeta(
            self.preset, beta=args.beta if self.beta is None else self.beta, keep=keep, seed=self.seed, batch=batch,
            last_batch=self.last_batch, **options,
        )  # fmt: skip


#: Settings that add to the loss or change it, with the value that leaves it alone: TRL's, those of TRL before 1.0 and
#: of ms-swift, then LLaMA-Factory's. What is false leaves it alone too.
_OTHERS = {
    "f_divergence_type": "reverse_kl", "use_weighting": False, "loss_weights": None,
    "rpo_alpha": None, "reference_free": False, "ftx_gamma": 0, "bco_gemma": 0,
}  # fmt: skip


def _loss_of(args: Any, smooths: bool) -> dict[str, Any]:
    """The controller's loss for TRL's ``loss_type``. What it lacks is an error, not another loss."""
    types = [args.loss_type] if isinstance(args.loss_type, str) else list(args.loss_type)
    if len(types) != 1 or types[0] not in LOSSES:
        raise Unsupported(
            f"loss_type is {types}; with this preset it must be one of {', '.join(LOSSES)}. preset='dpo' takes all"
        )
    for name, plain in _OTHERS.items():
        value = getattr(args, name, plain)
        value = getattr(value, "value", value)
        if value and value != plain and value != [1.0]:
            raise Unsupported(f"{name} is {value!r}; only preset='dpo' takes it, the others need {plain!r}")
    smoothing = getattr(args, "label_smoothing", 0.0)
    loss = LOSSES[types[0]]
    if loss == "sigmoid" and smooths and smoothing:
        loss = "cdpo"
    return {"loss": loss, "label_smoothing": smoothing} if loss in ("robust", "cdpo") else {"loss": loss}
