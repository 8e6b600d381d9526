"""Vector kernels over the caller's memory: token log-probabilities, AdamW, learning rates. No ONNX Runtime needed.

Arrays are contiguous float32 numpy arrays or torch CPU tensors; a tensor's memory is used without a copy. ``threads`` 0
uses every processor; results do not depend on it.
"""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._arrays import as_labels, shared_floats
from ._errors import InvalidArgument, ShapeMismatch
from ._native import check, choices
from ._repr import described

__all__ = [
    "IGNORED_LABEL",
    "Schedule",
    "TokenLogProbs",
    "adamw_step",
    "sum_of_squares",
    "token_logprobs",
    "token_logprobs_backward",
]

#: A row with this label has no token: log-probability 0, gradient 0.
IGNORED_LABEL = _abi.DAMA_IGNORED_LABEL


class TokenLogProbs(NamedTuple):
    """Log-probabilities of the labels, and values for the backward pass; float32 in the shape of the labels."""

    values: NDArray[np.float32]
    #: log Σ exp(logits) of each row.
    normalizers: NDArray[np.float32]


def token_logprobs(logits: Any, labels: ArrayLike, *, threads: int = 0) -> TokenLogProbs:
    """log π(label) of each row of ``logits`` [..., vocabulary]; reads each logit once and keeps no large array.

    ``labels`` [...] are token ids, or ``IGNORED_LABEL`` (−100) for a row without a token. Each label belongs to the
    logits that predict it: shift one of the two arrays by one position first.
    """
    rows, tokens, vocabulary = _rows(logits, labels)
    values = np.empty(tokens.shape, dtype=np.float32)
    normalizers = np.empty(tokens.shape, dtype=np.float32)
    check(
        _abi.dama_token_logprobs(
            rows.ctypes.data, tokens.ctypes.data, tokens.size, vocabulary, _thread_count(threads), values.ctypes.data,
            normalizers.ctypes.data,
        )
    )  # fmt: skip
    return TokenLogProbs(values, normalizers)


def token_logprobs_backward(
    logits: Any,
    labels: ArrayLike,
    normalizers: Any,
    weights: ArrayLike,
    *,
    in_place: bool = False,
    out: Any = None,
    threads: int = 0,
) -> NDArray[np.float32]:
    """The gradient with respect to ``logits``: weight · (1[j = label] − softmax).

    ``weights`` [...] is the gradient with respect to each log-probability: for a response it is the gradient of the
    loss with respect to the response's sum, at each of its tokens. With ``in_place`` the gradient overwrites the
    logits. Otherwise ``out`` can be an array that is reused from step to step: fresh memory costs more time than the
    kernel.
    """
    rows, tokens, vocabulary = _rows(logits, labels, writable=in_place)
    sums = shared_floats(normalizers, "normalizers")
    factors = np.ascontiguousarray(np.broadcast_to(_floats(weights), tokens.shape))
    if sums.shape != tokens.shape:
        raise ShapeMismatch(f"normalizers have shape {sums.shape}; labels have {tokens.shape}")
    if in_place:
        gradient = rows
    elif out is None:
        gradient = np.empty_like(rows)
    else:
        gradient = shared_floats(out, "out", writable=True)
        if gradient.shape != rows.shape:
            raise ShapeMismatch(f"out has shape {gradient.shape}; logits have {rows.shape}")
    check(
        _abi.dama_token_logprobs_backward(
            rows.ctypes.data, tokens.ctypes.data, sums.ctypes.data, factors.ctypes.data, tokens.size, vocabulary,
            _thread_count(threads), gradient.ctypes.data,
        )
    )  # fmt: skip
    return gradient


