"""Log-probabilities of tokens as an operator of torch, without arrays of the logits' size beside the logits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from .. import kernels
from .._errors import InvalidArgument, ShapeMismatch

#: Numbers of one part of the logits that other devices and types work on, 64 MB in float32.
_PART = 1 << 24


def token_logprobs(logits: Tensor, labels: Tensor, *, consume: bool = False) -> Tensor:
    """log π(label) of each row of ``logits`` [..., vocabulary], with gradients with respect to the logits.

    ``labels`` [...] are token ids, or −100 for a row without a token (log-probability 0, gradient 0). Each label
    belongs to the logits that predict it: shift one of the two by one position first. ``log_softmax`` and ``gather``
    keep two arrays of the logits' size for the backward pass; this keeps a number for each row.

    float32 logits on the CPU go through the library's kernel. Other devices and types take parts of the rows at a time:
    half precision in float32, float64 in float64. The result is float32, or float64 for float64; the gradient has the
    logits' type. With ``consume`` the gradient overwrites the logits, so that no second array of their size is
    made; nothing else may read them after this call, as holds for the head of a language model.

    ``torch.compile`` takes the call as one operator, ``torch.ops.libdama.token_logprobs``.
    """
    if not logits.is_floating_point():
        raise InvalidArgument(f"logits are {logits.dtype}; they must be floating-point numbers")
    if labels.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8):
        raise InvalidArgument(f"labels are {labels.dtype}; token ids must be integers")
    if logits.dim() < 1 or logits.shape[:-1] != labels.shape:
        raise ShapeMismatch(
            f"logits have shape {tuple(logits.shape)} and labels {tuple(labels.shape)}; each row needs one label"
        )
    labels = labels.to(device=logits.device, dtype=torch.int64)
    if consume:
        found: Tensor = _Consuming.apply(logits, labels)
        return found
    values, _ = _forward(logits, labels)
    return values


def _on_kernel(logits: Tensor) -> bool:
    return logits.device.type == "cpu" and logits.dtype == torch.float32


def _exact(dtype: torch.dtype) -> torch.dtype:
    return torch.float64 if dtype == torch.float64 else torch.float32


def _parts(logits: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Parts of the rows of ``logits`` [rows, vocabulary] in the type of the arithmetic."""
    rows = max(1, _PART // max(1, logits.shape[1]))
    for start in range(0, logits.shape[0], rows):
        part = slice(start, min(start + rows, logits.shape[0]))
        yield part, logits[part].to(_exact(logits.dtype))


def _check_labels(labels: Tensor, vocabulary: int) -> None:
    bad = (labels != kernels.IGNORED_LABEL) & ((labels < 0) | (labels >= vocabulary))
    if bool(bad.any()):
        raise InvalidArgument(
            f"a label is {int(labels[bad][0])}; it must be −100 or a token of the vocabulary of {vocabulary}"
        )


def _values(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """log π(label) and log Σ exp(logits) of each row."""
    if _on_kernel(logits):
        found = kernels.token_logprobs(logits.contiguous(), labels, threads=torch.get_num_threads())
        return torch.from_numpy(found.values), torch.from_numpy(found.normalizers)
    _check_labels(labels, logits.shape[-1])
    rows, flat = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    values = torch.empty(flat.shape, dtype=_exact(logits.dtype), device=logits.device)
    normalizers = torch.empty_like(values)
    for part, x in _parts(rows):
        normalizers[part] = x.logsumexp(-1)
        token = flat[part]
        picked = x.gather(1, token.clamp(min=0)[:, None])[:, 0] - normalizers[part]
        values[part] = torch.where(token == kernels.IGNORED_LABEL, torch.zeros_like(picked), picked)
    return values.view(labels.shape), normalizers.view(labels.shape)


def _gradient(weights: Tensor, logits: Tensor, labels: Tensor, normalizers: Tensor, in_place: bool) -> Tensor:
    """weight · (1[j = label] − softmax), in the logits' type."""
    if _on_kernel(logits):
        threads = torch.get_num_threads()
        rows = logits if in_place else logits.contiguous()
        found = kernels.token_logprobs_backward(rows, labels, normalizers, weights, in_place=in_place, threads=threads)
        return logits if in_place else torch.from_numpy(found)
    rows, flat = logits.reshape(-1, logits.shape[-1]), labels.reshape(-1)
    gradient = rows if in_place else torch.empty_like(rows)
    w = torch.where(flat == kernels.IGNORED_LABEL, 0, weights.reshape(-1).to(normalizers.dtype))
    sums = normalizers.reshape(-1)
    for part, x in _parts(rows):
        found_part = (x - sums[part][:, None]).exp_().mul_(-w[part][:, None])
        found_part.scatter_add_(1, flat[part].clamp(min=0)[:, None], w[part][:, None])
        gradient[part] = found_part.to(logits.dtype)
    return gradient.view(logits.shape)


@torch.library.custom_op("libdama::token_logprobs", mutates_args=())
def _forward(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    return _values(logits, labels)


@_forward.register_fake
def _(logits: Any, labels: Any) -> Any:
    empty = torch.empty(labels.shape, dtype=_exact(logits.dtype), device=logits.device)
    return empty, torch.empty_like(empty)


@torch.library.custom_op("libdama::token_logprobs_backward", mutates_args=())
def _backward(weights: Tensor, logits: Tensor, labels: Tensor, normalizers: Tensor) -> Tensor:
    return _gradient(weights, logits, labels, normalizers, in_place=False)


@_backward.register_fake
def _(weights: Any, logits: Any, labels: Any, normalizers: Any) -> Any:
    return torch.empty(logits.shape, dtype=logits.dtype, device=logits.device)


def _keep(ctx: Any, inputs: Any, output: Any) -> None:
    logits, labels = inputs
    ctx.save_for_backward(logits, labels, output[1])
    ctx.mark_non_differentiable(output[1])


def _differentiate(ctx: Any, weights: Any, _: Any) -> Any:
    logits, labels, normalizers = ctx.saved_tensors
    return _backward(weights, logits, labels, normalizers), None


_forward.register_autograd(_differentiate, setup_context=_keep)


class _Consuming(torch.autograd.Function):
    """The operator whose gradient overwrites the logits."""

    @staticmethod
    def forward(ctx: Any, logits: Any, labels: Any) -> Any:
        # A slice is copied: its gradient cannot be written over an array with other numbers between its rows.
        rows = logits.contiguous()
        values, normalizers = _values(rows, labels)
        ctx.kept = (rows, labels, normalizers)
        return values

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, weights: Any) -> Any:
        if ctx.kept is None:
            raise InvalidArgument("the logits were consumed by an earlier backward pass; call token_logprobs again")
        rows, labels, normalizers = ctx.kept
        ctx.kept = None
        return _gradient(weights, rows, labels, normalizers, in_place=True), None
