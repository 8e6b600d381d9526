"""Hardness of batches of rows, for ``datasets.map``, Ray Data and our own loops."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Optional, Union

from .._errors import DamaError, InvalidArgument
from .._repr import described
from .._scorer import Scorer
from ._formats import FORMATS, BadRow, Row, names_of
from ._images import ImageFolder
from ._sources import AnyPath, read_row

#: δ of a row, or what is wrong with it.
Outcome = Union[float, DamaError]


class Hardness:
    """Computes δ, Eqs. (4) to (6), of batches of rows: ``dataset.map(Hardness(model), batched=True)``.

    Called with columns (name → list), it returns the column ``delta``, with None for a bad row unless ``on_error`` is
    ``"raise"``. It pickles by the model's path and options, so that workers open the model themselves, and its hash in
    ``datasets``' cache depends on these, on its own options and on the model's files. ``model`` is a :class:`Scorer` or
    the folder of one, opened at the first call.
    """

    def __init__(
        self,
        model: Union[Scorer, AnyPath],
        *,
        format: str = "auto",
        fields: Optional[Mapping[str, str]] = None,
        image_root: Optional[AnyPath] = None,
        follow_links: bool = False,
        delta: str = "probabilities",
        on_error: str = "raise",
    ) -> None:
        if on_error not in ("raise", "null"):
            raise InvalidArgument(f"on_error is {on_error!r}; expected raise or null")
        if format not in FORMATS:
            raise InvalidArgument(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
        if delta not in ("probabilities", "scores"):
            raise InvalidArgument(f"delta is {delta!r}; expected one of probabilities, scores")
        self._model = model
        self._format = format
        self._names = names_of(fields)
        self._folder = ImageFolder(None if image_root is None else os.path.abspath(image_root), follow_links)
        self._delta = delta
        self._on_error = on_error

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        # The scorer itself, which reduces to its path, options and files: a path alone would hash the same for others.
        state = (self.scorer, self._format, tuple(sorted(self._names.items())), self._folder.root,
                 self._folder.follow_links, self._delta, self._on_error)  # fmt: skip
        return _restored, state

    def __repr__(self) -> str:
        return described(self, lambda: {
            "model": self._model, "format": self._format, "image_root": self._folder.root, "delta": self._delta,
            "on_error": self._on_error,
        })  # fmt: skip

    @property
    def scorer(self) -> Scorer:
        """The model."""
        if not isinstance(self._model, Scorer):
            self._model = Scorer(self._model)
        return self._model

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Optional[float]]]:
        names = list(columns)
        records = (dict(zip(names, values)) for values in zip(*(columns[name] for name in names)))
        found = self.outcomes([read_row(record, index, self._format, self._names, self._folder)
                               for index, record in enumerate(records)])  # fmt: skip
        deltas: list[Optional[float]] = []
        for outcome in found:
            if isinstance(outcome, DamaError):
                if self._on_error == "raise":
                    raise outcome
                deltas.append(None)
            else:
                deltas.append(outcome)
        return {"delta": deltas}

    def outcomes(self, rows: Iterable[Union[Row, BadRow]]) -> list[Outcome]:
        """δ of each row, or what is wrong with it: its exception, which names its position."""
        rows = list(rows)
        found: list[Outcome] = []
        pairs: list[tuple[Any, str, str]] = []
        for row in rows:
            if isinstance(row, Row) and len(row.images) != 1:
                row = BadRow(f"the row has {len(row.images)} images; hardness is about one image", row.index)
            if isinstance(row, Row):
                found.append(0.0)
                pairs.append((row.images[0], row.chosen, row.rejected))
            else:
                found.append(row)
        deltas = iter(self.scorer.deltas(pairs, delta=self._delta))
        for position, row in enumerate(rows):
            if isinstance(found[position], DamaError) or not isinstance(row, Row):
                continue
            delta = next(deltas)
            found[position] = BadRow(str(delta), row.index) if isinstance(delta, DamaError) else delta
        return found


def _restored(
    scorer: Scorer,
    format: str,
    names: tuple[tuple[str, tuple[str, ...]], ...],
    root: Optional[str],
    follow_links: bool,
    delta: str,
    on_error: str,
) -> Hardness:
    made = Hardness(
        scorer, format=format, image_root=root, follow_links=follow_links, delta=delta, on_error=on_error
    )
    made._names = dict(names)
    return made
