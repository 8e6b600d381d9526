"""Model responsiveness and adaptive β, sections 3.3 and 3.4 of the paper."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._adaptive_beta_options import (
    COMBINATIONS,
    FILTERS,
    GAPS,
    LOSSES,
    MEAN_SOURCES,
    MEAN_TIMES,
    PRESETS,
    RESPONSIVENESS,
    SAMPLE_SCALES,
    choice,
    fit_keep,
    loss_parameter,
    name_of,
    set_keep,
)
from ._adaptive_beta_step import ROWS, AdaptiveBetaStep, Workspace
from ._arrays import as_doubles, as_integers, as_lengths
from ._errors import InvalidArgument, ShapeMismatch
from ._native import check
from ._repr import described


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
    :param batch: N, the pairs of a global batch: all micro-batches of an update on all ranks. A step over another
        number is then an error, because K, α_M and R̄ are those of the whole batch. By default any number is taken.
    :param last_batch: How a batch of fewer than ``batch`` pairs counts, as the last one of an epoch may be.
        ``rescale``: K becomes int(K/N · its pairs); ``drop``: its step keeps no pair and its commit changes nothing.

    Use an object from one thread at a time. Pickling keeps the committed state.
    """

    _batch: Optional[int]
    _workspace: Workspace

    __slots__ = ("_handle", "_workspace", "_batch", "_last_batch", "_dropped")

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
        batch: Optional[int] = None,
        last_batch: Optional[str] = None,
    ) -> None:
        self._adopt_handle(None, batch, last_batch)
        options = _abi.dama_adaptive_beta_options()
        _abi.dama_adaptive_beta_options_init(options, choice(PRESETS, preset, "preset"))
        if not 0 <= seed < 2**64:
            raise InvalidArgument(f"seed is {seed}; it must be in [0, 2**64)")
        options.seed = seed
        numbers = dict(beta=beta, momentum=momentum, guard=guard, slope=slope, rho=rho, beta_floor=floor,
                       beta_ceiling=ceiling)  # fmt: skip
        for name, value in numbers.items():
            if value is not None:
                setattr(options, name, value)
        choices = dict(
            combination=(COMBINATIONS, combine, "combine"),
            gap=(GAPS, gap, "gap"),
            filter=(FILTERS, filter, "filter"),
            sample_scale=(SAMPLE_SCALES, sample_scale, "sample_scale"),
            responsiveness=(RESPONSIVENESS, responsiveness, "responsiveness"),
            mean_source=(MEAN_SOURCES, mean_source, "mean_source"),
            mean_time=(MEAN_TIMES, mean_time, "mean_time"),
            loss=(LOSSES, loss, "loss"),
        )
        for name, (table, given, label) in choices.items():
            if given is not None:
                setattr(options, name, choice(table, given, label))
        if normalize is not None:
            options.normalize = bool(normalize)
        if keep is not None:
            set_keep(options, keep)
        if batch is not None:
            fit_keep(options, batch, last_batch)
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
        rows: Optional[ArrayLike] = None,
    ) -> AdaptiveBetaStep:
        """Computes mask, β, loss and gradients of one global batch of N pairs. No state changes until :meth:`commit`.

        The arguments are arrays, lists or torch tensors of shape [N]: log π(y | I, x) summed over the response's
        tokens, of the policy and of the reference; ``alpha_data`` is α_D, by default 1. A pair with a non-finite value
        is masked and counted. Log-probabilities are divided by ``chosen_lengths`` and ``rejected_lengths`` if given;
        gradients are still those of the sums. ``simpo`` needs no references.

        With several ranks, each rank passes the log-probabilities of all ranks, and ``offset`` and ``count`` of its own
        pairs, which the arrays of the result cover. Where a rank's pairs are not one slice, as with gradient
        accumulation, ``rows`` are their places in the batch instead (``libdama.torch.gather_pairs``). Gradients already
        include the global divisor: sum them over the ranks, or multiply them by the number of ranks if a framework
        averages them.
        """
        chosen = policy_chosen if type(policy_chosen) is np.ndarray else as_doubles(policy_chosen)
        if chosen.ndim != 1:
            raise ShapeMismatch(f"policy_chosen has shape {chosen.shape}; it must have one number for each pair")
        total = chosen.shape[0]
        places = None if rows is None else _places(rows, total, offset, count)
        if offset < 0 or offset > total or (count is not None and not 0 <= count <= total - offset):
            raise ShapeMismatch(f"the slice at {offset} of {count} pairs is outside the batch of {total}")
        self._dropped = self._batch is not None and total != self._batch and self._is_dropped(total)
        if self._dropped:
            return self._no_step(total - offset if count is None else count, places)
        work = self._workspace
        if work.count != total:
            work = self._workspace = Workspace(total)
        batch, columns, inputs = work.batch, work.rows, work.inputs
        columns[0][:] = chosen
        _fill(columns[1], policy_rejected, "policy_rejected")
        batch.reference_chosen = _fill_optional(columns[2], reference_chosen, "reference_chosen", inputs[2])
        batch.reference_rejected = _fill_optional(columns[3], reference_rejected, "reference_rejected", inputs[3])
        batch.alpha_data = _fill_optional(columns[4], alpha_data, "alpha_data", inputs[4])
        if chosen_lengths is not None or rejected_lengths is not None or batch.chosen_lengths or batch.rejected_lengths:
            for row, values, name, address in (
                (columns[5], chosen_lengths, "chosen_lengths", inputs[5]),
                (columns[6], rejected_lengths, "rejected_lengths", inputs[6]),
            ):
                if values is not None:
                    _fill(row, as_lengths(values), name)
                setattr(batch, name, None if values is None else address)
        batch.slice_offset = offset
        batch.slice_count = _abi.DAMA_REST if count is None else count
        status = _abi.dama_adaptive_beta_step(self._handle, batch, work.result)
        if status:
            check(status)
        block, mask = work.block, work.mask
        if places is not None:
            return AdaptiveBetaStep(block[:, places], mask[places], work.result).of_rows()
        width = total - offset if count is None else count
        if width != total:
            block, mask = block[:, :width], mask[:width]
        return AdaptiveBetaStep(block.copy(), mask.copy(), work.result)

    def commit(self) -> None:
        """Commits the running mean and the generator of the last step; call it after the optimizer's step."""
        if self._dropped:
            return
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
        loss = name_of(LOSSES, it.loss)
        return {
            "beta": it.beta,
            "keep": it.keep or it.keep_ratio,
            "momentum": it.momentum,
            "seed": it.seed,
            "combine": name_of(COMBINATIONS, it.combination),
            "gap": name_of(GAPS, it.gap),
            "normalize": it.normalize != 0,
            "guard": it.guard,
            "filter": name_of(FILTERS, it.filter),
            "sample_scale": name_of(SAMPLE_SCALES, it.sample_scale),
            "responsiveness": name_of(RESPONSIVENESS, it.responsiveness),
            "slope": it.slope,
            "mean_source": name_of(MEAN_SOURCES, it.mean_source),
            "mean_time": name_of(MEAN_TIMES, it.mean_time),
            "rho": it.rho,
            "floor": it.beta_floor,
            "ceiling": it.beta_ceiling,
            "loss": loss,
            "label_smoothing": it.loss_parameter if loss in ("cdpo", "robust") else None,
            "simpo_margin": it.loss_parameter if loss == "simpo" else None,
            "batch": self._batch,
            "last_batch": self._last_batch,
        }

    def state(self) -> bytes:
        """Options, running mean, counts and generator, versioned and checksummed, without any uncommitted step."""
        size = ctypes.c_size_t()
        check(_abi.dama_adaptive_beta_save(self._handle, None, 0, ctypes.byref(size)))
        bytes_ = ctypes.create_string_buffer(size.value)
        check(_abi.dama_adaptive_beta_save(self._handle, bytes_, size.value, ctypes.byref(size)))
        return bytes_.raw

    @classmethod
    def from_state(cls, state: bytes, batch: Optional[int] = None, last_batch: Optional[str] = None) -> AdaptiveBeta:
        """The controller that :meth:`state` saved; it continues bit for bit. ``InvalidArgument`` for damaged bytes.

        ``batch`` and ``last_batch`` are not in the bytes.
        """
        handle = ctypes.c_void_p()
        state = bytes(state)
        check(_abi.dama_adaptive_beta_load(handle, state, len(state)))
        return cls._adopt(handle, batch, last_batch)

    def state_dict(self) -> dict[str, Any]:
        """The state as text and numbers, for ``torch.save`` or JSON: :meth:`state` in hexadecimal, and the batch."""
        return {"state": self.state().hex(), "batch": self._batch, "last_batch": self._last_batch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continues bit for bit from :meth:`state_dict`. An option that differs is an error that names it."""
        try:
            saved = AdaptiveBeta.from_state(bytes.fromhex(state["state"]), state["batch"], state["last_batch"])
        except (KeyError, TypeError, ValueError) as error:
            raise InvalidArgument(f"this is no state of a controller, see AdaptiveBeta.state_dict: {error}") from None
        here, there = self.options, saved.options
        for name in here:
            if here[name] != there[name]:
                raise InvalidArgument(
                    f"the state was saved with {name}={there[name]!r}; this controller has {name}={here[name]!r}"
                )
        self._handle, saved._handle = saved._handle, self._handle
        self._dropped = False

    @classmethod
    def _adopt(
        cls, handle: ctypes.c_void_p, batch: Optional[int] = None, last_batch: Optional[str] = None
    ) -> AdaptiveBeta:
        """A controller that takes ownership of a handle."""
        controller = cls.__new__(cls)
        controller._adopt_handle(handle.value, batch, last_batch)
        return controller

    def _adopt_handle(self, handle: Optional[int], batch: Optional[int], last_batch: Optional[str]) -> None:
        self._handle = handle
        self._workspace = Workspace(0)
        self._dropped = False
        if batch is not None and not (isinstance(batch, (int, np.integer)) and 1 <= batch < 2**63):
            raise InvalidArgument(f"batch is {batch!r}; it must be the number of pairs of a global batch, at least 1")
        if last_batch not in (None, "rescale", "drop"):
            raise InvalidArgument(f"last_batch is {last_batch!r}; it must be 'rescale' or 'drop'")
        if last_batch is not None and batch is None:
            raise InvalidArgument("last_batch needs batch, the number of pairs of a full batch")
        self._batch = None if batch is None else int(batch)
        self._last_batch = last_batch

    def _is_dropped(self, total: int) -> bool:
        """Whether a batch of another size is left out; an error unless ``last_batch`` covers it."""
        if self._batch is None or self._last_batch is None or not 0 < total < self._batch:
            raise ShapeMismatch(
                f"the step has {total} pairs; a global batch of this controller has {self._batch}. Pass all "
                "micro-batches of all ranks at once (libdama.torch.plan); last_batch='rescale' or 'drop' is for the "
                "smaller last batch of an epoch"
            )
        return self._last_batch == "drop"

    def _no_step(self, width: int, places: Optional[NDArray[np.int64]]) -> AdaptiveBetaStep:
        """What a dropped batch gives: no pair is kept, every gradient is 0."""
        width = width if places is None else len(places)
        result = _abi.dama_preference_result(alpha_model=1, running_mean=self.running_mean)
        return AdaptiveBetaStep(np.zeros((len(ROWS), width)), np.zeros(width, dtype=np.bool_), result)

    def __reduce__(self) -> tuple[Any, ...]:
        return AdaptiveBeta.from_state, (self.state(), self._batch, self._last_batch)

    def __repr__(self) -> str:
        return described(self, lambda: {
            **{name: value for name, value in self.options.items() if value is not None},
            "steps": self.steps, "running_mean": self.running_mean,
        })  # fmt: skip

    def _facts(self) -> _abi.dama_adaptive_beta_facts:
        facts = _abi.dama_adaptive_beta_facts()
        _abi.dama_adaptive_beta_facts_init(facts)
        check(_abi.dama_adaptive_beta_describe(self._handle, facts))
        return facts


def _places(rows: ArrayLike, total: int, offset: int, count: Optional[int]) -> NDArray[np.int64]:
    """``rows`` as checked places in a batch of ``total`` pairs."""
    places = as_integers(rows)
    if places is None and np.size(rows) == 0:
        places = np.zeros(0, dtype=np.int64)
    if places is None or places.ndim != 1:
        raise InvalidArgument("rows must be a list of integers, the places of this rank's pairs in the batch")
    if offset != 0 or count is not None:
        raise InvalidArgument("give either rows, or offset and count")
    wrong = places[(places < 0) | (places >= total)]
    if len(wrong):
        raise ShapeMismatch(f"rows has {wrong[0]}; the batch has the places 0 to {total - 1}")
    return places


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
