"""Calls into C: statuses as exceptions, enumerators by name."""

from __future__ import annotations

from enum import IntEnum

from . import _abi
from ._errors import error_for


def check(status: int) -> None:
    """Raises the exception for ``status``, unless it is ``DAMA_OK``."""
    if status:
        raise error_for(status, _abi.dama_error_message().decode("utf-8", "replace"))


def version() -> str:
    """The library's version, ``"MAJOR.MINOR.PATCH"``."""
    text: bytes = _abi.dama_version_string()
    return text.decode()


def choices(kind: type[IntEnum], prefix: str) -> dict[str, int]:
    """The enumerators of ``kind`` by their Python names: the part after ``prefix``, in lower case."""
    return {name.removeprefix(prefix).lower(): int(member) for name, member in kind.__members__.items()}
