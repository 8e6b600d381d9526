"""The job that scores the hardness of a dataset, section 3.2 of the paper."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi, _row_job
from ._cancellation import Cancellation
from ._errors import InvalidArgument
from ._native import choices
from ._policy import _choice
from ._progress import JobProgress
from ._row_job import AnyPath
from ._scorer import Scorer

_DELTA_SOURCES = choices(_abi.dama_delta_source, "DAMA_DELTA_FROM_")


@dataclass(frozen=True)
class ScoreResult:
    """The result of :func:`score_dataset`.

    ``rows``
        Rows of the dataset.
    ``rows_scored``
        Rows with a δ.
    ``rows_rejected``
        Bad rows.
    ``mean_delta``
        The mean of δ over the scored rows.
    ``mean_delta_used``
        The δ̄ that α_D used.
    ``was_complete``
        An earlier run had finished the same job, and nothing was left to do.
    ``output``
        The file with a line for each scored row.
    ``rejects``
        The file of rejected rows, with line and reason.
    ``summary``
        The contents of the summary file: quantiles, histogram, counts, settings.
    """

    rows: int
    rows_scored: int
    rows_rejected: int
    mean_delta: float
    mean_delta_used: float
    was_complete: bool
    output: Path
    rejects: Path
    summary: dict[str, Any] = field(repr=False)


def score_dataset(
    model: Union[Scorer, AnyPath],
    data: AnyPath,
    output: AnyPath,
    *,
    image_root: Optional[AnyPath] = None,
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
    follow_links: bool = False,
    report: Optional[AnyPath] = None,
    progress: JobProgress = None,
    shard: int = 0,
    shards: int = 0,
    cancellation: Optional[Cancellation] = None,
    **more: Any,
) -> ScoreResult:
    """Computes the hardness of every pair of a dataset, Eqs. (4) to (7), from a file to a file.

    ``model`` is a :class:`Scorer` or the folder of one. ``data`` is JSON Lines or one JSON array with the fields
    ``image`` (or ``image_path``), ``chosen`` and ``rejected``, or with the fields that ``fields`` names (``{"chosen":
    "answer_good"}``). Image paths are relative to ``image_root`` (default: the dataset's folder) and cannot leave it,
    except through symbolic links with ``follow_links``. ``output``, ``NAME.jsonl``, gets a line for each scored row.
    The job also writes ``NAME.rejects.jsonl``, ``NAME.summary.json`` and ``NAME.run.json``. ``report`` is the file of a
    page that draws the distributions of δ and α_D, and says what pairs with δ below 0 mean for the labels. ``delta`` is
    computed from ``"probabilities"``, Eqs. (5) and (6), or from ``"scores"`` as in Table 2. ``mean_delta`` is δ̄ of Eq.
    (7), by default the mean over the scored rows.

    With more than ``max_rejected`` bad rows the job fails (None: no limit). ``workers`` threads read and decode, 0 for
    one on each processor, at most 8 if the model runs on them; ``block_rows`` rows are computed together; ``cache_bytes``
    is the memory for embeddings that may occur again. A row has at most ``row_limit`` bytes, an image file ``image_limit``.

    A job that was stopped or killed resumes when it is called again with the same arguments, and ends with the same
    bytes; ``restart`` discards its files and begins anew. ``progress`` is True for a progress bar (tqdm's, if it is
    installed), or a function that is called on this thread many times with a :class:`Progress`. An exception that it
    raises, and Ctrl-C, stop the job and are raised here; ``cancellation`` stops it from another thread. Memory does not
    grow with the number of rows. With ``shards`` the job scores the share number ``shard``, from 0, of so many shares
    of the rows, perhaps on another machine; its files are named after ``output``, and :func:`merge_scores` joins them.
    ``more`` are further fields of the C struct ``dama_score_dataset_options``, by name.
    """
    options = _row_job.options_of(
        _abi.dama_score_dataset_options, _abi.dama_score_dataset_options_init, {},
        data=data, output=output, image_root=image_root, delta_source=_choice("delta", delta, _DELTA_SOURCES),
        mean_delta=mean_delta, fields=fields, max_rejected=max_rejected, restart=restart, workers=workers,
        block_rows=block_rows, cache_bytes=cache_bytes, row_limit=row_limit, image_limit=image_limit,
        follow_links=follow_links, report=report, shard=shard, shards=shards, **more,
    )  # fmt: skip
    scorer = model if isinstance(model, Scorer) else Scorer(model)
    result = _abi.dama_score_dataset_result()
    _abi.dama_score_dataset_result_init(result)
    _row_job.run(_abi.dama_score_dataset, scorer._handle, options, result, progress, cancellation, "score")
    return _result(result, _shard_output(Path(output), shard, shards))


def merge_scores(
    output: AnyPath,
    shards: Sequence[AnyPath] = (),
    *,
    restart: bool = False,
    progress: JobProgress = None,
    cancellation: Optional[Cancellation] = None,
) -> ScoreResult:
    """Joins the shards of :func:`score_dataset`: δ̄, α_D, Eq. (7), and the statistics of all rows.

    ``output`` is that of the whole, ``shards`` are the outputs of the shards; by default those beside ``output``, by
    their names. The files are byte for byte those of one job over all rows with the same options, if the models of all
    shards compute the same bits. Raises ``InvalidArgument`` for shards that are missing, given twice, of other options
    or of other inputs, naming them. A merge that was stopped resumes when it is called again. ``restart``, ``progress``
    and ``cancellation`` are as for :func:`score_dataset`. The shards' files stay.
    """
    if isinstance(shards, (str, bytes, os.PathLike)):
        raise InvalidArgument("shards is one path; expected a list of them")
    names = [os.fsencode(shard) for shard in shards]
    options = _abi.dama_merge_scores_options()
    _abi.dama_merge_scores_options_init(options)
    options.output = os.fsencode(output)
    options.shards = (ctypes.c_char_p * len(names))(*names)
    options.shard_count = len(names)
    options.restart = bool(restart)
    result = _abi.dama_score_dataset_result()
    _abi.dama_score_dataset_result_init(result)
    _row_job.run(lambda _, *rest: _abi.dama_merge_scores(*rest), None, options, result, progress, cancellation, "merge")
    return _result(result, Path(output))


def _shard_output(output: Path, shard: int, shards: int) -> Path:
    """The output of a shard, or that of the whole."""
    if not shards:
        return output
    base = _row_job._base(output)
    return base.with_name(f"{base.name}.shard-{shard}-of-{shards}{output.name[len(base.name):]}")


def _result(result: Any, output: Path) -> ScoreResult:
    return ScoreResult(
        rows=result.rows,
        rows_scored=result.rows_scored,
        rows_rejected=result.rows_rejected,
        mean_delta=result.mean_delta,
        mean_delta_used=result.mean_delta_used,
        was_complete=bool(result.was_complete),
        **_row_job.files(output),
    )
