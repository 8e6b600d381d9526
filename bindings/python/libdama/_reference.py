"""Log-probabilities of a dataset, computed once by the reference model."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi, _row_job
from ._cancellation import Cancellation
from ._native import check, choices
from ._policy import Pair, PairLogps, PolicyModel, logps_of, pair_array
from ._progress import JobProgress
from ._repr import described
from ._row_job import AnyPath
from ._scorer import Image

_FORMATS = choices(_abi.dama_reference_format, "DAMA_REFERENCE_")
_HANDLE = ctypes.c_void_p


@dataclass(frozen=True)
class ReferenceResult:
    """The result of :func:`reference_dataset`."""

    rows: int
    rows_rejected: int
    #: Rows with a response that was cut to fit ``max_length``.
    rows_cut: int
    #: An earlier run had finished the same job, and nothing was left to do.
    was_complete: bool
    output: Path
    #: The file of rejected rows, with line and reason.
    rejects: Path
    #: The contents of the summary file: counts and everything that the numbers depend on.
    summary: dict[str, Any] = field(repr=False)


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
    follow_links: bool = False,
    progress: JobProgress = None,
    cancellation: Optional[Cancellation] = None,
    scores: Optional[AnyPath] = None,
    **more: Any,
) -> ReferenceResult:
    """Computes the reference's log π of both responses of every pair of a dataset, from a file to a file.

    ``model`` is a :class:`Policy` or the folder of a model. ``data``, the other arguments, and how a job
    stops and resumes, are as for :func:`score_dataset`; the rows also need the field ``question`` (or ``prompt``).
    ``format`` determines the lines of ``output``: ``"full"`` (id and key; sum, mean, count, was_cut and tokens of both
    responses) or ``"logps"`` (idx, key and the text of six fields that the RLAIF-V and DAMA trainers read).
    :class:`ReferenceCache` reads both. ``"released"`` writes one JSON array of whole rows for the trainer of DAMA's
    authors; with ``scores``, the output of :func:`score_dataset`, they have ``chosen_logits`` and ``rejected_logits``.
    """
    options = _row_job.options_of(
        _abi.dama_reference_dataset_options, _abi.dama_reference_dataset_options_init, {"format": _FORMATS},
        data=data, output=output, image_root=image_root, format=format, fields=fields, max_rejected=max_rejected,
        restart=restart, workers=workers, block_rows=block_rows, row_limit=row_limit, image_limit=image_limit,
        follow_links=follow_links, scores=scores, **more,
    )  # fmt: skip
    policy = model if isinstance(model, PolicyModel) else PolicyModel(model)
    result = _abi.dama_reference_dataset_result()
    _abi.dama_reference_dataset_result_init(result)
    _row_job.run(_abi.dama_reference_dataset, policy._handle, options, result, progress, cancellation, "reference")
    return ReferenceResult(
        rows=result.rows,
        rows_rejected=result.rows_rejected,
        rows_cut=result.rows_cut,
        was_complete=bool(result.was_complete),
        **_row_job.files(output),
    )


class ReferenceCache:
    """The log-probabilities that :func:`reference_dataset` wrote, found by the contents of a pair.

    ``policy`` is the reference for training. A cache that was computed with other weights, another template or other
    image processing is an error that names what differs. Without ``policy`` there is no check. ``len()`` is the number
    of different pairs. A pair is ``in`` the cache if the contents of its image file, its prompt and both responses are
    the same. Several threads may use a cache at the same time.
    """

    def __init__(self, path: AnyPath, policy: Optional[PolicyModel] = None) -> None:
        self._handle = _HANDLE()
        self._path = os.fspath(path)
        reference = None if policy is None else policy._handle
        check(_abi.dama_reference_cache_open(self._handle, os.fsencode(path), reference))

    def __del__(self, free: Any = _abi.dama_reference_cache_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def __repr__(self) -> str:
        return described(self, lambda: {"path": self._path, "pairs": len(self)})

    def __len__(self) -> int:
        return int(_abi.dama_reference_cache_count(self._handle))

    def __contains__(self, pair: Pair) -> bool:
        keep: list[Any] = []
        found = ctypes.c_int32()
        check(_abi.dama_reference_cache_contains(self._handle, pair_array([pair], keep), ctypes.byref(found)))
        return bool(found.value)

    def logps(self, image: Optional[Image], prompt: str, chosen: str, rejected: str) -> PairLogps:
        """log π of both responses, as ``Policy.logps`` would compute them."""
        return self.logps_batch([(image, prompt, chosen, rejected)])[0]

    def logps_batch(self, pairs: Sequence[Pair]) -> list[PairLogps]:
        """log π of both responses of every pair, in order. An error names a pair that the cache does not have.

        Images are paths or bytes. Images given as pixels are not supported, because the cache knows files by contents.
        """
        keep: list[Any] = []
        found = _HANDLE()
        check(_abi.dama_reference_cache_logps(found, self._handle, pair_array(pairs, keep), len(pairs)))
        return logps_of(found)
