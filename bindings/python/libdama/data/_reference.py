"""The reference's log-probabilities of a source, as columns."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from .._errors import Cancelled, DamaError
from .._generation import Policy
from .._policy import PolicyModel
from .._progress import RowProgress
from .._repr import described
from ._formats import Row
from ._run import Run
from ._sources import AnyPath, Source, rows
from ._workers import batches


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

    def __repr__(self) -> str:
        return described(self, lambda: {"rows": len(self.ref_chosen_logps), "bad": len(self.errors), "output": self.output})


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
    progress: RowProgress = None,
    restart: bool = False,
) -> Any:
    """log π of both responses of every pair as the columns ``ref_chosen_logps`` and ``ref_rejected_logps``, TRL's names.

    ``policy`` is a :class:`Policy` or the folder of one. ``source``, ``output``, ``format``, ``fields``, ``image_root``,
    ``follow_links``, ``on_error``, ``batch_size`` (pairs), ``progress``, ``restart`` and the results are as for
    :func:`score`.
    """
    model = policy if isinstance(policy, PolicyModel) else Policy(policy)
    found = Reference([], [], {})
    with Run(source, output, title="reference", batch_size=batch_size, on_error=on_error, progress=progress,
             restart=restart) as run:  # fmt: skip
        for logps in run.outcomes(
            rows(source, format, fields, image_root, follow_links),
            lambda left: itertools.chain.from_iterable(_logps(model, part) for part in batches(left, batch_size)),
            model,
            {"format": format, "fields": fields, "image_root": image_root, "follow_links": follow_links},
        ):
            chosen, rejected = (None, None) if logps is None else logps
            found.ref_chosen_logps.append(chosen)
            found.ref_rejected_logps.append(rejected)
        found.errors = run.errors
        made = run.finish(
            {"ref_chosen_logps": found.ref_chosen_logps, "ref_rejected_logps": found.ref_rejected_logps}
        )
    if isinstance(made, Path):
        found.output = made
    return found if made is None or isinstance(made, Path) else made


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
