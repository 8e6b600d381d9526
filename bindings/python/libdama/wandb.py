"""The metrics of a training in Weights & Biases. Needs ``libdama[wandb]``; works offline (``WANDB_MODE=offline``).

::

    from libdama.wandb import Report

    with Report("aligned", project="dama", config=config) as report:
        libdama.train({**config, "out": "aligned"}, progress=report)

A report follows metrics.jsonl in the folder of the training, so what it logs is what the training wrote, held-out pairs
and the batches of earlier runs included. :func:`log_metrics` does the same for a training that ``dama train`` ran.
Trainers of transformers and TRL report by themselves (``report_to="wandb"``), with DAMA's numbers under ``dama/``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Optional, Union

from ._errors import FileError, InvalidArgument
from ._lazy import missing_package
from ._progress import training_bar
from ._repr import described
from ._train import TrainProgress

__all__ = ["Report", "log_metrics"]

_Path = Union[str, "os.PathLike[str]"]
#: The groups of names, which are those of TensorBoard's files.
_GROUPS = ("beta", "gap", "logps", "reference", "reward")


class Report:
    """Logs the batches of a training while it runs; give it to :func:`libdama.train` as ``progress``.

    ``out`` is the folder of the training. ``run`` is an open run; by default ``wandb.init(**init)`` opens one, which
    the end of the ``with`` block finishes. ``bar`` also shows a progress bar. A batch is wandb's step; a run that wandb
    resumes gets the batches that it lacks. Metrics have the names of the TensorBoard files: ``beta_mean`` is
    ``beta/mean``, held-out pairs are ``eval/…``, times ``seconds/…``. What wandb raises stops the training.
    """

    def __init__(self, out: _Path, run: Optional[Any] = None, *, bar: bool = False, **init: Any) -> None:
        self._own = run is None
        if run is None:
            run = _wandb().init(**init)
        elif init:
            raise InvalidArgument(f"{', '.join(init)} are for a new run; the run that is given is open already")
        #: The run of wandb.
        self.run: Any = run
        self._path = Path(out) / "metrics.jsonl"
        self._lines: Optional[_Lines] = None
        self._bar = training_bar(bar)
        self._show = self._bar.__enter__()

    def __repr__(self) -> str:
        return described(self, lambda: {"metrics": str(self._path), "run": getattr(self.run, "name", None)})

    def __call__(self, it: TrainProgress) -> None:
        """Logs what the training has written by now; ``it`` is its progress."""
        if self._show is not None:
            self._show(it)
        if it.event == "batch":
            self._log()

    def __enter__(self) -> Report:
        return self

    def __exit__(self, kind: Any, *_: object) -> None:
        self._bar.__exit__(None, None, None)
        try:
            self._log()
        finally:
            if self._lines is not None:
                self._lines.close()
            if self._own:
                self.run.finish(exit_code=0 if kind is None else 1)

    def _log(self) -> None:
        # An earlier file of other content is replaced when a training begins, so it is opened after the first batch.
        if self._lines is None and self._path.exists():
            self._lines = _Lines(self._path)
        for line in self._lines or ():
            _log(self.run, line)


def log_metrics(metrics: _Path, run: Optional[Any] = None, **init: Any) -> int:
    """Logs a metrics.jsonl, of a training that has ended or goes on, and returns the number of lines.

    ``metrics`` is the file, or the folder of the training. ``run`` and ``init`` are as for :class:`Report`.
    """
    place = Path(metrics)
    if place.is_dir():
        place = place / "metrics.jsonl"
    lines = _Lines(place)
    opened = _wandb().init(**init) if run is None else run
    try:
        count = 0
        for line in lines:
            _log(opened, line)
            count += 1
        return count
    finally:
        lines.close()
        if run is None:
            opened.finish()


class _Lines:
    """The whole lines of a file that grows; each pass gives those that the passes before did not."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: BinaryIO = open(path, "rb")
        except OSError as error:
            raise FileError(f"cannot open {path}: {error}") from None

    def __iter__(self) -> Iterator[Mapping[str, Any]]:
        while True:
            place = self._file.tell()
            line = self._file.readline()
            if not line.endswith(b"\n"):
                self._file.seek(place)
                return
            try:
                found = json.loads(line)
            except ValueError as error:
                raise InvalidArgument(f"{self._path} has a line that is not JSON: {error}") from None
            if not isinstance(found, dict) or not isinstance(found.get("batch"), int):
                raise InvalidArgument(f"{self._path} has a line without a batch; expected a training's metrics.jsonl")
            yield found

    def close(self) -> None:
        self._file.close()


def _log(run: Any, line: Mapping[str, Any]) -> None:
    """A line under wandb's step ``batch``; a resumed run has the earlier ones."""
    batch = line["batch"]
    if batch >= run.step:
        run.log(dict(_values(line)), step=batch)


def _values(line: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in line.items():
        if isinstance(value, Mapping):
            for inner, number in value.items():
                if isinstance(number, (int, float)):
                    yield f"{name}/{inner}", number
        elif isinstance(value, (int, float)) and name != "batch":
            group, _, rest = name.partition("_")
            yield f"{group}/{rest}" if group in _GROUPS and rest else name, value


def _wandb() -> Any:
    try:
        import wandb
    except ModuleNotFoundError as error:
        raise missing_package("libdama.wandb", error.name or "wandb", "wandb") from None
    return wandb
