"""What scoring, references and generation share: batches, bad rows, progress, resuming, and the form of the result."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Optional

from .. import _reopen
from .._errors import DamaError, InvalidArgument
from .._progress import RowProgress, row_bar
from . import _columns
from ._journal import Journal
from ._sources import AnyPath, Source, count_of, is_dataset, is_paths, paths_of
from ._workers import batches


class Run:
    """A pass over the rows of a source, whose results become columns."""

    def __init__(
        self, source: Source, output: Optional[AnyPath], *, title: str, batch_size: int, on_error: str,
        progress: RowProgress, restart: bool,
    ) -> None:  # fmt: skip
        if batch_size < 1:
            raise InvalidArgument(f"batch_size is {batch_size}; it must be 1 or more")
        if on_error not in ("raise", "null"):
            raise InvalidArgument(f"on_error is {on_error!r}; expected raise or null")
        if is_paths(source) and output is None:
            _columns.require_datasets()
        self._source, self._title, self._batch_size = source, title, batch_size
        self._raises, self._progress, self._restart = on_error == "raise", progress, restart
        self._output = None if output is None else Path(output)
        self._writer = None if output is None else _columns.writer(source, output)
        self._journal: Optional[Journal] = None
        #: What is wrong with each bad row, by position.
        self.errors: dict[int, str] = {}

    def outcomes(
        self,
        read: Iterator[Any],
        compute: Callable[[Iterator[Any]], Iterable[Any]],
        model: Any,
        options: Mapping[str, Any],
    ) -> Iterator[Any]:
        """The result of each row, or None for a bad one. ``compute`` gives those of the rows that are left.

        With an output the results of finished batches are kept until :meth:`finish`. ``model`` and ``options`` are what
        they depend on beside the source.
        """
        with row_bar(self._progress, self._title, count_of(self._source)) as tell:
            count = 0
            if self._output is not None:
                self._journal = Journal(self._output, self._identity(model, options), self._restart)
                for part in self._journal.done():
                    for _ in zip(part, read):
                        pass
                    yield from self._checked(part, count)
                    count += len(part)
                if count:
                    tell(count, count)
            resumed = count
            for part in batches(compute(read), self._batch_size):
                values = list(self._checked(part, count))
                if self._journal is not None:
                    self._journal.add(part)
                count += len(part)
                yield from values
                tell(count, resumed)

    def finish(self, columns: _columns.Columns) -> Any:
        """The source with these columns: a dataset, or the path of the output. None for rows in memory."""
        if self._writer is not None:
            place = self._writer(columns)
            self.close(True)
            return place
        source = _columns.dataset(paths_of(self._source)) if is_paths(self._source) else self._source
        return _columns.added(source, columns) if is_dataset(source) else None

    def close(self, is_finished: bool = False) -> None:
        """Releases the file of finished batches."""
        if self._journal is not None:
            self._journal.close(is_finished)
            self._journal = None

    def __enter__(self) -> Run:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _checked(self, part: list[Any], start: int) -> Iterator[Any]:
        for index, outcome in enumerate(part, start):
            if isinstance(outcome, DamaError):
                if self._raises:
                    raise outcome
                self.errors[index] = getattr(outcome, "reason", str(outcome))
                outcome = None
            yield outcome

    def _identity(self, model: Any, options: Mapping[str, Any]) -> dict[str, Any]:
        files = []
        for path in paths_of(self._source):
            status = os.stat(path) if os.path.exists(path) else None
            files.append([os.path.abspath(path), status and status.st_size, status and status.st_mtime_ns])
        folder, given = model._source
        settings = {name: value for name, value in given if name not in ("threads", "onnxruntime")}
        return {
            "work": self._title, "source": files, "batch_size": self._batch_size, **options,
            "model": [folder, _reopen.files_identity(folder)], "model_options": settings,
        }  # fmt: skip
