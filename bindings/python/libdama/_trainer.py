"""The training step: forward, adaptive β, backward and AdamW over a whole policy."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._adaptive_beta import AdaptiveBeta
from ._arrays import as_doubles
from ._cancellation import Cancellation, run_stoppable
from ._dlpack import DeviceArray
from ._errors import Cancelled, InvalidArgument, ShapeMismatch
from ._native import check, choices
from ._parameter import Parameter
from ._policy import Pair, PairLogps, PolicyModel, _choice, _positive, c_pair, c_text, found_logps, pair_array
from ._repr import described
from ._ranks import Ranks
from ._runtime import unsigned
from ._step_metrics import StepMetrics, step_metrics
from ._trainable import LoRA, select
from .kernels import Schedule

_ACTIVATIONS = choices(_abi.dama_activations, "DAMA_ACTIVATIONS_")
_KINDS = choices(_abi.dama_export_kind, "DAMA_EXPORT_")
_TYPES = choices(_abi.dama_weight_type, "DAMA_WEIGHT_")

_HANDLE = ctypes.c_void_p


class _Owner:
    """The handle, freed when neither the trainer nor an array over its memory uses it."""

    def __init__(self) -> None:
        self.handle = _HANDLE()

    def __del__(self, free: Any = _abi.dama_trainer_free) -> None:
        if self.handle:
            free(self.handle)


class Trainer:
    """Trains a policy on preference pairs, without PyTorch: Algorithm 1 of the paper.

    ::

        policy = libdama.Policy("llava-1.5-7b-hf")
        with libdama.Trainer(policy, reference=policy, trainable=libdama.LoRA(rank=16), learning_rate=1e-5) as trainer:
            for batch in batches:
                print(trainer.step(batch).loss)

    Training starts from the weights of ``policy``. The policy itself does not change, so it can be its own reference.

    ``reference``
        The model whose log-probabilities are the reference; None if every pair includes them, or for ``simpo``.
    ``controller``
        The adaptive β: a preset's name, or an ``AdaptiveBeta``, whose options and state are copied.
    ``trainable``
        ``"full"`` (language model and projector), ``"projector"``, ``"lora"`` or a ``LoRA``, or a list of patterns of
        names in the files, in which ``*`` matches any text.
    ``learning_rate``, ``betas``, ``epsilon``, ``weight_decay``
        The parameters of AdamW. Norms and biases do not decay.
    ``schedule``
        A ``kernels.Schedule``, which then determines the learning rate.
    ``max_gradient_norm``
        The global norm to which gradients are clipped; 0 does not clip.
    ``activations``
        ``"keep"``, or ``"recompute"`` for the values inside layers: less memory, more time.
    ``tokens_per_run``
        The maximum number of tokens, including padding, of one forward or backward run.
    ``threads``
        Threads of the optimizer, 0 for one on each processor. The models use the policy's threads.
    ``seed``
        Seed of the adapters' initial values.
    ``offload``
        Whether the host keeps the fp32 weights and the moments of a policy on a device, and updates them there.
    ``sft_weight``
        The weight of ``StepMetrics.sft_loss`` beside the preference loss: TRL's ``rpo_alpha``. Used by :meth:`step`.

    ``ranks``
        The processes or threads that train together; each then calls :meth:`step` with its share of the batch.

    The parts of a step can be called separately: :meth:`forward`, :meth:`backward`, :meth:`update`, :meth:`zero_grad`.
    Gradients can be summed over ranks in the arrays of :meth:`parameters`. Use an object from one thread at a time.
    """

    def __init__(
        self,
        policy: PolicyModel,
        reference: Optional[PolicyModel] = None,
        controller: Union[str, AdaptiveBeta] = "paper",
        *,
        trainable: Union[str, LoRA, Sequence[str]] = "full",
        learning_rate: float = 5e-7,
        betas: tuple[float, float] = (0.9, 0.999),
        epsilon: float = 1e-8,
        weight_decay: float = 0.0,
        schedule: Optional[Schedule] = None,
        max_gradient_norm: float = 1.0,
        activations: str = "keep",
        tokens_per_run: int = 4096,
        threads: int = 0,
        seed: int = 0,
        offload: bool = False,
        sft_weight: float = 0.0,
        ranks: Optional[Ranks] = None,
    ) -> None:
        self._owner: Optional[_Owner] = None
        options = _abi.dama_trainer_options()
        _abi.dama_trainer_options_init(options)
        select(options, trainable)
        options.learning_rate, options.epsilon, options.weight_decay = learning_rate, epsilon, weight_decay
        options.beta1, options.beta2 = betas
        if schedule is not None:
            options.schedule = ctypes.pointer(schedule._options)
        options.max_gradient_norm = max_gradient_norm
        options.activations = _choice("activations", activations, _ACTIVATIONS)
        options.tokens_per_run = _positive("tokens_per_run", tokens_per_run)
        options.threads = unsigned("threads", threads, 32)
        options.seed = unsigned("seed", seed, 64)
        options.offload = int(offload)
        options.sft_weight = sft_weight
        #: Kept: C calls it in every step.
        self._ranks = ranks
        if ranks is not None:
            options.ranks = ranks._pointer
        if isinstance(controller, str):
            controller = AdaptiveBeta(controller)
        owner = _Owner()
        check(
            _abi.dama_trainer_create(
                owner.handle, policy._handle, None if reference is None else reference._handle, controller._handle,
                options,
            )  # fmt: skip
        )
        self._owner = owner

    def __enter__(self) -> Trainer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return described(self, lambda: {
            "steps": self.steps, "skipped": self.skipped, "learning_rate": self.learning_rate,
            "running_mean": self.running_mean,
        })  # fmt: skip

    def close(self) -> None:
        """Frees the memory, except while arrays of :meth:`parameters` still use it."""
        self._owner = None

    def step(self, batch: Sequence[Pair], cancellation: Optional[Cancellation] = None) -> StepMetrics:
        """Performs one update: forward over all pairs, gaps, filter, β, loss, backward, AdamW, running mean.

        ``batch`` are N pairs as for ``Policy.logps_batch``; a mapping may also have ``alpha_data`` (α_D, by default 1),
        ``reference_chosen`` and ``reference_rejected`` (log π_ref, instead of the reference's results) and
        ``hardness_third`` (0 the hardest, 2 the easiest; only for the metrics). Ctrl-C stops the step, and so does
        ``cancellation`` from another thread. Weights, moments and controller are then unchanged, unless the request
        came too late to stop the update; ``steps`` shows whether it did.
        """
        handle = self._handle
        keep: list[Any] = []
        kind = _abi.dama_training_pair * len(batch)
        pairs = kind(*[_training_pair(pair, index, keep) for index, pair in enumerate(batch)])
        metrics = _abi.dama_step_metrics()
        _abi.dama_step_metrics_init(metrics)
        try:
            self._run(lambda token: _abi.dama_trainer_step(handle, pairs, len(batch), metrics, token), cancellation)
        except Cancelled:
            if self._ranks is not None:
                self._ranks._raise_failure()
            raise
        return step_metrics(metrics)

    def forward(self, pairs: Sequence[Pair], cancellation: Optional[Cancellation] = None) -> list[PairLogps]:
        """log π of both responses of every pair with the trained weights, as ``Policy.logps_batch``.

        ``pairs`` are as there; ``cancellation`` stops the call from another thread. The activations for
        :meth:`backward` are kept until the next forward run, step or update.
        """
        owner, handle = self._owner, self._handle
        keep: list[Any] = [owner]
        array = pair_array(pairs, keep)
        return found_logps(
            lambda found, token: _abi.dama_trainer_forward(found, handle, array, len(pairs), token), cancellation
        )

    def backward(
        self, grad_chosen: ArrayLike, grad_rejected: ArrayLike, cancellation: Optional[Cancellation] = None
    ) -> None:
        """Adds the gradient of Σ grad_chosen · log π(y_w) + grad_rejected · log π(y_l) to the gradients.

        ``grad_chosen`` and ``grad_rejected`` [pairs] are ∂L/∂log π; ``cancellation`` stops the call. The pairs are
        those of the last :meth:`forward`; several rounds of both add up. ``AdaptiveBeta.step`` returns both arrays,
        with one number for each pair. If the call fails or is stopped, gradients may be added in part; clear them with
        :meth:`zero_grad`.
        """
        handle = self._handle
        chosen, rejected = (np.require(as_doubles(values), requirements="C") for values in (grad_chosen, grad_rejected))
        if chosen.ndim != 1 or chosen.shape != rejected.shape:
            raise ShapeMismatch(
                f"grad_chosen has shape {chosen.shape} and grad_rejected {rejected.shape}; both must have one number "
                "for each pair"
            )
        addresses = chosen.ctypes.data, rejected.ctypes.data
        self._run(lambda token: _abi.dama_trainer_backward(handle, *addresses, chosen.size, token), cancellation)

    def zero_grad(self) -> None:
        """Sets all gradients to 0."""
        check(_abi.dama_trainer_zero_grad(self._handle))

    def gradient_norm(self) -> float:
        """The global norm of all gradients; not finite if any number is not."""
        norm = ctypes.c_double()
        check(_abi.dama_trainer_gradient_norm(self._handle, ctypes.byref(norm)))
        return norm.value

    def update(self) -> float:
        """Clips the current gradients and takes an AdamW step; returns their global norm before clipping.

        The controller and the gradients do not change. If the norm is not finite, it raises ``InvalidArgument`` and
        changes nothing.
        """
        norm = ctypes.c_double()
        check(_abi.dama_trainer_update(self._handle, ctypes.byref(norm)))
        return norm.value

    def parameters(self) -> list[Parameter]:
        """All trainable tensors, with values and gradients as arrays over the trainer's own memory.

        Those of a policy on a device, or of another precision than float32, are copies; see :class:`Parameter`.
        """
        handle = self._handle
        found = []
        for index in range(_abi.dama_trainer_parameter_count(handle)):
            it = _abi.dama_parameter()
            _abi.dama_parameter_init(it)
            check(_abi.dama_trainer_parameter_at(handle, index, it))
            shape = tuple((ctypes.c_int64 * it.dimensions).from_address(it.shape)) if it.dimensions else ()
            if it.value:
                value, gradient = self._array(it.value, shape), self._array(it.gradient, shape)
            else:
                value = self._read(index, _abi.dama_parameter_part.DAMA_PARAMETER_VALUE, shape)
                gradient = self._read(index, _abi.dama_parameter_part.DAMA_PARAMETER_GRADIENT, shape)
            remote = None
            if it.device_gradient:
                remote = DeviceArray(it.device_gradient, shape, it.device, self._owner)
            write = partial(self._replace, index, shape)
            found.append(Parameter(it.name.decode(), value, gradient, bool(it.decays), remote, write))
        return found

    def _read(self, index: int, part: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        numbers = np.empty(shape, np.float32)
        target = numbers.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        check(_abi.dama_trainer_read_parameter(self._handle, index, part, target, numbers.size))
        numbers.flags.writeable = False
        return numbers

    def _replace(self, index: int, shape: tuple[int, ...], part: int, values: ArrayLike) -> None:
        numbers = np.ascontiguousarray(values, np.float32)
        if numbers.shape != shape:
            raise ShapeMismatch(f"the values have the shape {numbers.shape}; the tensor has {shape}")
        source = numbers.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        check(_abi.dama_trainer_write_parameter(self._handle, index, part, source, numbers.size))

    def save(self, path: Union[str, os.PathLike[str]], note: Optional[str] = None) -> None:
        """Writes a checkpoint, the file ``path``, with everything that the next step depends on, and the caller's
        ``note``.

        The file is written under a temporary name and renamed: if anything fails, an existing file is unchanged.
        """
        check(_abi.dama_trainer_save(self._handle, os.fsencode(path), None if note is None else c_text(note, "note")))

    def load(self, path: Union[str, os.PathLike[str]]) -> Optional[str]:
        """Loads ``path``, which :meth:`save` wrote from a trainer of the same model and options; returns its note.

        Training continues bit for bit. The arrays of :meth:`parameters` stay valid. On failure nothing changes.
        """
        note = _HANDLE()
        check(_abi.dama_trainer_load(note, self._handle, os.fsencode(path)))
        try:
            text = _abi.dama_strings_at(note, 0)
            return None if text is None else text.decode("utf-8", "replace")
        finally:
            _abi.dama_strings_free(note)

    def export(
        self,
        directory: Union[str, os.PathLike[str]],
        *,
        kind: str = "model",
        dtype: str = "float32",
        replace: bool = False,
        shard_bytes: int = 5_000_000_000,
    ) -> None:
        """Writes the trained weights for other programs into the folder ``directory``.

        ``kind`` is ``"model"``, a Hugging Face directory with low-rank matrices merged, or ``"adapters"``, only these
        matrices in PEFT's format. ``dtype`` is the type of trained weights, ``"float32"``, ``"float16"`` or
        ``"bfloat16"``; other weights keep their bytes. An earlier export is replaced; anything else only with
        ``replace``. A file of weights has at most ``shard_bytes`` bytes.
        """
        options = _abi.dama_export_options()
        _abi.dama_export_options_init(options)
        options.kind = _choice("kind", kind, _KINDS)
        options.type = _choice("dtype", dtype, _TYPES)
        options.replace = bool(replace)
        options.shard_bytes = unsigned("shard_bytes", shard_bytes, 64)
        check(_abi.dama_trainer_export(self._handle, os.fsencode(directory), options))

    @property
    def controller(self) -> AdaptiveBeta:
        """A copy of the adaptive β in its current state."""
        handle = _HANDLE()
        check(_abi.dama_trainer_controller(handle, self._handle))
        return AdaptiveBeta._adopt(handle)

    @property
    def steps(self) -> int:
        """Number of updates so far."""
        return self._facts().steps

    @property
    def skipped(self) -> int:
        """Number of updates skipped because loss or gradient were not finite."""
        return self._facts().skipped

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next update."""
        return self._facts().learning_rate

    @property
    def running_mean(self) -> float:
        """R̄, Eq. (15)."""
        return self._facts().running_mean

    @property
    def _handle(self) -> ctypes.c_void_p:
        if self._owner is None:
            raise InvalidArgument("the trainer is closed")
        return self._owner.handle

    def _run(self, call: Callable[[ctypes.c_void_p], int], cancellation: Optional[Cancellation]) -> None:
        """Keeps the handle alive while another thread works on it."""
        owner = self._owner
        run_stoppable(call, cancellation)
        del owner

    def _facts(self) -> _abi.dama_trainer_facts:
        facts = _abi.dama_trainer_facts()
        _abi.dama_trainer_facts_init(facts)
        check(_abi.dama_trainer_describe(self._handle, facts))
        return facts

    def _array(self, address: int, shape: tuple[int, ...]) -> NDArray[np.float32]:
        memory: Any = (ctypes.c_float * int(np.prod(shape))).from_address(address)
        memory._owner = self._owner
        return np.frombuffer(memory, np.float32).reshape(shape)


def _training_pair(pair: Pair, index: int, keep: list[Any]) -> _abi.dama_training_pair:
    result = _abi.dama_training_pair()
    _abi.dama_training_pair_init(result)
    result.pair = c_pair(pair, index, keep)
    if isinstance(pair, Mapping):
        for name in ("alpha_data", "reference_chosen", "reference_rejected"):
            if pair.get(name) is not None:
                setattr(result, name, pair[name])
        third = pair.get("hardness_third")
        if third is not None:
            if third not in (0, 1, 2):
                raise InvalidArgument(f"pair {index}: hardness_third is {third!r}; it must be 0, 1 or 2")
            result.hardness_third = third
    return result
