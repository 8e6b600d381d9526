"""Hardness of a whole source: δ of each row, then δ̄ and α_D."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from .._errors import DamaError, InvalidArgument, ModelError
from .._hardness import alpha_data
from .._scorer import Scorer
from . import _columns, _workers
from ._hardness import Hardness
from ._sources import AnyPath, Source, is_dataset, is_paths, paths_of, rows


@dataclass
class ScoredRows:
    """What :func:`score` computed of each row, in order."""

    #: δ, Eq. (6); NaN for a bad row. float64 [rows].
    delta: NDArray[np.float64]
    #: α_D, Eq. (7); NaN for a bad row. float64 [rows].
    alpha_data: NDArray[np.float64]
    #: The mean of δ over the scored rows, and the δ̄ that α_D used.
    mean_delta: float
    mean_delta_used: float
    #: What is wrong with each bad row, by position.
    errors: dict[int, str] = field(repr=False)
    #: The file with the rows and their scores, if one was asked for.
    output: Optional[Path] = None

    def __len__(self) -> int:
        return len(self.delta)

    def columns(self) -> dict[str, list[Optional[float]]]:
        """``delta`` and ``alpha_data`` as lists, with None for bad rows."""
        return {
            name: [None if value != value else value for value in values.tolist()]
            for name, values in (("delta", self.delta), ("alpha_data", self.alpha_data))
        }


def score(
    source: Source,
    model: Union[Scorer, AnyPath],
    output: Optional[AnyPath] = None,
    *,
    format: str = "auto",
    fields: Optional[Mapping[str, str]] = None,
    image_root: Optional[AnyPath] = None,
    follow_links: bool = False,
    delta: str = "probabilities",
    mean_delta: Optional[float] = None,
    on_error: str = "raise",
    batch_size: int = 32,
    num_proc: int = 1,
    progress: Optional[Callable[[int], object]] = None,
) -> Any:
    """δ, Eqs. (4) to (6), and α_D, Eq. (7), of every pair of a source, as the columns ``delta`` and ``alpha_data``.

    ``source`` is as for :func:`read`, ``model`` a :class:`Scorer` or the folder of one. Rows go to the model in batches
    of ``batch_size``; nothing is written out. Returned is

    * for a ``datasets.Dataset`` or ``IterableDataset`` one of the same kind with the two columns more. δ̄ needs all
      rows: an ``IterableDataset`` is iterated once for δ, unless ``mean_delta`` gives δ̄;
    * for files with an ``output`` (Parquet for Parquet, JSON Lines for JSON), :class:`ScoredRows`; the output has all
      columns of the input and the two;
    * for files without one a ``datasets.Dataset``;
    * for other rows :class:`ScoredRows`.

    A bad row raises an exception that names it; with ``on_error="null"`` its columns are null, and it does not count for
    δ̄. ``num_proc`` processes are started with ``spawn``, each with the model: use it for a device each, since one
    process uses all processors. ``progress`` is called with the number of rows done.
    """
    if batch_size < 1 or num_proc < 1:
        raise InvalidArgument(f"batch_size is {batch_size} and num_proc {num_proc}; both must be 1 or more")
    hardness = Hardness(
        model, format=format, fields=fields, image_root=image_root, follow_links=follow_links, delta=delta,
        on_error=on_error,
    )  # fmt: skip
    if is_paths(source) and output is None:
        _columns.require_datasets()
    writer = None if output is None else _columns.writer(source, output)
    if type(source).__name__ == "IterableDataset" and is_dataset(source) and mean_delta is not None:
        return _columns.lazily(source, hardness, mean_delta, batch_size)
    found = array("d")
    errors: dict[int, str] = {}
    read = rows(source, format, fields, image_root, follow_links)
    for index, outcome in enumerate(_workers.outcomes(hardness, read, batch_size, num_proc)):
        if isinstance(outcome, DamaError):
            if on_error == "raise":
                raise outcome
            errors[index] = getattr(outcome, "reason", str(outcome))
            outcome = float("nan")
        found.append(outcome)
        if progress is not None and (index + 1) % batch_size == 0:
            progress(index + 1)
    if progress is not None and len(found) % batch_size:
        progress(len(found))
    scored = _scored(np.frombuffer(found, np.float64) if found else np.empty(0), mean_delta, errors)
    if writer is not None:
        scored.output = writer(scored.columns())
        return scored
    if is_paths(source):
        source = _columns.dataset(paths_of(source))
    return _columns.added(source, scored.columns()) if is_dataset(source) else scored


def _scored(deltas: NDArray[np.float64], mean_delta: Optional[float], errors: dict[int, str]) -> ScoredRows:
    good = deltas == deltas
    if not good.any():
        if not len(deltas):
            raise ModelError("the source holds no rows")
        raise ModelError(f"all {len(deltas)} rows are bad; the first: {errors[0]}")
    # Summed in the order of the rows, as the job does: numpy's pairwise sum would differ in the last bits.
    total = 0.0
    for value in deltas[good].tolist():
        total += value
    mean = total / int(good.sum())
    used = mean if mean_delta is None else mean_delta
    alpha = np.full(len(deltas), np.nan)
    alpha[good] = alpha_data(deltas[good], used)
    return ScoredRows(deltas, alpha, mean, used, errors)


