"""The job that answers the questions of a dataset with a policy."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi, _row_job
from ._cancellation import Cancellation
from ._generation import EarlyStopping, early_stopping_number
from ._policy import PolicyModel
from ._progress import JobProgress
from ._row_job import AnyPath


@dataclass(frozen=True)
class GenerateResult:
    """The result of :func:`generate_dataset`."""

    rows: int
    rows_rejected: int
    #: Rows with a response that ended because of its length.
    rows_cut: int
    #: An earlier run had finished the same job, and nothing was left to do.
    was_complete: bool
    output: Path
    #: The file of rejected rows, with line and reason.
    rejects: Path
    #: The contents of the summary file: counts and everything that the responses depend on.
    summary: dict[str, Any] = field(repr=False)


def generate_dataset(
    model: Union[PolicyModel, AnyPath],
    data: AnyPath,
    output: AnyPath,
    *,
    samples: int = 1,
    max_tokens: int = 256,
    temperature: float = 0.0,
    top_k: int = 0,
    top_p: float = 1.0,
    stop: Union[str, Sequence[str]] = (),
    seed: int = 0,
    num_beams: int = 1,
    length_penalty: float = 1.0,
    early_stopping: EarlyStopping = False,
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
    **more: Any,
) -> GenerateResult:
    """Answers every question of a dataset, from a file to a file.

    ``model`` is a :class:`Policy` or the folder of a model. ``data`` is JSON Lines or one JSON array
    with the fields ``question`` (or ``prompt``) and, unless the model is text-only, ``image``. A line of ``output``
    holds ``id``, ``response`` and ``finish`` ("end_token", "stop" or "length"); with ``samples`` above 1, which needs
    a ``temperature``, it holds the lists ``responses`` and ``finish``. The arguments from ``max_tokens`` to
    ``early_stopping`` are as for ``Policy.generate``. The other arguments, and how a job stops and resumes, are as for
    :func:`score_dataset`.
    """
    generation = _row_job.options_of(
        _abi.dama_generation_options, _abi.dama_generation_options_init, {}, max_tokens=max_tokens,
        temperature=temperature, top_k=top_k, top_p=top_p, seed=seed,
        stop=[stop] if isinstance(stop, str) else stop, num_beams=num_beams, length_penalty=length_penalty,
        early_stopping=early_stopping_number(early_stopping),
    )  # fmt: skip
    options = _row_job.options_of(
        _abi.dama_generate_dataset_options, _abi.dama_generate_dataset_options_init, {},
        data=data, output=output, samples=samples, image_root=image_root, fields=fields, max_rejected=max_rejected,
        restart=restart, workers=workers, block_rows=block_rows, row_limit=row_limit, image_limit=image_limit,
        follow_links=follow_links, generation=ctypes.pointer(generation), **more,
    )  # fmt: skip
    policy = model if isinstance(model, PolicyModel) else PolicyModel(model)
    result = _abi.dama_generate_dataset_result()
    _abi.dama_generate_dataset_result_init(result)
    _row_job.run(_abi.dama_generate_dataset, policy._handle, options, result, progress, cancellation, "generate")
    return GenerateResult(
        rows=result.rows,
        rows_rejected=result.rows_rejected,
        rows_cut=result.rows_cut,
        was_complete=bool(result.was_complete),
        **_row_job.files(output),
    )
