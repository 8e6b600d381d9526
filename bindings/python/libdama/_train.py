"""The job that trains on a dataset, from a configuration."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from . import _abi, _row_job
from ._cancellation import Cancellation, run_stoppable
from ._errors import Cancelled, InvalidArgument
from ._native import choices
from ._policy import c_text
from ._progress import TrainingProgress, training_bar
from ._ranks import Ranks
from ._row_job import Progress
from ._runtime import runtime_path
from ._step_metrics import StepMetrics, step_metrics

_EVENTS = {number: name for name, number in choices(_abi.dama_train_event, "DAMA_TRAIN_").items()}
_OK, _CANCELLED = int(_abi.dama_status.DAMA_OK), int(_abi.dama_status.DAMA_CANCELLED)


@dataclass(frozen=True)
class TrainProgress:
    """The progress of :func:`train`.

    ``event``
        "reference" (its log-probabilities are being computed), "batch" (one is done) or "notice" (a line for
        people).
    ``reference``
        The progress for "reference"; otherwise None.
    ``metrics``
        The metrics for "batch"; otherwise None.
    ``notice``
        The text for "notice"; otherwise None.
    ``batch``, ``batches``
        Batches done, including those of earlier runs, and batches of the job; for "batch", otherwise 0.
    ``epoch``
        Counted from 0.
    ``seconds``
        Seconds since this run began to train.
    ``batches_per_second``
        Batches of this run by its time.
    ``seconds_left``
        Seconds left at that rate; ``None`` while it is unknown.
    """

    event: str
    reference: Optional[Progress]
    metrics: Optional[StepMetrics]
    notice: Optional[str]
    batch: int
    batches: int
    epoch: int
    seconds: float
    batches_per_second: float
    seconds_left: Optional[float]


@dataclass(frozen=True)
class TrainResult:
    """The result of :func:`train`.

    ``batches``
        Batches of the job.
    ``steps``
        Batches that changed the weights.
    ``skipped``
        Batches skipped because of a non-finite loss or gradient.
    ``pairs``
        Pairs used for training.
    ``rows_rejected``
        Bad rows of the data.
    ``was_complete``
        An earlier run had finished the same job, and nothing was left to do.
    """

    batches: int
    steps: int
    skipped: int
    pairs: int
    rows_rejected: int
    was_complete: bool


def train(
    config: Union[Mapping[str, Any], str, "os.PathLike[str]"],
    overrides: Union[Mapping[str, Any], Sequence[str]] = (),
    *,
    restart: bool = False,
    progress: TrainingProgress = None,
    cancellation: Optional[Cancellation] = None,
    ranks: Optional[Ranks] = None,
) -> TrainResult:
    """Aligns a model with preference pairs, as ``dama train`` does: shuffled epochs, checkpoints, metrics, a model.

    ::

        libdama.train({"model": "llava-1.5-7b-hf", "data": "pairs.jsonl", "out": "aligned", "trainable": "lora",
                    "method": {"preset": "paper", "beta": 0.1}})

    ``config`` is a mapping, the path of a YAML file, or YAML text; a string with a line break is text. docs/train.md
    lists the fields. ``overrides`` replace single fields: ``{"method.beta": 0.2}`` or ``["method.beta=0.2"]``. Without
    the field ``onnxruntime`` the runtime is found as for :class:`libdama.Policy`.

    A job that was stopped or killed resumes from its last checkpoint when it is called again with the same
    configuration, and ends with the same weights; ``restart`` begins anew. ``progress`` is True for a progress bar
    (tqdm's, if it is installed), or a function that is called with a :class:`TrainProgress` on another thread while
    this one waits. An exception that it raises stops the job and is raised here. Ctrl-C and ``cancellation`` stop the
    job inside a step.

    ``ranks`` are the processes or threads that train together: each calls the function with the same configuration, and
    the first writes the output folder, which all of them must see. If one is stopped or fails, all stop after the same
    batch; any number of ranks resumes the job. ``torchrun -m libdama.train`` does this for ``torch.distributed``.
    """
    with training_bar(progress) as show:
        return _train(config, overrides, restart, show, cancellation, ranks)


def _train(
    config: Union[Mapping[str, Any], str, "os.PathLike[str]"],
    overrides: Union[Mapping[str, Any], Sequence[str]],
    restart: bool,
    show: Optional[Callable[[TrainProgress], object]],
    cancellation: Optional[Cancellation],
    ranks: Optional[Ranks],
) -> TrainResult:
    text, label = config_text(config)
    items = override_items(overrides)
    raised: list[BaseException] = []

    # This frame keeps it alive as long as C may call it.
    @_abi.dama_train_callback
    def tell(pointer: Any, _user: Any) -> int:
        try:
            if show is not None:
                show(_progress(pointer.contents))
            return _OK
        except BaseException as error:
            raised.append(error)
            return _CANCELLED

    options = _abi.dama_train_yaml_options()
    _abi.dama_train_yaml_options_init(options)
    options.restart = restart
    options.label = label
    options.progress = tell
    if ranks is not None:
        options.ranks = ranks._pointer
    runtime = runtime_path()
    if runtime is not None:
        options.onnxruntime = os.fsencode(runtime)
    array = (ctypes.c_char_p * len(items))(*items)
    result = _abi.dama_train_dataset_result()
    _abi.dama_train_dataset_result_init(result)
    try:
        run_stoppable(
            lambda token: _abi.dama_train_yaml(text, array, len(items), options, result, token), cancellation
        )
    except Cancelled:
        if ranks is not None:
            ranks._raise_failure()
        if raised:
            raise raised[0] from None
        raise
    return TrainResult(
        batches=result.batches,
        steps=result.steps,
        skipped=result.skipped,
        pairs=result.pairs,
        rows_rejected=result.rows_rejected,
        was_complete=bool(result.was_complete),
    )


def config_text(config: Union[Mapping[str, Any], str, "os.PathLike[str]"]) -> tuple[bytes, bytes]:
    """The configuration as YAML, and its name in messages."""
    if isinstance(config, Mapping):
        return json.dumps(config, default=os.fspath).encode(), b"configuration"
    if isinstance(config, str) and "\n" in config:
        return c_text(config, "config"), b"configuration"
    return c_text(Path(config).read_text("utf-8"), os.fspath(config)), os.fsencode(config)


def override_items(overrides: Union[Mapping[str, Any], Sequence[str]]) -> list[bytes]:
    if isinstance(overrides, str):
        raise InvalidArgument(f"overrides are {overrides!r}; expected a mapping or a list of strings")
    if isinstance(overrides, Mapping):
        overrides = [f"{key}={json.dumps(value, default=os.fspath)}" for key, value in overrides.items()]
    return [c_text(item, "overrides") for item in overrides]


def _progress(it: _abi.dama_train_progress) -> TrainProgress:
    return TrainProgress(
        event=_EVENTS[it.event],
        reference=_row_job.progress_of(it.reference.contents) if it.reference else None,
        metrics=step_metrics(it.metrics.contents) if it.metrics else None,
        notice=None if it.notice is None else it.notice.decode("utf-8", "replace"),
        batch=it.batch,
        batches=it.batches,
        epoch=it.epoch,
        seconds=it.seconds,
        batches_per_second=it.batches_per_second,
        seconds_left=it.seconds_left if it.seconds_left == it.seconds_left else None,
    )
