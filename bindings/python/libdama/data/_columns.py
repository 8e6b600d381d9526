"""Columns beside the rows that they were computed from: in datasets, Parquet and JSON Lines."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from .._errors import FileError, InvalidArgument, Unsupported
from .._hardness import alpha_data
from ._sources import _JSON, AnyPath, _json, is_paths, parquet_file, paths_of, without_decoding

#: Columns to add: the values of all rows, in order; None for a bad row.
Columns = Mapping[str, Sequence[Any]]


# ----------------------------------------------------------------------------------------------------------------------
# datasets


def require_datasets() -> Any:
    """The package ``datasets``."""
    try:
        import datasets
    except ImportError:
        raise Unsupported(
            "without an output the result is a datasets.Dataset, which needs datasets: pip install 'libdama[data]'"
        ) from None
    return datasets


def dataset(paths: Sequence[str]) -> Any:
    """The files as a ``datasets.Dataset``."""
    datasets = require_datasets()
    known = [path for path in paths if path.endswith((".parquet", *_JSON))]
    kinds = {"parquet" if path.endswith(".parquet") else "json" for path in known}
    if len(kinds) != 1:
        raise InvalidArgument("expected files that are all named *.parquet, or all *.jsonl, *.ndjson or *.json")
    for path in paths:
        if not os.path.exists(path):
            raise FileError(f"cannot open {path}: there is no such file")
    return datasets.load_dataset(kinds.pop(), data_files=list(paths), split="train")


def added(source: Any, columns: Columns) -> Any:
    """The dataset with these columns, which replace columns of the same names."""
    if type(source).__name__ == "IterableDataset":
        return source.map(_Lookup(columns), with_indices=True)
    names = [name for name in columns if name in source.column_names]
    source = source.remove_columns(names) if names else source
    for name, values in columns.items():
        source = source.add_column(name, list(values))
    return source


def lazily(source: Any, hardness: Any, mean_delta: float, batch: int) -> Any:
    """An ``IterableDataset`` whose rows are scored when they are read."""
    return without_decoding(source).map(_Scoring(hardness, mean_delta), batched=True, batch_size=batch)


class _Lookup:
    """Adds the values of a row by its position."""

    def __init__(self, columns: Columns) -> None:
        self.columns = {name: list(values) for name, values in columns.items()}

    def __call__(self, _row: Mapping[str, Any], index: int) -> dict[str, Any]:
        if any(index >= len(values) for values in self.columns.values()):
            raise InvalidArgument(f"the dataset has more rows than when it was scored, {index}; score it again")
        return {name: values[index] for name, values in self.columns.items()}


class _Scoring:
    """Scores a batch of rows with a given δ̄."""

    def __init__(self, hardness: Any, mean_delta: float) -> None:
        self.hardness = hardness
        self.mean_delta = mean_delta

    def __call__(self, columns: Mapping[str, Sequence[Any]]) -> dict[str, list[Optional[float]]]:
        deltas = self.hardness(columns)["delta"]
        alphas = [None if it is None else float(alpha_data([it], self.mean_delta)[0]) for it in deltas]
        return {"delta": deltas, "alpha_data": alphas}


# ----------------------------------------------------------------------------------------------------------------------
# Files


def writer(source: Any, output: AnyPath) -> Callable[[Columns], Path]:
    """Checks, before anything is computed, that the output suits the source; returns what writes it."""
    if not is_paths(source):
        raise InvalidArgument("an output is for sources that are files; take the columns of the result otherwise")
    paths, place = paths_of(source), Path(output)
    forms = {".parquet" if path.endswith(".parquet") else ".jsonl" for path in paths}
    wanted = {".jsonl": _JSON, ".parquet": (".parquet",)}
    if len(forms) != 1 or not place.name.endswith(wanted[next(iter(forms))]):
        raise InvalidArgument(
            f"the output {place} must be named *.parquet for Parquet and *.jsonl for JSON, and all inputs be of one kind"
        )
    if any(os.path.exists(path) and place.exists() and os.path.samefile(path, place) for path in paths):
        raise InvalidArgument(f"the output {place} is one of the inputs")
    if not place.absolute().parent.is_dir():
        raise FileError(f"cannot write {place}: there is no folder {place.absolute().parent}")
    write = _write_parquet if forms == {".parquet"} else _write_lines

    def written(columns: Columns) -> Path:
        temporary = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            write(paths, temporary, columns)
            os.replace(temporary, place)
        except OSError as error:
            raise FileError(f"cannot write {place}: {error}") from None
        finally:
            temporary.unlink(missing_ok=True)
        return place

    return written


def _write_parquet(paths: Sequence[str], output: Path, columns: Columns) -> None:
    import pyarrow
    import pyarrow.parquet

    start, file = 0, None
    try:
        for path in paths:
            for batch in parquet_file(path).iter_batches(batch_size=1024):
                table = pyarrow.Table.from_batches([batch])
                for name, values in columns.items():
                    part = pyarrow.array(values[start : start + len(batch)], _arrow_type(values))
                    table = table.drop_columns([name]) if name in table.column_names else table
                    table = table.append_column(name, part)
                table = table.replace_schema_metadata(_metadata(table.schema.metadata, columns))
                if file is None:
                    file = pyarrow.parquet.ParquetWriter(output, table.schema)
                file.write_table(table)
                start += len(batch)
    except pyarrow.ArrowInvalid as error:
        raise InvalidArgument(f"the files have different columns: {error}") from None
    finally:
        if file is not None:
            file.close()


def _arrow_type(values: Sequence[Any]) -> Any:
    import pyarrow

    value = _example(values)
    if isinstance(value, list):
        return pyarrow.list_(pyarrow.string())
    return pyarrow.string() if isinstance(value, str) else pyarrow.float64()


def _example(values: Sequence[Any]) -> Any:
    """A value of a column: a number, a text, or a list of texts."""
    return next((value for value in values if value is not None), None)


def _metadata(metadata: Optional[Mapping[bytes, bytes]], columns: Columns) -> Optional[dict[bytes, bytes]]:
    """The schema's metadata, in which ``datasets`` lists the columns."""
    if not metadata:
        return None
    changed = dict(metadata)
    try:
        described = json.loads(changed[b"huggingface"])
        for name, values in columns.items():
            value = _example(values)
            kind = {"dtype": "float64" if isinstance(value, (float, type(None))) else "string", "_type": "Value"}
            described["info"]["features"][name] = [kind] if isinstance(value, list) else kind
        changed[b"huggingface"] = json.dumps(described).encode()
    except (KeyError, TypeError, ValueError):
        changed.pop(b"huggingface", None)
    return changed


def _write_lines(paths: Sequence[str], output: Path, columns: Columns) -> None:
    records: Iterator[Mapping[str, Any]] = itertools.chain.from_iterable(map(_json, paths))
    with open(output, "w", encoding="utf-8") as file:
        for index, record in enumerate(records):
            more = {name: values[index] for name, values in columns.items()}
            file.write(json.dumps({**record, **more}, ensure_ascii=False) + "\n")
