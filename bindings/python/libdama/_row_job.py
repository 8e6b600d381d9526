"""Shared by the jobs over datasets: options, progress, Ctrl-C, the files beside the output."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi
from ._cancellation import Cancellation
from ._errors import InvalidArgument
from ._interrupt import Interrupt
from ._native import check, choices
from ._policy import c_text
from ._progress import JobProgress, job_bar

_PHASES = {number: name for name, number in choices(_abi.dama_phase, "DAMA_PHASE_").items()}
_CANCELLED = int(_abi.dama_status.DAMA_CANCELLED)

#: A path as Python's own functions take it.
AnyPath = Union[str, "os.PathLike[str]"]


@dataclass(frozen=True)
class Progress:
    """The progress of a job over a dataset."""

    #: "scanning" (reading the whole dataset once), "computing" or "writing".
    phase: str
    #: Rows done, including rejected rows and rows of earlier runs.
    rows_done: int
    #: Rows of the dataset; 0 while scanning.
    rows_total: int
    rows_rejected: int
    #: Rows that earlier runs finished.
    rows_resumed: int
    #: Seconds since the job began.
    seconds: float
    rows_per_second: float
    #: Seconds left at that rate; ``None`` while it is unknown.
    seconds_left: Optional[float]


def options_of(kind: Any, init: Callable[[Any], None], names: Mapping[str, Mapping[str, int]], **values: Any) -> Any:
    """An options struct of this kind that ``init`` has set, with each value in the field of its name.

    The C type of a field determines its values: paths for strings, None for missing values, names for enumerators.
    ``names`` has the enumerators' names for each field.
    """
    options = kind()
    init(options)
    fields = dict(kind._fields_)
    for name, value in values.items():
        if name not in fields or name in _PARTS or name.endswith("_count"):
            usable = [field for field in fields if field not in _PARTS and not field.endswith("_count")]
            raise TypeError(f"unknown option {name!r}; expected one of {', '.join(sorted(usable))}")
        _set(options, name, fields[name], value, names)
    return options


#: Fields that are not options.
_PARTS = {"struct_size", "reserved", "user"}
_UNSIGNED = {ctypes.c_uint32: 32, ctypes.c_size_t: 63, ctypes.c_uint64: 64}


def _set(options: Any, name: str, field: Any, value: Any, names: Mapping[str, Mapping[str, int]]) -> None:
    if name in names:
        if value not in names[name]:
            raise InvalidArgument(f"{name} is {value!r}; expected one of {', '.join(names[name])}")
        value = names[name][value]
    elif field is ctypes.c_char_p:
        value = None if value is None else os.fsencode(value)
    elif field is ctypes.POINTER(ctypes.c_char_p):
        items = [f"{key}={item}" for key, item in value.items()] if isinstance(value, Mapping) else list(value or ())
        texts = [c_text(item, name) for item in items]
        setattr(options, (name if name == "stop" else name.removesuffix("s")) + "_count", len(texts))
        value = (ctypes.c_char_p * len(texts))(*texts)
    elif field is ctypes.c_int32:
        value = bool(value)
    elif field is ctypes.c_double:
        # NaN stands for None in C, so a NaN becomes infinite, which C rejects.
        value = float("nan") if value is None else value if value == value else float("inf")
    elif field is ctypes.c_int64:
        if value is not None and not 0 <= value < 1 << 63:
            raise InvalidArgument(f"{name} is {value}; expected None or a number from 0 to 2**63 - 1")
        value = -1 if value is None else value
    elif field in _UNSIGNED:
        bits = _UNSIGNED[field]
        if not 0 <= value < 1 << bits:
            raise InvalidArgument(f"{name} is {value}; expected 0 to 2**{bits} - 1")
    setattr(options, name, value)


def run(
    function: Any,
    handle: Optional[ctypes.c_void_p],
    options: Any,
    result: Any,
    progress: JobProgress,
    cancellation: Optional[Cancellation],
    title: str,
) -> None:
    """Runs a job, which a bar calls ``title``. Raises what ``progress`` raises, and ``KeyboardInterrupt`` after Ctrl-C."""
    with job_bar(progress, title) as show:
        _run(function, handle, options, result, show, cancellation)


def _run(
    function: Any,
    handle: Optional[ctypes.c_void_p],
    options: Any,
    result: Any,
    progress: Optional[Callable[[Progress], object]],
    cancellation: Optional[Cancellation],
) -> None:
    raised: list[BaseException] = []
    interrupt = Interrupt()

    # There is always a callback, even without ``progress``, because Python's signal handlers run in it.
    @_abi.dama_progress_callback
    def tell(pointer: Any, _user: Any) -> int:
        try:
            if progress is not None:
                progress(progress_of(pointer.contents))
            return _CANCELLED if interrupt.seen else 0
        except BaseException as error:
            raised.append(error)
            return _CANCELLED

    options.progress = tell
    with interrupt:
        status = function(handle, options, result, None if cancellation is None else cancellation._handle)
    if raised:
        raise raised[0]
    if interrupt.seen:
        raise KeyboardInterrupt
    check(status)


def files(output: AnyPath) -> dict[str, Any]:
    """output, rejects and summary of a result: the paths of the files, and the contents of the summary."""
    base = _base(Path(output))
    return {
        "output": Path(output),
        "rejects": base.with_name(base.name + ".rejects.jsonl"),
        "summary": json.loads(base.with_name(base.name + ".summary.json").read_text("utf-8")),
    }


def progress_of(it: _abi.dama_progress) -> Progress:
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
    """The path with which the names of the files beside the output begin."""
    for suffix in (".jsonl", ".json", ".ndjson"):
        if output.name.endswith(suffix) and output.name != suffix:
            return output.with_name(output.name[: -len(suffix)])
    return output
