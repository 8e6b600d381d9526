"""A trainable tensor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import _abi
from ._dlpack import DeviceArray
from ._repr import described


@dataclass(frozen=True)
class Parameter:
    """A trainable tensor.

    ``name``
        Its name in the model's files, or the name of an adapter's matrix.
    ``value``
        The trainer's own memory, float32, not a copy: writing to it changes the weights. It lives as long as
        the array. For a policy on a device, or of another precision than float32, a copy that cannot be
        written: see :meth:`write`.
    ``gradient``
        As the value.
    ``decays``
        Whether weight decay applies.
    ``device_gradient``
        The gradient on a CUDA device, for ``torch.from_dlpack`` and other frameworks: the trainer's own memory,
        float32, which is reduced in place. None for a gradient in host memory.
    """

    name: str
    value: NDArray[np.float32]
    gradient: NDArray[np.float32]
    decays: bool
    device_gradient: Optional[DeviceArray] = None
    _write: Callable[[int, Any], None] = field(default=lambda part, values: None, repr=False, compare=False)

    def write(self, values: ArrayLike) -> None:
        """Replaces the value, wherever it lies. ``values`` has the tensor's shape; :exc:`ShapeMismatch` otherwise."""
        self._write(_abi.dama_parameter_part.DAMA_PARAMETER_VALUE, values)

    def write_gradient(self, values: ArrayLike) -> None:
        """Replaces the gradient, wherever it lies. ``values`` has the tensor's shape."""
        self._write(_abi.dama_parameter_part.DAMA_PARAMETER_GRADIENT, values)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of value and gradient."""
        return self.value.shape

    def __repr__(self) -> str:
        return described(self, lambda: {"name": self.name, "shape": self.shape, "decays": self.decays})
