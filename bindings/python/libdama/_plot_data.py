"""What plots draw, from files, results and datasets."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from numpy.typing import NDArray

from ._adaptive_beta_step import AdaptiveBetaStep
from ._errors import InvalidArgument
from ._hardness import alpha_data


@dataclass(frozen=True)
class PairRecords:
    """An element for each pair of each step."""

    step: NDArray[np.int64]
    #: The pair's id, or its place in the batch where there is none.
    names: list[Any]
    beta: NDArray[np.float64]
    kept: NDArray[np.bool_]


def column_of(scores: Any, name: str) -> NDArray[np.float64]:
    """``delta`` or ``alpha_data`` of the pairs, finite numbers only; α_D is computed where there is only δ."""
    output = getattr(scores, "output", None)
    values = getattr(scores, name, None)
    if values is None and output is not None:
        scores = output
    if values is None and isinstance(scores, (str, os.PathLike)):
        values = _column_of_file(os.fspath(scores), name)
    if values is None and hasattr(scores, "column_names"):
        values = _column_of_dataset(scores, name)
    if values is None:
        values = _column_of_rows(scores, name)
    if values is None:
        return np.asarray(alpha_data(column_of(scores, "delta")))
    numbers = _numbers(values)
    found = numbers[np.isfinite(numbers)].ravel()
    if not len(found):
        raise InvalidArgument(f"the scores hold no {name}")
    return found


def _column_of_file(path: str, name: str) -> Optional[Any]:
    if not path.endswith(".parquet"):
        return _column_of_rows(lines_of(path), name)
    from .data._sources import parquet_file

    file = parquet_file(path)
    return file.read(columns=[name])[name].to_pylist() if name in file.schema_arrow.names else None


def _column_of_dataset(dataset: Any, name: str) -> Optional[Any]:
    if name not in (dataset.column_names or ()):
        return None
    column = dataset[name]
    return column.to_pylist() if hasattr(column, "to_pylist") else list(column)


def _column_of_rows(rows: Any, name: str) -> Optional[Any]:
    """The column of mappings; numbers alone are δ."""
    listed = list(rows) if not isinstance(rows, np.ndarray) else rows
    if len(listed) and isinstance(listed[0], Mapping):
        return [row.get(name) for row in listed] if any(row.get(name) is not None for row in listed) else None
    return listed if name == "delta" else None


def lines_of(source: Any) -> list[Mapping[str, Any]]:
    """The objects of JSON Lines, or the mappings of a list. An unfinished last line is left out."""
    if not isinstance(source, (str, os.PathLike)):
        found = list(source)
        if not all(isinstance(line, Mapping) for line in found):
            raise InvalidArgument("expected a path of JSON Lines, or a list of mappings")
        return found
    lines = []
    with open(source, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.endswith("\n") and line.strip():
                try:
                    value = json.loads(line)
                except ValueError as error:
                    raise InvalidArgument(f"{os.fspath(source)}, line {number} is not JSON: {error}") from None
                if not isinstance(value, Mapping):
                    raise InvalidArgument(f"{os.fspath(source)}, line {number} is no object")
                lines.append(value)
    return lines


def records_of(source: Any) -> PairRecords:
    """The pairs of each step, from pairs.jsonl, its lines, or steps of a controller."""
    steps, names, betas, kept = [], [], [], []
    if isinstance(source, AdaptiveBetaStep):
        source = [source]
    listed = lines_of(source) if isinstance(source, (str, os.PathLike)) else list(source)
    for index, it in enumerate(listed, 1):
        if isinstance(it, AdaptiveBetaStep):
            step, beta, mask, ids = index, it.beta, it.mask, range(len(it.mask))
        elif isinstance(it, Mapping) and {"beta", "kept"} <= it.keys():
            step, beta, mask = it.get("batch", index), _numbers(it["beta"]), np.asarray(it["kept"], bool)
            ids = it.get("id", range(len(mask)))
        else:
            raise InvalidArgument(f"record {index} has no beta and kept: expected lines of pairs.jsonl, which a "
                                  "training writes with log_pairs, or steps of AdaptiveBeta")  # fmt: skip
        steps += [step] * len(beta)
        names += list(ids)
        betas.append(beta)
        kept.append(mask)
    if not steps:
        raise InvalidArgument("there are no records of pairs")
    return PairRecords(np.array(steps, np.int64), names, np.concatenate(betas), np.concatenate(kept))


def _numbers(values: Any) -> NDArray[np.float64]:
    """Numbers, with NaN for None."""
    if isinstance(values, np.ndarray):
        return values.astype(np.float64)
    return np.array([np.nan if value is None else float(value) for value in values], np.float64)