def adamw_step(
    parameters: Any,
    gradients: Any,
    first_moment: Any,
    second_moment: Any,
    *,
    step: int,
    learning_rate: float,
    betas: tuple[float, float] = (0.9, 0.999),
    epsilon: float = 1e-8,
    weight_decay: float = 0.0,
    gradient_scale: float = 1.0,
    threads: int = 0,
) -> None:
    """One AdamW update in place, equal to ``torch.optim.AdamW``. ``step`` counts from 1; moments start as zeros."""
    p = shared_floats(parameters, "parameters", writable=True)
    g = shared_floats(gradients, "gradients")
    m = shared_floats(first_moment, "first_moment", writable=True)
    v = shared_floats(second_moment, "second_moment", writable=True)
    for name, array in (("gradients", g), ("first_moment", m), ("second_moment", v)):
        if array.shape != p.shape:
            raise ShapeMismatch(f"{name} has shape {array.shape}; parameters have {p.shape}")
    if not 1 <= step < 2**64:
        raise InvalidArgument(f"step is {step}; steps are counted from 1")
    options = _abi.dama_adamw_options(
        ctypes.sizeof(_abi.dama_adamw_options), _thread_count(threads), learning_rate, betas[0], betas[1], epsilon,
        weight_decay, gradient_scale,
    )  # fmt: skip
    check(
        _abi.dama_adamw_step(
            g.ctypes.data, g.size, step, options, p.ctypes.data, m.ctypes.data, v.ctypes.data
        )
    )


def sum_of_squares(values: Any, *, threads: int = 0) -> float:
    """Σ x² in double, for global-norm clipping; not finite if any number is not."""
    array = shared_floats(values, "values")
    result = ctypes.c_double()
    check(_abi.dama_sum_of_squares(array.ctypes.data, array.size, _thread_count(threads), ctypes.byref(result)))
    return result.value


class Schedule:
    """The learning rate over a run: warm-up from 0, then ``constant``, ``linear`` to 0 or ``cosine`` to 0.

    ``schedule(step)`` counts from 0, as transformers' schedulers do. ``warmup`` is a number of steps (int) or a share
    of the run (float).
    """

    _KINDS = choices(_abi.dama_schedule, "DAMA_SCHEDULE_")

    def __init__(self, kind: str, learning_rate: float, total_steps: int, warmup: float = 0) -> None:
        if kind not in self._KINDS:
            raise InvalidArgument(f"kind is {kind!r}; it must be one of {', '.join(map(repr, self._KINDS))}")
        if not 0 <= total_steps < 2**64:
            raise InvalidArgument(f"total_steps is {total_steps}; it must be at least 1")
        self._options = _abi.dama_schedule_options(
            ctypes.sizeof(_abi.dama_schedule_options), self._KINDS[kind], learning_rate, total_steps, 0, 0.0
        )
        if isinstance(warmup, (int, np.integer)):
            if not 0 <= warmup < 2**64:
                raise InvalidArgument(f"warmup is {warmup}; it must be 0 or more")
            self._options.warmup_steps = int(warmup)
        else:
            self._options.warmup_ratio = warmup
        self(0)

    def __repr__(self) -> str:
        return described(self, self._facts)

    def _facts(self) -> dict[str, Any]:
        it = self._options
        return {
            "kind": next(name for name, number in self._KINDS.items() if number == it.schedule),
            "learning_rate": it.learning_rate, "total_steps": it.total_steps,
            "warmup": it.warmup_steps or it.warmup_ratio,
        }  # fmt: skip

    def __call__(self, step: int) -> float:
        """The learning rate of an update; ``step`` counts from 0."""
        if not 0 <= step < 2**64:
            raise InvalidArgument(f"step is {step}; it must be 0 or more")
        rate = ctypes.c_double()
        check(_abi.dama_learning_rate(step, self._options, ctypes.byref(rate)))
        return rate.value


def _rows(logits: Any, labels: ArrayLike, writable: bool = False) -> tuple[NDArray[np.float32], NDArray[np.int64], int]:
    array = shared_floats(logits, "logits", writable)
    tokens = np.ascontiguousarray(as_labels(labels))
    if array.ndim < 1 or array.shape[:-1] != tokens.shape:
        raise ShapeMismatch(
            f"logits have shape {array.shape} and labels {tokens.shape}; each row needs one label"
        )
    return array, tokens, array.shape[-1]


def _floats(values: ArrayLike) -> NDArray[np.float32]:
    detach: Optional[Any] = getattr(values, "detach", None)
    return detach().cpu().float().numpy() if detach is not None else np.asarray(values, dtype=np.float32)


def _thread_count(threads: int) -> int:
    if not 0 <= threads < 2**32:
        raise InvalidArgument(f"threads is {threads}; it must be 0 (every processor) or more")
    return threads
