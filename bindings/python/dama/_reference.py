"""A reference model's log-probabilities of a dataset, computed once."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from . import _row_job
from ._native import check, declare, declare_init
from ._policy import Pair, PairLogps, PolicyModel, _choice, _Pair, logps_of, pair_array
from ._row_job import AnyPath, Progress
from ._scorer import Image

_FORMATS = {"full": 0, "logps": 1}
_HANDLE = ctypes.c_void_p


class _Options(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("format", ctypes.c_uint32),
        ("data", ctypes.c_char_p),
        ("image_root", ctypes.c_char_p),
        ("output", ctypes.c_char_p),
        ("fields", ctypes.POINTER(ctypes.c_char_p)),
        ("field_count", ctypes.c_size_t),
        ("max_rejected", ctypes.c_int64),
        ("restart", ctypes.c_int32),
        ("workers", ctypes.c_uint32),
        ("block_rows", ctypes.c_uint32),
        ("row_limit", ctypes.c_size_t),
        ("image_limit", ctypes.c_size_t),
        ("progress", _row_job.CALLBACK),
        ("user", ctypes.c_void_p),
    ]


class _Result(ctypes.Structure):
    _fields_ = [
        ("struct_size", ctypes.c_uint32),
        ("was_complete", ctypes.c_int32),
        ("rows", ctypes.c_uint64),
        ("rows_rejected", ctypes.c_uint64),
        ("rows_cut", ctypes.c_uint64),
    ]


_options_init = declare_init("dama_reference_dataset_options_init", _Options)
_result_init = declare_init("dama_reference_dataset_result_init", _Result)
_reference_dataset = declare(
    "dama_reference_dataset", _HANDLE, ctypes.POINTER(_Options), ctypes.POINTER(_Result)
)
_open = declare("dama_reference_cache_open", ctypes.POINTER(_HANDLE), ctypes.c_char_p, _HANDLE)
_free = declare("dama_reference_cache_free", _HANDLE, restype=None)
_count = declare("dama_reference_cache_count", _HANDLE, restype=ctypes.c_size_t)
_contains = declare(
    "dama_reference_cache_contains", _HANDLE, ctypes.POINTER(_Pair), ctypes.POINTER(ctypes.c_int32)
)
_logps = declare(
    "dama_reference_cache_logps", ctypes.POINTER(_HANDLE), _HANDLE, ctypes.POINTER(_Pair), ctypes.c_size_t
)


@dataclass(frozen=True)
class ReferenceResult:
    """How :func:`reference_dataset` ended."""

    rows: int
    rows_rejected: int
    #: Rows of which a response was cut to fit.
    rows_cut: int
    #: An earlier run had finished the same job, and nothing was left to do.
    was_complete: bool
    output: Path
    #: Rows left out, with line and reason.
    rejects: Path
    #: What the summary file holds: counts and everything that the numbers depend on.
    summary: dict[str, Any]


def reference_dataset(
    model: Union[PolicyModel, AnyPath],
    data: AnyPath,
    output: AnyPath,
    *,
    format: str = "full",
    image_root: Optional[AnyPath] = None,
    fields: Optional[Mapping[str, str]] = None,
    max_rejected: Optional[int] = None,
    restart: bool = False,
    workers: int = 0,
    block_rows: int = 8,
    row_limit: int = 8 << 20,
    image_limit: int = 64 << 20,
    progress: Optional[Callable[[Progress], object]] = None,
) -> ReferenceResult:
    """Write the reference's log π of both responses of every pair of a dataset, from a file to a file.

    ``model`` is a :class:`Policy` or the folder of a LLaVA or Llama model; ``data`` is as for :func:`score_dataset`,
    with the field ``question`` (or ``prompt``) besides; so are the other arguments, and how a job is stopped and goes
    on. ``format`` is what a line of ``output`` holds: ``"full"`` (id, key, and for both responses sum, mean, count,
    was_cut and tokens) or ``"logps"`` (idx, key and the text of six fields that the RLAIF-V and DAMA trainers read).
    :class:`ReferenceCache` reads both.
    """
    options = _Options()
    _options_init(options)
    _row_job.fill(
        options, data, output, image_root=image_root, fields=fields, max_rejected=max_rejected, restart=restart,
        workers=workers, block_rows=block_rows, row_limit=row_limit, image_limit=image_limit,
    )  # fmt: skip
    options.format = _choice("format", format, _FORMATS)
    policy = model if isinstance(model, PolicyModel) else PolicyModel(model)
    result = _Result()
    _result_init(result)
    _row_job.run(_reference_dataset, policy._handle, options, result, progress)
    return ReferenceResult(
        rows=result.rows,
        rows_rejected=result.rows_rejected,
        rows_cut=result.rows_cut,
        was_complete=bool(result.was_complete),
        **_row_job.files(output),
    )


class ReferenceCache:
    """Log-probabilities that :func:`reference_dataset` wrote, by the contents of their pairs.

    ``policy`` is the reference that training compares with: a cache that was computed with other weights, another
    template or other image processing is refused, naming what differs. Without it that is not asked. ``len()`` is the
    number of different pairs; a pair is ``in`` the cache where the bytes of its image's file, its prompt and both
    responses are the same. May be used from several threads at once.
    """

    def __init__(self, path: AnyPath, policy: Optional[PolicyModel] = None) -> None:
        self._handle = _HANDLE()
        check(_open(self._handle, os.fsencode(path), None if policy is None else policy._handle))

    def __del__(self, free: Any = _free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def __len__(self) -> int:
        return int(_count(self._handle))

    def __contains__(self, pair: Pair) -> bool:
        keep: list[Any] = []
        found = ctypes.c_int32()
        check(_contains(self._handle, pair_array([pair], keep), found))
        return bool(found.value)

    def logps(self, image: Optional[Image], prompt: str, chosen: str, rejected: str) -> PairLogps:
        """log π of both responses, as ``Policy.logps`` would compute them."""
        return self.logps_batch([(image, prompt, chosen, rejected)])[0]

    def logps_batch(self, pairs: Sequence[Pair]) -> list[PairLogps]:
        """log π of both responses of every pair, in order; an error names the pair that the cache does not have.

        Images are paths or bytes: those given as pixels have no file's bytes to be known by.
        """
        keep: list[Any] = []
        found = _HANDLE()
        check(_logps(found, self._handle, pair_array(pairs, keep), len(pairs)))
        return logps_of(found)
