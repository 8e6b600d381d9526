"""The call convention: statuses as exceptions, enumerators by name."""

from __future__ import annotations

from enum import IntEnum

from . import _abi
from ._errors import error_for


def check(status: int) -> None:
    """Raises the exception that belongs to ``status``, unless it is ``DAMA_OK``."""
    if status:
        raise error_for(status, _abi.dama_error_message().decode("utf-8", "replace"))


def version() -> str:
    """The library's version, ``"MAJOR.MINOR.PATCH"``."""
    text: bytes = _abi.dama_version_string()
    return text.decode()


def choices(kind: type[IntEnum], prefix: str) -> dict[str, int]:
    """The enumerators of ``kind`` by the names used here: what follows ``prefix``, in small letters."""
    return {name.removeprefix(prefix).lower(): int(member) for name, member in kind.__members__.items()}
