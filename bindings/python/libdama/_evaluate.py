"""Benchmarks: their data, their questions, the job that scores a model's answers to them, and comparisons."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

from . import _abi, _row_job
from ._cancellation import Cancellation, run_stoppable
from ._judge import Judge
from ._native import check
from ._progress import JobProgress
from ._repr import described
from ._row_job import AnyPath
from ._text import _c_string, string_list


def evaluate_benchmarks() -> list[str]:
    """The names of all benchmarks."""
    handle = ctypes.c_void_p()
    check(_abi.dama_evaluate_benchmarks(handle))
    try:
        return string_list(handle)
    finally:
        _abi.dama_strings_free(handle)


@dataclass(frozen=True)
class Download:
    """A file to download."""

    #: Its usual name, in which ``*`` stands for any text.
    name: str
    #: Where it is to be had: an address, or a text that says so.
    address: str
    #: The SHA-256 of each known version; empty for a file without fixed contents.
    sha256: list[str]


@dataclass(frozen=True)
class MissingFile:
    """A file of a benchmark's data that cannot be made yet."""

    #: The name in the folder.
    name: str
    #: What it is for.
    purpose: str
    #: The benchmark can be evaluated without it.
    is_optional: bool
    #: What it is made of and is not there.
    downloads: list[Download]


@dataclass(frozen=True)
class Preparation:
    """What :func:`evaluate_prepare` made, and what is missing."""

    #: The files that this call made.
    made: list[str]
    #: The files that an earlier call made.
    kept: list[str]
    missing: list[MissingFile]


def evaluate_prepare(
    benchmark: str,
    files: Iterable[AnyPath],
    output: AnyPath,
    *,
    any_version: bool = False,
    cancellation: Optional[Cancellation] = None,
) -> Preparation:
    """Makes the folder ``output`` of a benchmark's data out of downloaded files. Nothing is downloaded.

    A file is recognised by its SHA-256, whatever its name; one without fixed contents by its name. Without ``files``
    the result lists what the benchmark needs. The call can be repeated: files are added to the folder. With
    ``any_version`` a file of no known version is taken by its name, and every summary says so. Raises
    ``InvalidArgument`` for a file that the benchmark does not use or of another version, and for a folder with files
    of others.
    """
    paths = [os.fsencode(path) for path in files]
    array = (ctypes.c_char_p * len(paths))(*paths)
    name, folder = _c_string(benchmark, "benchmark"), os.fsencode(output)
    handle = ctypes.c_void_p()
    try:
        run_stoppable(
            lambda token: _abi.dama_evaluate_prepare(handle, name, array, len(paths), any_version, folder, token),
            cancellation,
        )
        return Preparation(
            made=string_list(_abi.dama_preparation_made(handle)),
            kept=string_list(_abi.dama_preparation_kept(handle)),
            missing=[_missing(handle, index) for index in range(_abi.dama_preparation_count(handle))],
        )
    finally:
        _abi.dama_preparation_free(handle)


def _missing(handle: ctypes.c_void_p, index: int) -> MissingFile:
    it = _abi.dama_missing_file()
    _abi.dama_missing_file_init(it)
    check(_abi.dama_preparation_at(handle, index, it))
    return MissingFile(
        name=it.name.decode(),
        purpose=it.purpose.decode(),
        is_optional=bool(it.is_optional),
        downloads=[
            Download(file.name.decode(), file.address.decode(), string_list(file.sha256))
            for file in it.downloads[: it.download_count]
        ],
    )


def evaluate_questions(benchmark: str, data: AnyPath, output: AnyPath, *, part: Optional[str] = None) -> int:
    """Writes a benchmark's questions as a dataset for :func:`generate_dataset`, and returns their number.

    ``data`` is the folder that :func:`evaluate_prepare` made; ``output``, JSON Lines, must not exist.
    """
    count = ctypes.c_uint64()
    check(
        _abi.dama_evaluate_questions(
            _c_string(benchmark, "benchmark"), os.fsencode(data), None if part is None else _c_string(part, "part"),
            os.fsencode(output), ctypes.byref(count),
        )
    )  # fmt: skip
    return count.value


@dataclass(frozen=True)
class Metric:
    """A metric of an evaluation."""

    #: The exact value in the unit of the official script, or the mean over the runs; ``None`` if a denominator is 0.
    value: Optional[float]
    #: The number as the official script prints it; ``None`` for a metric that it does not have, and for several runs
    #: where it prints no mean.
    official: Optional[str]
    #: The value of each run.
    runs: list[Optional[float]]
    #: The standard deviation over the runs, with their number as divisor; ``None`` for one run.
    std: Optional[float]


@dataclass(frozen=True)
class EvaluateResult:
    """The result of :func:`evaluate`."""

    #: The metrics by name, in the benchmark's order.
    metrics: dict[str, Metric]
    #: The questions of the part that was evaluated, and those with and without an answer.
    questions: int
    answered: int
    missing: int
    #: Answers without text; they are scored as the benchmark scores them.
    empty: int
    rows_rejected: int
    #: An earlier run had finished the same job, and nothing was left to do.
    was_complete: bool
    output: Path
    #: The file of rejected rows, with line and reason.
    rejects: Path
    #: The contents of the summary file: metrics, counts, and everything that they depend on.
    summary: dict[str, Any] = field(repr=False)


