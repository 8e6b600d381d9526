"""Statuses of the C ABI as Python exceptions."""

from __future__ import annotations


class DamaError(Exception):
    """A call into libdama failed. ``status`` is the C ABI's ``dama_status``."""

    status: int = 7


class InvalidArgument(DamaError, ValueError):
    """A value that can never be right."""

    status = 1


class ShapeMismatch(DamaError, ValueError):
    """Sizes that do not fit each other."""

    status = 2


class FileError(DamaError, OSError):
    """A file that cannot be read or written."""

    status = 3


class ModelError(DamaError, ValueError):
    """A model, tokenizer or image whose contents are wrong."""

    status = 4


class Unsupported(DamaError, NotImplementedError):
    """Something sound that this build or this ONNX Runtime cannot do."""

    status = 5


class OutOfMemory(DamaError, MemoryError):
    """Memory that cannot be had for a size that was asked for, or an input larger than the limit set for it."""

    status = 6


class Cancelled(DamaError):
    """A callback asked to stop."""

    status = 8


_BY_STATUS: dict[int, type[DamaError]] = {
    kind.status: kind
    for kind in (InvalidArgument, ShapeMismatch, FileError, ModelError, Unsupported, OutOfMemory, Cancelled)
}


def error_for(status: int, message: str) -> DamaError:
    """The exception for a status other than ``DAMA_OK``."""
    return _BY_STATUS.get(status, DamaError)(message)
