"""Hardness of a whole source: δ of each row, then δ̄ and α_D."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

import numpy as np
from numpy.typing import NDArray

from .._errors import InvalidArgument, ModelError
from .._hardness import alpha_data
from .._progress import RowProgress
from .._repr import described
from .._scorer import Scorer
from . import _columns, _workers
from ._hardness import Hardness
from ._run import Run
from ._sources import AnyPath, Source, is_dataset, rows


@dataclass
class ScoredRows:
    """What :func:`score` computed of each row, in order.

    ``delta``
        δ, Eq. (6); NaN for a bad row. float64 [rows].
    ``alpha_data``
        α_D, Eq. (7); NaN for a bad row. float64 [rows].
    ``mean_delta``, ``mean_delta_used``
        The mean of δ over the scored rows, and the δ̄ that α_D used.
    ``errors``
        What is wrong with each bad row, by position.
    ``output``
        The file with the rows and their scores, if one was asked for.
    """

    delta: NDArray[np.float64]
    alpha_data: NDArray[np.float64]
    mean_delta: float
    mean_delta_used: float
    errors: dict[int, str] = field(repr=False)
    output: Optional[Path] = None

    def __len__(self) -> int:
        return len(self.delta)

    def __repr__(self) -> str:
        return described(self, lambda: {
            "rows": len(self), "bad": len(self.errors), "mean_delta": self.mean_delta,
            "mean_delta_used": self.mean_delta_used, "output": self.output,
        })  # fmt: skip

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
    progress: RowProgress = None,
    restart: bool = False,
) -> Any:
    """δ, Eqs. (4) to (6), and α_D, Eq. (7), of every pair of a source, as the columns ``delta`` and ``alpha_data``.

    ``source``, ``format``, ``fields``, ``image_root`` and ``follow_links`` are as for :func:`read`, ``model`` is a
    :class:`Scorer` or the folder of one. ``delta`` is computed from ``"probabilities"``, or from ``"scores"`` as in
    Table 2. Rows go to the model in batches of ``batch_size``; nothing is written out. Returned is

    * for a ``datasets.Dataset`` or ``IterableDataset`` one of the same kind with the two columns more. δ̄ needs all
      rows: an ``IterableDataset`` is iterated once for δ, unless ``mean_delta`` gives δ̄;
    * for files with an ``output`` (Parquet for Parquet, JSON Lines for JSON), :class:`ScoredRows`; the output has all
      columns of the input and the two;
    * for files without one a ``datasets.Dataset``;
    * for other rows :class:`ScoredRows`.

    A call with an ``output`` that was stopped or killed resumes when it is repeated, and ends with the same bytes:
    finished batches are kept in ``OUTPUT.unfinished``, which knows the sources, the model's files and the options by
    name, size and time. Changed inputs are ``InvalidArgument``, unless ``restart`` begins anew. A call that ended is
    not computed again: its results are in ``OUTPUT.finished``.

    A bad row raises an exception that names it; with ``on_error="null"`` its columns are null, and it does not count
    for δ̄. ``num_proc`` processes are started with ``spawn``, each with the model: use it for a device each, since one
    process uses all processors. ``progress`` is True for a progress bar (tqdm's, if it is installed), or a function
    that is called with the number of rows done.
    """
    if num_proc < 1:
        raise InvalidArgument(f"num_proc is {num_proc}; it must be 1 or more")
    run = Run(source, output, title="score", batch_size=batch_size, on_error=on_error, progress=progress,
              restart=restart)  # fmt: skip
    hardness = Hardness(
        model, format=format, fields=fields, image_root=image_root, follow_links=follow_links, delta=delta,
        on_error=on_error,
    )  # fmt: skip
    if type(source).__name__ == "IterableDataset" and is_dataset(source) and mean_delta is not None:
        return _columns.lazily(source, hardness, mean_delta, batch_size)
    with run:
        found = array("d")
        for outcome in run.outcomes(
            rows(source, format, fields, image_root, follow_links),
            lambda left: _workers.outcomes(hardness, left, batch_size, num_proc),
            hardness.scorer,
            {"format": format, "fields": fields, "image_root": image_root, "follow_links": follow_links,
             "delta": delta},
        ):  # fmt: skip
            found.append(float("nan") if outcome is None else outcome)
        values = np.frombuffer(found, np.float64) if found else np.empty(0)
        scored = _scored(values, mean_delta, run.errors)
        made = run.finish(scored.columns())
    if isinstance(made, Path):
        scored.output = made
    return scored if made is None or isinstance(made, Path) else made


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


