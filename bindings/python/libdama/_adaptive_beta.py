"""Model responsiveness and adaptive β, sections 3.3 and 3.4 of the paper."""

from __future__ import annotations

import ctypes
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._arrays import as_doubles, as_lengths
from ._errors import InvalidArgument, ShapeMismatch
from ._native import check, choices

#: Enumerators of the C header, by their Python names.
_PRESETS = choices(_abi.dama_preset, "DAMA_PRESET_")
_GAPS = choices(_abi.dama_gap, "DAMA_GAP_")
_FILTERS = choices(_abi.dama_filter, "DAMA_FILTER_")
_SAMPLE_SCALES = choices(_abi.dama_sample_scale, "DAMA_SAMPLE_SCALE_")
_RESPONSIVENESS = choices(_abi.dama_responsiveness, "DAMA_RESPONSIVENESS_")
_MEAN_SOURCES = choices(_abi.dama_mean_source, "DAMA_MEAN_OF_")
_MEAN_TIMES = {
    "after": int(_abi.dama_mean_time.DAMA_MEAN_AFTER_STEP),
    "before": int(_abi.dama_mean_time.DAMA_MEAN_BEFORE_USE),
}
_COMBINATIONS = choices(_abi.dama_combination, "DAMA_COMBINE_")
LOSSES = choices(_abi.dama_loss, "DAMA_LOSS_")


