"""What the jobs over datasets have in common: options, progress, Ctrl-C, the files beside the output."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi
from ._errors import InvalidArgument
from ._interrupt import Interrupt
from ._native import check, choices

_PHASES = {number: name for name, number in choices(_abi.dama_phase, "DAMA_PHASE_").items()}
_CANCELLED = int(_abi.dama_status.DAMA_CANCELLED)

#: A path as Python's own functions take it.
AnyPath = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Progress:
    """How far a job over a dataset is."""

    #: "scanning" (reading the dataset through), "computing" or "writing".
    phase: str
    #: Rows done, rejected ones and those of earlier runs included.
    rows_done: int
    #: Rows of the dataset; 0 while scanning.
    rows_total: int
    rows_rejected: int
    #: Rows that earlier runs had done.
    rows_resumed: int
    #: Since the job began.
    seconds: float
    rows_per_second: float
    #: At that rate; ``None`` while it cannot be told.
    seconds_left: Optional[float]


def fill(
    options: Any,
    data: AnyPath,
    output: AnyPath,
    *,
    image_root: Optional[AnyPath],
    fields: Optional[Mapping[str, str]],
    max_rejected: Optional[int],
    restart: bool,
    follow_links: bool,
    workers: int,
    block_rows: int,
    **sizes: int,
) -> None:
    """Sets the fields that every job's options struct has; ``sizes`` are those in bytes."""
    for name, value in {"workers": workers, "block_rows": block_rows}.items():
        if not 0 <= value < 1 << 32:
            raise InvalidArgument(f"{name} is {value}; expected 0 to 2**32 - 1")
        setattr(options, name, value)
    for name, value in sizes.items():
        if not 0 <= value < 1 << 63:
            raise InvalidArgument(f"{name} is {value}; expected a number of bytes")
        setattr(options, name, value)
    if max_rejected is not None and not 0 <= max_rejected < 1 << 63:
        raise InvalidArgument(f"max_rejected is {max_rejected}; expected None or a number of rows")
    options.max_rejected = -1 if max_rejected is None else max_rejected
    options.data = os.fsencode(data)
    options.output = os.fsencode(output)
    options.image_root = None if image_root is None else os.fsencode(image_root)
    mappings = [f"{key}={value}".encode() for key, value in (fields or {}).items()]
    options.fields = (ctypes.c_char_p * len(mappings))(*mappings)
    options.field_count = len(mappings)
    options.restart = restart
    options.follow_links = follow_links


def run(
    function: Any, handle: ctypes.c_void_p, options: Any, result: Any, progress: Optional[Callable[[Progress], object]]
) -> None:
    """Runs a job. What ``progress`` raises comes out here, and so does Ctrl-C."""
    raised: list[BaseException] = []
    interrupt = Interrupt()

    # There is a callback even where nobody listens: it is where Python's signal handlers run.
    @_abi.dama_progress_callback
    def tell(pointer: Any, _user: Any) -> int:
        try:
            if progress is not None:
                progress(_progress(pointer.contents))
            return _CANCELLED if interrupt.seen else 0
        except BaseException as error:
            raised.append(error)
            return _CANCELLED

    options.progress = tell
    with interrupt:
        status = function(handle, options, result)
    if raised:
        raise raised[0]
    if interrupt.seen:
        raise KeyboardInterrupt
    check(status)


def files(output: AnyPath) -> dict[str, Any]:
    """output, rejects and summary of a result: where the files are, and what the summary holds."""
    base = _base(Path(output))
    return {
        "output": Path(output),
        "rejects": base.with_name(base.name + ".rejects.jsonl"),
        "summary": json.loads(base.with_name(base.name + ".summary.json").read_text("utf-8")),
    }


def _progress(it: _abi.dama_progress) -> Progress:
    left = it.seconds_left
    return Progress(
        phase=_PHASES[it.phase],
        rows_done=it.rows_done,
        rows_total=it.rows_total,
        rows_rejected=it.rows_rejected,
        rows_resumed=it.rows_resumed,
        seconds=it.seconds,
        rows_per_second=it.rows_per_second,
        seconds_left=left if left == left else None,
    )


def _base(output: Path) -> Path:
    """The path whose name the files beside the output begin with."""
    for suffix in (".jsonl", ".json", ".ndjson"):
        if output.name.endswith(suffix) and output.name != suffix:
            return output.with_name(output.name[: -len(suffix)])
    return output
