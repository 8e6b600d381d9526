"""Memory of a CUDA device as DLPack tensors, which torch, CuPy and JAX take without a copy."""

from __future__ import annotations

import ctypes
from typing import Any, Optional

_CUDA = 2
_FLOAT = 2


class _Tensor(ctypes.Structure):
    # DLManagedTensor of dlpack.h, version 0.8: the form that every framework takes.
    _fields_ = [
        ("data", ctypes.c_void_p), ("device_type", ctypes.c_int32), ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32), ("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)), ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64), ("manager_ctx", ctypes.c_void_p), ("deleter", ctypes.c_void_p),
    ]  # fmt: skip


_Deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
#: What exported tensors need while a framework uses them, by their address.
_exported: dict[int, tuple[Any, ...]] = {}


@_Deleter
def _delete(address: int) -> None:
    _exported.pop(address, None)


@_Deleter
def _drop(capsule: int) -> None:
    """Frees a capsule that no framework took."""
    if _is_valid(capsule, b"dltensor"):
        _delete(_pointer(capsule, b"dltensor"))


# Not ctypes.pythonapi: its functions are shared, and other packages set their argument types.
_python = ctypes.PyDLL(None)
_new = _python.PyCapsule_New
_new.restype, _new.argtypes = ctypes.py_object, [ctypes.c_void_p, ctypes.c_char_p, _Deleter]
_is_valid = _python.PyCapsule_IsValid
_is_valid.restype, _is_valid.argtypes = ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p]
_pointer = _python.PyCapsule_GetPointer
_pointer.restype, _pointer.argtypes = ctypes.c_void_p, [ctypes.c_void_p, ctypes.c_char_p]


class DeviceArray:
    """float32 numbers in the memory of a CUDA device: ``torch.from_dlpack(array)`` is a tensor over the same memory.

    Work on it is in order if it is on the device's default stream, as it is unless a program sets another one.
    """

    def __init__(self, address: int, shape: tuple[int, ...], device: int, owner: Any) -> None:
        self.shape = shape
        self._address, self._device, self._owner = address, device, owner

    def __repr__(self) -> str:
        return f"<DeviceArray of shape {self.shape}, float32, on cuda:{self._device}>"

    def __dlpack_device__(self) -> tuple[int, int]:
        return _CUDA, self._device

    def __dlpack__(self, *, stream: Optional[Any] = None, **_: Any) -> Any:
        shape = (ctypes.c_int64 * len(self.shape))(*self.shape)
        tensor = _Tensor(
            data=self._address, device_type=_CUDA, device_id=self._device, ndim=len(self.shape), code=_FLOAT, bits=32,
            lanes=1, shape=shape, deleter=ctypes.cast(_delete, ctypes.c_void_p).value,
        )  # fmt: skip
        address = ctypes.addressof(tensor)
        _exported[address] = (tensor, shape, self._owner)
        return _new(address, b"dltensor", _drop)
