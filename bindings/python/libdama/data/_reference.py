"""The reference's log-probabilities of a source, as columns."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from .._errors import Cancelled, DamaError, InvalidArgument
from .._generation import Policy
from .._policy import PolicyModel
from . import _columns
from ._formats import Row
from ._sources import AnyPath, Source, is_dataset, is_paths, paths_of, rows


@dataclass
class Reference:
    """What :func:`reference` computed of each row, in order; None for a bad row."""

    #: Σ log π(y_w | I, x) over the response's tokens.
    ref_chosen_logps: list[Optional[float]]
    #: Σ log π(y_l | I, x).
    ref_rejected_logps: list[Optional[float]]
    #: What is wrong with each bad row, by position.
    errors: dict[int, str]
    #: The file with the rows and these columns, if one was asked for.
    output: Optional[Path] = None


def reference(
    source: Source,
    policy: Union[PolicyModel, AnyPath],
    output: Optional[AnyPath] = None,
    *,
    format: str = "auto",
    fields: Optional[Mapping[str, str]] = None,
    image_root: Optional[AnyPath] = None,
    follow_links: bool = False,
    on_error: str = "raise",
    batch_size: int = 8,
    progress: Optional[Callable[[int], object]] = None,
) -> Any:
    """log π of both responses of every pair as the columns ``ref_chosen_logps`` and ``ref_rejected_logps``, TRL's names.

    ``policy`` is a :class:`Policy` or the folder of one; all other arguments and the results are as for :func:`score`.
    """
    if batch_size < 1:
        raise InvalidArgument(f"batch_size is {batch_size}; it must be 1 or more")
    if on_error not in ("raise", "null"):
        raise InvalidArgument(f"on_error is {on_error!r}; expected raise or null")
    if is_paths(source) and output is None:
        _columns.require_datasets()
    writer = None if output is None else _columns.writer(source, output)
    model = policy if isinstance(policy, PolicyModel) else Policy(policy)
    found = Reference([], [], {})
    read = rows(source, format, fields, image_root, follow_links)
    while part := list(itertools.islice(read, batch_size)):
        for row, logps in zip(part, _logps(model, part)):
            if isinstance(logps, DamaError):
                if on_error == "raise":
                    raise logps
                found.errors[len(found.ref_chosen_logps)] = str(logps)
            found.ref_chosen_logps.append(None if isinstance(logps, DamaError) else logps[0])
            found.ref_rejected_logps.append(None if isinstance(logps, DamaError) else logps[1])
        if progress is not None:
            progress(len(found.ref_chosen_logps))
    columns = {"ref_chosen_logps": found.ref_chosen_logps, "ref_rejected_logps": found.ref_rejected_logps}
    if writer is not None:
        found.output = writer(columns)
        return found
    if is_paths(source):
        source = _columns.dataset(paths_of(source))
    return _columns.added(source, columns) if is_dataset(source) else found


def _logps(model: PolicyModel, part: list[Any]) -> list[Any]:
    """log π of both responses of each row, or what is wrong with it."""
    found: list[Any] = []
    pairs: list[dict[str, Any]] = []
    for row in part:
        try:
            if isinstance(row, Row):
                pairs.append(row.pair())
                found.append(None)
            else:
                found.append(row)
        except DamaError as error:
            found.append(error)
    try:
        computed: Iterator[Any] = iter([(it.chosen.sum, it.rejected.sum) for it in model.logps_batch(pairs)])
    except Cancelled:
        raise
    except DamaError:
        # One of the pairs is at fault: each by itself.
        computed = iter([_alone(model, pair) for pair in pairs])
    return [next(computed) if old is None else old for old in found]


def _alone(model: PolicyModel, pair: dict[str, Any]) -> Any:
    try:
        logps = model.logps_batch([pair])[0]
        return logps.chosen.sum, logps.rejected.sum
    except Cancelled:
        raise
    except DamaError as error:
        return error