def evaluate(
    benchmark: str,
    *,
    data: AnyPath,
    responses: AnyPath,
    output: AnyPath,
    judge: Optional[Judge] = None,
    judge_answers: Optional[AnyPath] = None,
    prompts: Optional[str] = None,
    runs: int = 1,
    variant: Optional[str] = None,
    part: Optional[str] = None,
    max_missing: Optional[int] = None,
    max_rejected: Optional[int] = None,
    restart: bool = False,
    workers: int = 0,
    block_rows: int = 256,
    row_limit: int = 8 << 20,
    progress: JobProgress = None,
    cancellation: Optional[Cancellation] = None,
    **more: Any,
) -> EvaluateResult:
    """Scores a model's answers to a benchmark, from a file to a file, and computes the benchmark's metrics.

    ``benchmark`` is one of :func:`evaluate_benchmarks`, ``data`` the folder that :func:`evaluate_prepare` made.
    ``responses`` is the output of :func:`generate_dataset`, or the answers in the benchmark's official form. A line of
    ``output`` holds ``id``, ``pass`` if answers are right or wrong, ``counts``, of which the metrics are made, and what
    the score rests on.

    ``judge`` answers for the benchmarks that need one, ``runs`` times; or ``judge_answers`` is a file with its answers
    in the official form. ``prompts`` is "own" (the default), or "official" for those of the official script in the
    data. ``variant`` is another way to score. ``part`` is evaluated alone. With more than ``max_missing`` questions
    without an answer the job fails with ``ModelError``. The other arguments, and how a job stops and resumes, are as
    for :func:`score_dataset`.
    """
    options = _row_job.options_of(
        _abi.dama_evaluate_options, _abi.dama_evaluate_options_init, {},
        benchmark=benchmark, data=data, responses=responses, output=output, judge_answers=judge_answers,
        prompts=prompts, runs=runs, variant=variant, part=part, max_missing=max_missing, max_rejected=max_rejected,
        restart=restart, workers=workers, block_rows=block_rows, row_limit=row_limit,
        judge=None if judge is None else judge._handle, **more,
    )  # fmt: skip
    result = _abi.dama_evaluate_result()
    _abi.dama_evaluate_result_init(result)
    metrics = ctypes.c_void_p()
    try:
        try:
            _row_job.run(_abi.dama_evaluate, metrics, options, result, progress, cancellation, "evaluate")
        except BaseException:
            if judge is not None:
                judge._raise()
            raise
        return EvaluateResult(
            metrics=dict(_metric(metrics, index) for index in range(_abi.dama_metrics_count(metrics))),
            questions=result.questions,
            answered=result.answered,
            missing=result.missing,
            empty=result.empty,
            rows_rejected=result.rows_rejected,
            was_complete=bool(result.was_complete),
            **_row_job.files(output),
        )
    finally:
        _abi.dama_metrics_free(metrics)


def _metric(handle: ctypes.c_void_p, index: int) -> tuple[str, Metric]:
    it = _abi.dama_metric()
    _abi.dama_metric_init(it)
    check(_abi.dama_metrics_at(handle, index, it))
    runs = (ctypes.c_double * it.run_count).from_address(it.runs) if it.run_count else ()
    return it.name.decode(), Metric(
        value=_number(it.value),
        official=None if it.official is None else it.official.decode(),
        runs=[_number(value) for value in runs],
        std=_number(it.standard_deviation),
    )


def _number(value: float) -> Optional[float]:
    """NaN stands for None in C."""
    return value if value == value else None


@dataclass(frozen=True)
class Comparison:
    """The result of :func:`evaluate_compare`."""

    #: All numbers: ``questions`` (how many all answered), ``results``, ``metrics`` with the ``values`` and
    #: ``differences`` of all evaluations, ``mcnemar``, ``discrepancies``.
    results: dict[str, Any] = field(repr=False)
    #: Tables for people.
    text: str = field(repr=False)
    #: A line for each metric of each evaluation, with a header.
    csv: str = field(repr=False)
    #: A page in HTML with tables and bars.
    page: str = field(repr=False)

    def __repr__(self) -> str:
        return described(self, lambda: {"questions": self.results["questions"],
                                        "metrics": [it["name"] for it in self.results["metrics"]]})  # fmt: skip


def evaluate_compare(
    summaries: Iterable[AnyPath],
    *,
    data: Optional[AnyPath] = None,
    resamples: int = 10_000,
    seed: int = 0,
    confidence: float = 0.95,
    allow_different: bool = False,
    cancellation: Optional[Cancellation] = None,
) -> Comparison:
    """Compares evaluations of one benchmark over the questions that all of them answered.

    ``summaries`` are at least two files ``NAME.summary.json`` of :func:`evaluate`, beside their results. Each metric
    gets a percentile interval of probability ``confidence`` from ``resamples`` of the questions, and its difference to
    the first evaluation that of the difference (the same resamples for all); a benchmark of right and wrong answers
    also McNemar's exact test. ``data`` is the benchmark's folder, if it is no longer where the first evaluation read
    it. Raises ``InvalidArgument`` for results that have changed, for different benchmarks, and for other data,
    variants, parts, prompts or judges unless ``allow_different`` is set: the comparison then names them.
    """
    paths = [os.fsencode(path) for path in summaries]
    array = (ctypes.c_char_p * len(paths))(*paths)
    options = _row_job.options_of(
        _abi.dama_comparison_options, _abi.dama_comparison_options_init, {},
        data=data, resamples=resamples, seed=seed, confidence=confidence, allow_different=allow_different,
    )  # fmt: skip
    handle = ctypes.c_void_p()
    try:
        run_stoppable(
            lambda token: _abi.dama_evaluate_compare(handle, array, len(paths), options, token), cancellation
        )
        return Comparison(
            results=json.loads(_abi.dama_comparison_json(handle)),
            text=_abi.dama_comparison_text(handle).decode(),
            csv=_abi.dama_comparison_csv(handle).decode(),
            page=_abi.dama_comparison_page(handle).decode(),
        )
    finally:
        _abi.dama_comparison_free(handle)
