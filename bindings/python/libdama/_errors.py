"""Statuses of the C ABI as Python exceptions."""

from __future__ import annotations

from ._abi import dama_status


class DamaError(Exception):
    """A call into libdama failed. ``status`` is the C ABI's ``dama_status``."""

    status: int = int(dama_status.DAMA_INTERNAL)


class InvalidArgument(DamaError, ValueError):
    """An invalid value, such as NaN, a negative size or an unknown option."""

    status = int(dama_status.DAMA_INVALID_ARGUMENT)


class ShapeMismatch(DamaError, ValueError):
    """Sizes that do not match."""

    status = int(dama_status.DAMA_SHAPE_MISMATCH)


class FileError(DamaError, OSError):
    """A file that cannot be read or written."""

    status = int(dama_status.DAMA_IO)


class ModelError(DamaError, ValueError):
    """A model, tokenizer or image whose contents are wrong."""

    status = int(dama_status.DAMA_MODEL)


class Unsupported(DamaError, NotImplementedError):
    """A valid request that this build or this ONNX Runtime does not support."""

    status = int(dama_status.DAMA_UNSUPPORTED)


class OutOfMemory(DamaError, MemoryError):
    """Memory of the requested size is not available, or an input exceeds its limit."""

    status = int(dama_status.DAMA_OUT_OF_MEMORY)


class Cancelled(DamaError):
    """A callback or a cancellation stopped the call."""

    status = int(dama_status.DAMA_CANCELLED)


class MissingPackage(DamaError, ImportError):
    """A Python package that a module of libdama needs and that is not installed."""

    status = int(dama_status.DAMA_UNSUPPORTED)


_BY_STATUS: dict[int, type[DamaError]] = {
    kind.status: kind
    for kind in (InvalidArgument, ShapeMismatch, FileError, ModelError, Unsupported, OutOfMemory, Cancelled)
}


def error_for(status: int, message: str) -> DamaError:
    """The exception for a status other than ``DAMA_OK``."""
    return _BY_STATUS.get(status, DamaError)(message)
