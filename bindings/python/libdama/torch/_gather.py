"""The pairs of all ranks, in the order in which one process would have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import ArrayLike, NDArray

from .._arrays import as_doubles, as_integers
from .._errors import DamaError, InvalidArgument, ShapeMismatch
from .._repr import described


@dataclass(frozen=True)
class Gathered:
    """The global batch: the pairs of all ranks by micro-batch, then rank, then row, which is the sampler's order."""

    #: Each column over the global batch, float64 [N], on the CPU.
    columns: dict[str, NDArray[np.float64]]
    #: The places of this rank's pairs in the global batch, in the order in which they were given.
    rows: NDArray[np.int64]
    #: The micro-batch of each pair of the global batch.
    keys: NDArray[np.int64]
    #: The rank of each pair of the global batch.
    ranks: NDArray[np.int64]

    def __repr__(self) -> str:
        return described(self, lambda: {"pairs": len(self), "columns": list(self.columns), "own": len(self.rows)})

    def __len__(self) -> int:
        return len(self.keys)


def gather_pairs(columns: Mapping[str, Any], key: ArrayLike, group: Optional[Any] = None) -> Gathered:
    """Gathers columns of numbers over the ranks of ``group``, in the order of one process.

    ``columns`` maps names to tensors [n] of this rank's pairs, on any device and of any floating type; a value of None
    is left out. ``key`` [n], or one number for all, is the micro-batch of each pair. Loaders deal micro-batches to
    the ranks in turn, so one process would see the pairs by micro-batch, rank and row: ties between equal gaps, which
    go to the lower place, are then decided alike on any number of ranks. The numbers of pairs may differ between ranks;
    0 is one of them. All ranks have to call with the same names. Numbers travel as float64.

    ``group`` is a process group of ``torch.distributed``, by default the one of all ranks; without
    ``torch.distributed`` there is one rank. A rank with bad input is an error on every rank, so that none waits.
    """
    names = [name for name, values in columns.items() if values is not None]
    try:
        local, keys = _local(names, columns, key)
    except DamaError as error:
        fail_together(error, group)
        raise
    if not is_distributed():
        every, rank = [(local, keys)], 0
    else:
        every, rank = _exchange(local, keys, columns, group), dist.get_rank(group)
    counts = [len(k) for _, k in every]
    all_keys = np.concatenate([k for _, k in every])
    ranks = np.repeat(np.arange(len(every)), counts)
    places = np.concatenate([np.arange(count) for count in counts])
    order = np.lexsort((places, ranks, all_keys))
    values = np.concatenate([v for v, _ in every], axis=1)[:, order]
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    start = sum(counts[:rank])
    return Gathered(
        columns=dict(zip(names, values)),
        rows=position[start : start + counts[rank]],
        keys=all_keys[order],
        ranks=ranks[order],
    )


def is_distributed() -> bool:
    """Whether this process is one of several, or could be."""
    return dist.is_available() and dist.is_initialized()


def fail_together(error: DamaError, group: Optional[Any] = None) -> None:
    """Tells the other ranks, which wait in :func:`gather_pairs`, that this one raises ``error``."""
    if is_distributed():
        _headers(0, 0, True, {}, group)


def to_doubles(tensors: list[Any]) -> NDArray[np.float64]:
    """Tensors [n] as one float64 array [len(tensors), n]; those of one device cross to the CPU together."""
    alike = all(isinstance(t, torch.Tensor) and t.device == tensors[0].device and t.dtype == tensors[0].dtype
                for t in tensors)  # fmt: skip
    if alike and tensors:
        both = torch.stack([t.detach() for t in tensors])
        found: NDArray[np.float64] = both.cpu().double().numpy()
        return found
    return np.stack([as_doubles(t) for t in tensors]) if tensors else np.zeros((0, 0))


def _local(names: list[str], columns: Mapping[str, Any], key: ArrayLike) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """This rank's part, checked: values [columns, n] and keys [n]."""
    if not names:
        raise InvalidArgument("columns is empty; give at least one column of numbers")
    count: Optional[int] = None
    for name in names:
        shape = tuple(columns[name].shape) if hasattr(columns[name], "shape") else np.shape(columns[name])
        if len(shape) != 1 or (count is not None and shape[0] != count):
            first = "" if count is None else f"; {names[0]} has ({count},)"
            raise ShapeMismatch(f"{name} has shape {shape}; it must have one number for each pair{first}")
        count = shape[0]
    keys = as_integers(key) if np.size(key) else np.zeros(0, dtype=np.int64)
    if keys is None:
        raise InvalidArgument("key must be integers, the micro-batch of each pair")
    if keys.ndim == 0:
        keys = np.full(count or 0, keys, dtype=np.int64)
    if keys.shape != (count,):
        raise ShapeMismatch(f"key has shape {keys.shape}; {names[0]} has ({count},)")
    return to_doubles([columns[name] for name in names]), keys


def _headers(columns: int, count: int, failed: bool, values: Mapping[str, Any], group: Any) -> NDArray[np.int64]:
    """The number of columns, of pairs, and whether it failed, of every rank."""
    header = torch.tensor([columns, count, failed], dtype=torch.int64, device=_device(values, group))
    headers = [torch.empty_like(header) for _ in range(dist.get_world_size(group))]
    dist.all_gather(headers, header, group=group)
    found: NDArray[np.int64] = torch.stack(headers).cpu().numpy()
    return found


def _exchange(
    local: NDArray[Any], keys: NDArray[np.int64], columns: Mapping[str, Any], group: Any
) -> list[tuple[NDArray[Any], NDArray[np.int64]]]:
    """The parts of all ranks. Numbers travel as the bits of float64, which no backend rounds."""
    facts = _headers(local.shape[0], local.shape[1], False, columns, group)
    bad = np.flatnonzero(facts[:, 2])
    if len(bad):
        raise InvalidArgument(f"rank {bad[0]} has bad pairs, and says why; no rank has taken a step")
    other = np.flatnonzero(facts[:, 0] != local.shape[0])
    if len(other):
        raise ShapeMismatch(
            f"rank {other[0]} has {facts[other[0], 0]} columns, this rank {local.shape[0]}; all ranks need the same"
        )
    width = int(facts[:, 1].max())
    packed = np.zeros((local.shape[0] + 1, width), dtype=np.int64)
    packed[:-1, : local.shape[1]] = np.ascontiguousarray(local, dtype=np.float64).view(np.int64)
    packed[-1, : local.shape[1]] = keys
    mine = torch.from_numpy(packed).to(_device(columns, group))
    parts = [torch.empty_like(mine) for _ in range(len(facts))]
    dist.all_gather(parts, mine, group=group)
    found = torch.stack(parts).cpu().numpy()
    return [
        (np.ascontiguousarray(part[:-1, :count]).view(np.float64), part[-1, :count])
        for part, count in zip(found, facts[:, 1])
    ]


def _device(columns: Mapping[str, Any], group: Any) -> torch.device:
    """Where tensors of a collective have to be: the CPU if the group has a backend for it."""
    backend = str(dist.get_backend(group))
    if "nccl" not in backend or "gloo" in backend:
        return torch.device("cpu")
    for values in columns.values():
        if isinstance(values, torch.Tensor) and values.is_cuda:
            return values.device
    return torch.device("cuda", torch.cuda.current_device())
