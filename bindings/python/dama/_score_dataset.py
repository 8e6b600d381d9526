"""Scoring a dataset for hardness, section 3.2 of the paper."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from ._errors import InvalidArgument
from ._native import check, declare
from ._scorer import Scorer

_PHASES = ("scanning", "computing", "writing")
_CANCELLED = 8
_DELTA_SOURCES = {"probabilities": 0, "scores": 1}


class _Progress(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("phase", ctypes.c_uint32),
        ("rows_done", ctypes.c_uint64),
        ("rows_total", ctypes.c_uint64),
        ("rows_rejected", ctypes.c_uint64),
        ("rows_resumed", ctypes.c_uint64),
        ("seconds", ctypes.c_double),
        ("rows_per_second", ctypes.c_double),
        ("seconds_left", ctypes.c_double),
    ]


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(_Progress), ctypes.c_void_p)


class _Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("delta_source", ctypes.c_uint32),
        ("data", ctypes.c_char_p),
        ("image_root", ctypes.c_char_p),
        ("output", ctypes.c_char_p),
        ("mean_delta", ctypes.c_double),
        ("fields", ctypes.POINTER(ctypes.c_char_p)),
        ("field_count", ctypes.c_size_t),
        ("max_rejected", ctypes.c_int64),
        ("restart", ctypes.c_int32),
        ("workers", ctypes.c_uint32),
        ("block_rows", ctypes.c_uint32),
        ("cache_bytes", ctypes.c_size_t),
        ("row_limit", ctypes.c_size_t),
        ("image_limit", ctypes.c_size_t),
        ("progress", _CALLBACK),
        ("user", ctypes.c_void_p),
    ]


class _Result(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("was_complete", ctypes.c_int32),
        ("rows", ctypes.c_uint64),
        ("rows_scored", ctypes.c_uint64),
        ("rows_rejected", ctypes.c_uint64),
        ("mean_delta", ctypes.c_double),
        ("mean_delta_used", ctypes.c_double),
    ]


_options_init = declare("dama_score_dataset_options_init", ctypes.POINTER(_Options), restype=None)
_result_init = declare("dama_score_dataset_result_init", ctypes.POINTER(_Result), restype=None)
_score_dataset = declare(
    "dama_score_dataset", ctypes.c_void_p, ctypes.POINTER(_Options), ctypes.POINTER(_Result)
)


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


@dataclass(frozen=True)
class ScoreResult:
    """What :func:`score_dataset` found."""

    rows: int
    rows_scored: int
    rows_rejected: int
    #: The mean of δ over the rows scored.
    mean_delta: float
    #: δ̄ as α_D used it.
    mean_delta_used: float
    #: An earlier run had finished the same job, and nothing was left to do.
    was_complete: bool
    output: Path
    #: Rows left out, with line and reason.
    rejects: Path
    #: What the summary file holds: quantiles, histogram, counts, settings.
    summary: dict[str, Any]


def score_dataset(
    model: Union[Scorer, str, os.PathLike[str]],
    data: Union[str, os.PathLike[str]],
    output: Union[str, os.PathLike[str]],
    *,
    image_root: Union[str, os.PathLike[str], None] = None,
    delta: str = "probabilities",
    mean_delta: Optional[float] = None,
    fields: Optional[Mapping[str, str]] = None,
    max_rejected: Optional[int] = None,
    restart: bool = False,
    workers: int = 0,
    block_rows: int = 32,
    cache_bytes: int = 64 << 20,
    row_limit: int = 8 << 20,
    image_limit: int = 64 << 20,
    progress: Optional[Callable[[Progress], object]] = None,
) -> ScoreResult:
    """Score every pair of a dataset for hardness, Eqs. (4) to (7), from a file to a file.

    ``model`` is a :class:`Scorer` or the folder of a CLIP model; ``data`` is JSON Lines or one JSON array with the
    fields ``image`` (or ``image_path``), ``chosen`` and ``rejected``, or others that ``fields`` names
    (``{"chosen": "answer_good"}``). Image paths are relative to ``image_root`` (default: the dataset's folder) and
    cannot leave it. ``output``, ``NAME.jsonl``, gets a line for each row scored; ``NAME.rejects.jsonl``,
    ``NAME.summary.json`` and ``NAME.run.json`` come beside it.

    A job that was stopped or killed goes on when it is called again with the same arguments, and ends with the same
    bytes. ``progress`` is called on this thread many times; an exception that it raises stops the job and comes out
    here, and so does Ctrl-C. Memory does not grow with the rows.
    """
    if delta not in _DELTA_SOURCES:
        raise InvalidArgument(f"delta is {delta!r}; expected one of {', '.join(map(repr, _DELTA_SOURCES))}")
    for name, value in {"workers": workers, "block_rows": block_rows}.items():
        if not 0 <= value < 1 << 32:
            raise InvalidArgument(f"{name} is {value}; expected 0 to 2**32 - 1")
    for name, value in {"cache_bytes": cache_bytes, "row_limit": row_limit, "image_limit": image_limit}.items():
        if not 0 <= value < 1 << 63:
            raise InvalidArgument(f"{name} is {value}; expected a number of bytes")
    if max_rejected is not None and not 0 <= max_rejected < 1 << 63:
        raise InvalidArgument(f"max_rejected is {max_rejected}; expected None or a number of rows")
    scorer = model if isinstance(model, Scorer) else Scorer(model)

    options = _Options()
    _options_init(options)
    options.delta_source = _DELTA_SOURCES[delta]
    options.data = os.fsencode(data)
    options.output = os.fsencode(output)
    options.image_root = None if image_root is None else os.fsencode(image_root)
    if mean_delta is not None:
        options.mean_delta = mean_delta if mean_delta == mean_delta else float("inf")
    mappings = [f"{key}={value}".encode() for key, value in (fields or {}).items()]
    options.fields = (ctypes.c_char_p * len(mappings))(*mappings)
    options.field_count = len(mappings)
    options.max_rejected = -1 if max_rejected is None else max_rejected
    options.restart = restart
    options.workers = workers
    options.block_rows = block_rows
    options.cache_bytes = cache_bytes
    options.row_limit = row_limit
    options.image_limit = image_limit

    raised: list[BaseException] = []
    interrupt = _Interrupt()

    # There is a callback even where nobody listens: it is where Python's signal handlers run.
    @_CALLBACK
    def tell(pointer: Any, _user: Any) -> int:
        try:
            if progress is not None:
                progress(_progress(pointer.contents))
            return _CANCELLED if interrupt.seen else 0
        except BaseException as error:
            raised.append(error)
            return _CANCELLED

    options.progress = tell
    result = _Result()
    _result_init(result)
    with interrupt:
        status = _score_dataset(scorer._handle, options, result)
    if raised:
        raise raised[0]
    if interrupt.seen:
        raise KeyboardInterrupt
    check(status)
    base = _base(Path(output))
    return ScoreResult(
        rows=result.rows,
        rows_scored=result.rows_scored,
        rows_rejected=result.rows_rejected,
        mean_delta=result.mean_delta,
        mean_delta_used=result.mean_delta_used,
        was_complete=bool(result.was_complete),
        output=Path(output),
        rejects=base.with_name(base.name + ".rejects.jsonl"),
        summary=json.loads(base.with_name(base.name + ".summary.json").read_text("utf-8")),
    )


class _Interrupt:
    """Notes Ctrl-C while C runs, instead of raising.

    Python raises ``KeyboardInterrupt`` as soon as it is in Python code, which may be the first line of a callback,
    before any ``try``: there ctypes would drop it. A handler of the program's own is left alone.
    """

    seen = False
    _previous: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._previous = signal.signal(signal.SIGINT, self._note)

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _note(self, *_: object) -> None:
        self.seen = True


def _progress(it: _Progress) -> Progress:
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