#: The arrays of the result, in the order of the block's rows.
_ROWS = (
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

    def __init__(self, block: NDArray[np.float64], mask: NDArray[np.bool_], result: _abi.dama_preference_result) -> None:
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

    def __repr__(self) -> str:
        return (
            f"AdaptiveBetaStep(loss={self.loss:.6g}, alpha_model={self.alpha_model:.6g}, kept={self.kept}, "
            f"nonfinite={self.nonfinite}, accuracy={self.accuracy:.3g}, pairs={len(self.mask)})"
        )


class _Workspace:
    """The memory of a step over N pairs, and C structs that point to it: a step is then only copies and one call."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.doubles = np.zeros((5, count))
        self.lengths = np.zeros((2, count), dtype=np.int64)
        self.block = np.zeros((len(_ROWS), count))
        self.mask = np.zeros(count, dtype=np.bool_)
        self.inputs = [row.ctypes.data for row in (*self.doubles, *self.lengths)]
        self.rows = (*self.doubles, *self.lengths)
        self.batch, self.result = _abi.dama_preference_batch(), _abi.dama_preference_result()
        _abi.dama_preference_batch_init(self.batch)
        _abi.dama_preference_result_init(self.result)
        self.batch.count = self.result.capacity = count
        self.batch.policy_chosen, self.batch.policy_rejected = self.inputs[:2]
        self.result.mask = self.mask.ctypes.data
        for name, row in zip(_ROWS, self.block):
            setattr(self.result, name, row.ctypes.data)


class AdaptiveBeta:
    """Per-pair β, mask, loss and gradients of preference batches, Eqs. (9) to (17).

    ::

        ab = libdama.AdaptiveBeta(preset="paper", beta=0.1, keep=12)
        for batch in batches:
            out = ab.step(policy_chosen, policy_rejected, reference_chosen, reference_rejected, alpha_data)
            torch.autograd.backward([chosen_logps, rejected_logps],
                                    [torch.from_numpy(out.grad_chosen), torch.from_numpy(out.grad_rejected)])
            optimizer.step()
            ab.commit()

    Presets: ``paper``; ``released`` (the authors' trainer); ``beta_dpo``; and the paper's ablations ``dpo`` (no α, no
    filter), ``d2po`` (α_D, no filter), ``mdpo`` (filter and α_M). Other parameters default to the preset's values. They
    are independent: ``combine`` does not change ``filter``.

    :param beta: The base β, which α scales, > 0.
    :param keep: K as an int, or a ratio in (0, 1] as a float: K = int(ratio · N).
    :param momentum: γ of Eq. (15), in [0, 1).
    :param seed: Seed of the sampling filters; the same on every rank.
    :param combine: ``product``, ``weighted`` (with ``rho``), ``data``, ``model`` or ``none``.
    :param gap: ``reward`` (β h) or ``log_ratio`` (h).
    :param normalize: Divide the gaps by the running mean, Eq. (10), if it is at least ``guard`` · mean |gap|.
    :param filter: ``nearest``, ``sample``, ``bottom``, ``top``, ``none`` or ``random``.
    :param sample_scale: ``unit`` or ``running_deviation``.
    :param responsiveness: ``ratio_of_mean``, Eq. (13); ``mean_of_ratios``; or ``linear`` with ``slope``.
    :param mean_source: ``kept`` or ``all``.
    :param mean_time: ``after`` the step, Eq. (15), or ``before`` use.
    :param rho: Share of α_D if ``combine`` is ``weighted``.
    :param floor: Minimum β of a pair.
    :param ceiling: Maximum β of a pair.
    :param loss: The name of a loss in :mod:`libdama.losses`, such as ``sigmoid``.
    :param label_smoothing: ε of ``cdpo`` and ``robust``.
    :param simpo_margin: γ of ``simpo``.

    Use an object from one thread at a time. Pickling keeps the committed state.
    """

    __slots__ = ("_handle", "_workspace")

    def __init__(
        self,
        preset: str = "paper",
        *,
        beta: Optional[float] = None,
        keep: Union[int, float, None] = None,
        momentum: Optional[float] = None,
        seed: int = 0,
        combine: Optional[str] = None,
        gap: Optional[str] = None,
        normalize: Optional[bool] = None,
        guard: Optional[float] = None,
        filter: Optional[str] = None,
        sample_scale: Optional[str] = None,
        responsiveness: Optional[str] = None,
        slope: Optional[float] = None,
        mean_source: Optional[str] = None,
        mean_time: Optional[str] = None,
        rho: Optional[float] = None,
        floor: Optional[float] = None,
        ceiling: Optional[float] = None,
        loss: Optional[str] = None,
        label_smoothing: Optional[float] = None,
        simpo_margin: Optional[float] = None,
    ) -> None:
        self._handle = None
        self._workspace = _Workspace(0)
        options = _abi.dama_adaptive_beta_options()
        _abi.dama_adaptive_beta_options_init(options, _choice(_PRESETS, preset, "preset"))
        if not 0 <= seed < 2**64:
            raise InvalidArgument(f"seed is {seed}; it must be in [0, 2**64)")
        options.seed = seed
        numbers = dict(beta=beta, momentum=momentum, guard=guard, slope=slope, rho=rho, beta_floor=floor,
                       beta_ceiling=ceiling)  # fmt: skip
        for name, value in numbers.items():
            if value is not None:
                setattr(options, name, value)
        choices = dict(
            combination=(_COMBINATIONS, combine, "combine"),
            gap=(_GAPS, gap, "gap"),
            filter=(_FILTERS, filter, "filter"),
            sample_scale=(_SAMPLE_SCALES, sample_scale, "sample_scale"),
            responsiveness=(_RESPONSIVENESS, responsiveness, "responsiveness"),
            mean_source=(_MEAN_SOURCES, mean_source, "mean_source"),
            mean_time=(_MEAN_TIMES, mean_time, "mean_time"),
            loss=(LOSSES, loss, "loss"),
        )
        for name, (table, choice, label) in choices.items():
            if choice is not None:
                setattr(options, name, _choice(table, choice, label))
        if normalize is not None:
            options.normalize = bool(normalize)
        if keep is not None:
            _set_keep(options, keep)
        options.loss_parameter = loss_parameter(
            next(name for name, value in LOSSES.items() if value == options.loss), label_smoothing, simpo_margin
        )
        handle = ctypes.c_void_p()
        check(_abi.dama_adaptive_beta_create(handle, options))
        self._handle = handle.value

    def __del__(self, free: Any = _abi.dama_adaptive_beta_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            self._handle = None
            free(handle)

    def step(
        self,
        policy_chosen: ArrayLike,
        policy_rejected: ArrayLike,
        reference_chosen: Optional[ArrayLike] = None,
        reference_rejected: Optional[ArrayLike] = None,
        alpha_data: Optional[ArrayLike] = None,
        *,
        chosen_lengths: Optional[ArrayLike] = None,
        rejected_lengths: Optional[ArrayLike] = None,
        offset: int = 0,
        count: Optional[int] = None,
    ) -> AdaptiveBetaStep:
        """Computes mask, β, loss and gradients of one global batch of N pairs. No state changes until :meth:`commit`.

        The arguments are arrays, lists or torch tensors of shape [N]: log π(y | I, x) summed over the response's
        tokens, of the policy and of the reference; ``alpha_data`` is α_D, by default 1. A pair with a non-finite value
        is masked and counted. Log-probabilities are divided by ``chosen_lengths`` and ``rejected_lengths`` if given;
        gradients are still those of the sums. ``simpo`` needs no references.

        With several ranks, each rank passes the log-probabilities of all ranks, and ``offset`` and ``count`` of its own
        pairs, which the arrays of the result cover. Gradients already include the global divisor: sum them over the
        ranks, or multiply them by the number of ranks if a framework averages them.
        """
        chosen = policy_chosen if type(policy_chosen) is np.ndarray else as_doubles(policy_chosen)
        if chosen.ndim != 1:
            raise ShapeMismatch(f"policy_chosen has shape {chosen.shape}; it must have one number for each pair")
        total = chosen.shape[0]
        work = self._workspace
        if work.count != total:
            work = self._workspace = _Workspace(total)
        batch, rows, inputs = work.batch, work.rows, work.inputs
        rows[0][:] = chosen
        _fill(rows[1], policy_rejected, "policy_rejected")
        batch.reference_chosen = _fill_optional(rows[2], reference_chosen, "reference_chosen", inputs[2])
        batch.reference_rejected = _fill_optional(rows[3], reference_rejected, "reference_rejected", inputs[3])
        batch.alpha_data = _fill_optional(rows[4], alpha_data, "alpha_data", inputs[4])
        if chosen_lengths is not None or rejected_lengths is not None or batch.chosen_lengths or batch.rejected_lengths:
            for row, values, name, address in (
                (rows[5], chosen_lengths, "chosen_lengths", inputs[5]),
                (rows[6], rejected_lengths, "rejected_lengths", inputs[6]),
            ):
                if values is not None:
                    _fill(row, as_lengths(values), name)
                setattr(batch, name, None if values is None else address)
        if offset < 0 or (count is not None and count < 0):
            raise ShapeMismatch(f"the slice at {offset} of {count} pairs is outside the batch of {total}")
        batch.slice_offset = offset
        batch.slice_count = _abi.DAMA_REST if count is None else count
        status = _abi.dama_adaptive_beta_step(self._handle, batch, work.result)
        if status:
            check(status)
        block, mask = work.block, work.mask
        width = total - offset if count is None else count
        if width != total:
            block, mask = block[:, :width], mask[:width]
        return AdaptiveBetaStep(block.copy(), mask.copy(), work.result)

    def commit(self) -> None:
        """Commits the running mean and the generator of the last step; call it after the optimizer's step."""
        check(_abi.dama_adaptive_beta_commit(self._handle))

    @property
    def running_mean(self) -> float:
        """R̄, Eq. (15)."""
        return self._facts().running_mean

    @property
    def running_deviation(self) -> float:
        """The running standard deviation of the gaps."""
        return self._facts().running_deviation

    @property
    def steps(self) -> int:
        """Number of committed steps."""
        return self._facts().steps

    @property
    def nonfinite_pairs(self) -> int:
        """Non-finite pairs in all committed steps, which were masked."""
        return self._facts().nonfinite_pairs

    @property
    def uniform_samplings(self) -> int:
        """Committed steps that sampled uniformly because their weights were degenerate."""
        return self._facts().uniform_samplings

    @property
    def options(self) -> dict[str, Any]:
        """Every option by the name of its parameter."""
        it = _abi.dama_adaptive_beta_options(struct_size=ctypes.sizeof(_abi.dama_adaptive_beta_options))
        check(_abi.dama_adaptive_beta_get_options(self._handle, it))
        loss = _name(LOSSES, it.loss)
        return {
            "beta": it.beta,
            "keep": it.keep or it.keep_ratio,
            "momentum": it.momentum,
            "seed": it.seed,
            "combine": _name(_COMBINATIONS, it.combination),
            "gap": _name(_GAPS, it.gap),
            "normalize": it.normalize != 0,
            "guard": it.guard,
            "filter": _name(_FILTERS, it.filter),
            "sample_scale": _name(_SAMPLE_SCALES, it.sample_scale),
            "responsiveness": _name(_RESPONSIVENESS, it.responsiveness),
            "slope": it.slope,
            "mean_source": _name(_MEAN_SOURCES, it.mean_source),
            "mean_time": _name(_MEAN_TIMES, it.mean_time),
            "rho": it.rho,
            "floor": it.beta_floor,
            "ceiling": it.beta_ceiling,
            "loss": loss,
            "label_smoothing": it.loss_parameter if loss in ("cdpo", "robust") else None,
            "simpo_margin": it.loss_parameter if loss == "simpo" else None,
        }

    def state(self) -> bytes:
        """Options, running mean, counts and generator, versioned and checksummed, without any uncommitted step."""
        size = ctypes.c_size_t()
        check(_abi.dama_adaptive_beta_save(self._handle, None, 0, ctypes.byref(size)))
        bytes_ = ctypes.create_string_buffer(size.value)
        check(_abi.dama_adaptive_beta_save(self._handle, bytes_, size.value, ctypes.byref(size)))
        return bytes_.raw

    @classmethod
    def from_state(cls, state: bytes) -> AdaptiveBeta:
        """The controller that :meth:`state` saved; it continues bit for bit. ``InvalidArgument`` for damaged bytes."""
        handle = ctypes.c_void_p()
        state = bytes(state)
        check(_abi.dama_adaptive_beta_load(handle, state, len(state)))
        return cls._adopt(handle)

    @classmethod
    def _adopt(cls, handle: ctypes.c_void_p) -> AdaptiveBeta:
        """A controller that takes ownership of a handle."""
        controller = cls.__new__(cls)
        controller._handle = handle.value
        controller._workspace = _Workspace(0)
        return controller

    def __reduce__(self) -> tuple[Any, ...]:
        return AdaptiveBeta.from_state, (self.state(),)

    def __repr__(self) -> str:
        options = ", ".join(f"{name}={value!r}" for name, value in self.options.items() if value is not None)
        return f"AdaptiveBeta({options}, running_mean={self.running_mean:.6g})"

    def _facts(self) -> _abi.dama_adaptive_beta_facts:
        facts = _abi.dama_adaptive_beta_facts()
        _abi.dama_adaptive_beta_facts_init(facts)
        check(_abi.dama_adaptive_beta_describe(self._handle, facts))
        return facts


def loss_parameter(loss: str, label_smoothing: Optional[float], simpo_margin: Optional[float]) -> float:
    """The parameter of a loss. A parameter of another loss is an error, not ignored."""
    if label_smoothing is not None and loss not in ("cdpo", "robust"):
        raise InvalidArgument(f"label_smoothing belongs to the losses 'cdpo' and 'robust', not to '{loss}'")
    if simpo_margin is not None and loss != "simpo":
        raise InvalidArgument(f"simpo_margin belongs to the loss 'simpo', not to '{loss}'")
    return label_smoothing or simpo_margin or 0.0


def _set_keep(options: _abi.dama_adaptive_beta_options, keep: Union[int, float]) -> None:
    if isinstance(keep, (int, np.integer)) and not isinstance(keep, bool):
        if not 1 <= keep < 2**63:
            raise InvalidArgument(f"keep is {keep}; it must be at least 1")
        options.keep = int(keep)
    else:
        options.keep = 0
        options.keep_ratio = keep


def _choice(table: dict[str, int], name: str, label: str) -> int:
    value = table.get(name)
    if value is None:
        raise InvalidArgument(f"{label} is {name!r}; it must be one of {', '.join(map(repr, table))}")
    return value


def _name(table: dict[str, int], value: int) -> str:
    return next(name for name, number in table.items() if number == value)


def _fill(row: NDArray[Any], values: ArrayLike, name: str) -> None:
    array = values if type(values) is np.ndarray else as_doubles(values)
    if array.shape != row.shape:
        raise ShapeMismatch(f"{name} has shape {array.shape}; policy_chosen has {row.shape}")
    row[:] = array


def _fill_optional(row: NDArray[Any], values: Optional[ArrayLike], name: str, address: int) -> Optional[int]:
    if values is None:
        return None
    _fill(row, values, name)
    return address
