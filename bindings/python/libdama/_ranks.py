"""The processes or threads that train one model together."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any, Union

import numpy as np
from numpy.typing import NDArray

from . import _abi
from ._dlpack import DeviceArray
from ._repr import described
from ._runtime import unsigned

_OK, _CANCELLED = int(_abi.dama_status.DAMA_OK), int(_abi.dama_status.DAMA_CANCELLED)
_TYPES: dict[int, tuple[type[Any], type[Any]]] = {
    int(_abi.dama_sum_type.DAMA_SUM_FLOAT32): (ctypes.c_float, np.float32),
    int(_abi.dama_sum_type.DAMA_SUM_FLOAT64): (ctypes.c_double, np.float64),
}

#: What a sum takes: an array in host memory, or one in the memory of a CUDA device.
Numbers = Union[NDArray[Any], DeviceArray]


class Ranks:
    """The processes or threads that train one model together, a rank each, for ``Trainer`` and ``train``.

    Each rank forwards its share of a batch: of N pairs those with the numbers ``rank``, ``rank + count``, … Reward gaps,
    filter, β and the divisor of the loss are those of the whole batch, as in one process, and the ranks' gradients are
    summed, so that all end with the same weights. ``libdama.torch.ranks`` makes the object for ``torch.distributed``.

    ``rank``
        This one's, from 0.
    ``count``
        The number of ranks.
    ``sum``
        Replaces numbers by their sums over all ranks, as ``all_reduce``: it is called with a one-dimensional numpy array,
        float32 or float64, or with a ``DeviceArray`` for the gradients of a model on a CUDA device. All ranks call it with
        equally many numbers in the same order, on the thread that trains, and must get the same bits. An exception
        that it raises stops the step or the job, and is raised there.
    """

    def __init__(self, rank: int, count: int, sum: Callable[[Numbers], object]) -> None:
        self.rank, self.count = unsigned("rank", rank, 32), unsigned("count", count, 32)
        self._failures: list[BaseException] = []

        def total(address: int, size: int, kind: int, device: int, _user: Any) -> int:
            try:
                if size:
                    c_type, number = _TYPES[kind]
                    if device < 0:
                        sum(np.frombuffer((c_type * size).from_address(address), number))
                    else:
                        sum(DeviceArray(address, (size,), device, None))
                return _OK
            except BaseException as error:
                self._failures.append(error)
                return _CANCELLED

        self._callback = _abi.dama_sum_callback(total)
        self._struct = _abi.dama_ranks()
        _abi.dama_ranks_init(self._struct)
        self._struct.rank, self._struct.count = self.rank, self.count
        self._struct.sum = self._callback

    def __repr__(self) -> str:
        return described(self, lambda: {"rank": self.rank, "count": self.count})

    @property
    def _pointer(self) -> Any:
        return ctypes.pointer(self._struct)

    def _raise_failure(self) -> None:
        """Raises what ``sum`` raised, if it did since the last call."""
        failures, self._failures = self._failures, []
        if failures:
            raise failures[0]
