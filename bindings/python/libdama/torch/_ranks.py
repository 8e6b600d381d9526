"""The ranks of torch.distributed, for libdama's own trainer."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np
import torch
import torch.distributed as dist

from .._dlpack import DeviceArray
from .._errors import InvalidArgument
from .._ranks import Numbers, Ranks


def ranks(group: Optional[Any] = None) -> Ranks:
    """The ranks of a process group, for ``libdama.train(…, ranks=…)`` and ``libdama.Trainer(…, ranks=…)``.

    ``group`` is a process group of ``torch.distributed``, by default the one of all ranks. Numbers in host memory need
    gloo or another backend for the CPU: with NCCL alone they pass through the current CUDA device. Gradients on a CUDA
    device are summed in place by NCCL; without it they pass through the host. ``InvalidArgument`` if
    ``init_process_group`` was not called.
    """
    if not (dist.is_available() and dist.is_initialized()):
        raise InvalidArgument("there is no process group; call torch.distributed.init_process_group first")
    backend = str(dist.get_backend_config(group)) if hasattr(dist, "get_backend_config") else dist.get_backend(group)
    has_cpu, has_cuda = "gloo" in backend or "mpi" in backend, "nccl" in backend

    def total(numbers: Numbers) -> None:
        if isinstance(numbers, DeviceArray):
            tensor = torch.from_dlpack(numbers)
            _reduce(tensor, tensor if has_cuda else tensor.cpu(), group)
            # The library works on its own stream of the device.
            torch.cuda.synchronize(tensor.device)
        else:
            tensor = torch.from_numpy(np.asarray(numbers))
            _reduce(tensor, tensor if has_cpu else tensor.cuda(), group)

    return Ranks(dist.get_rank(group), dist.get_world_size(group), total)


def _reduce(tensor: torch.Tensor, carrier: torch.Tensor, group: Any) -> None:
    """Sums ``tensor`` over the ranks by way of ``carrier``, which is where the backend can work."""
    dist.all_reduce(carrier, group=group)
    if carrier is not tensor:
        tensor.copy_(carrier)
