"""Rows of files, datasets and lists, in constant memory."""

from __future__ import annotations

import glob
import itertools
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, Optional, Union

from .._errors import FileError, InvalidArgument, ModelError, Unsupported
from ._formats import FORMATS, BadRow, Row, names_of, row_of, wanted
from ._images import ImageFolder, image_of

AnyPath = Union[str, "os.PathLike[str]"]
#: A path or a pattern such as ``"data/*.parquet"``, a list of paths, a ``datasets.Dataset`` or ``IterableDataset``, a
#: ``pyarrow.Table``, or any iterable of rows.
Source = Any
OnError = Literal["raise", "skip"]
#: Makes a row of a record, its position, the form and the names of the fields: ``row_of`` or ``question_of``.
RowParser = Callable[[Mapping[str, Any], int, str, Mapping[str, tuple[str, ...]]], Row]

_JSON = (".jsonl", ".ndjson", ".json")


def read(
    source: Source,
    format: str = "auto",
    *,
    fields: Optional[Mapping[str, str]] = None,
    image_root: Optional[AnyPath] = None,
    follow_links: bool = False,
    on_error: OnError = "raise",
) -> Iterator[Row]:
    """The preference pairs of a source, one by one.

    ``source`` is Parquet, JSON Lines or one JSON array (a path, a list of paths, or a pattern such as
    ``"a/*.parquet"``), a ``datasets.Dataset`` or ``IterableDataset``, a ``pyarrow.Table``, or an iterable of mappings. ``format`` is
    ``"auto"`` (each row by its fields), ``"rlaif_v"``, ``"trl"``, ``"sharegpt"`` (LLaMA-Factory, ms-swift),
    ``"llava"`` or ``"fields"``, as for the jobs; ``fields`` renames columns (``{"chosen": "answer_good"}``).

    Paths of images in files are relative to ``image_root`` (default: the file's folder) and cannot leave it; in memory
    they are any paths, unless ``image_root`` is given. A bad row raises :class:`BadRow`, or with ``on_error="skip"`` is
    left out.
    """
    if on_error not in ("raise", "skip"):
        raise InvalidArgument(f"on_error is {on_error!r}; expected raise or skip")
    for found in rows(source, format, fields, image_root, follow_links):
        if isinstance(found, Row):
            yield found
        elif on_error == "raise":
            raise found


def rows(
    source: Source,
    format: str,
    fields: Optional[Mapping[str, str]],
    image_root: Optional[AnyPath],
    follow_links: bool,
    parse: RowParser = row_of,
) -> Iterator[Union[Row, BadRow]]:
    """The rows, or what is wrong with each, with images as models take them."""
    if format not in FORMATS:
        raise InvalidArgument(f"format is {format!r}; expected one of {', '.join(FORMATS)}")
    names = names_of(fields)
    index = itertools.count()
    for records, root in _parts(source, wanted(names)):
        folder = ImageFolder(os.fspath(image_root) if image_root is not None else root, follow_links)
        for record in records:
            yield read_row(record, next(index), format, names, folder, parse)


def read_row(
    record: Mapping[str, Any],
    index: int,
    format: str,
    names: Mapping[str, tuple[str, ...]],
    folder: ImageFolder,
    parse: RowParser = row_of,
) -> Union[Row, BadRow]:
    """A row with its images, or what is wrong with it."""
    try:
        row = parse(record, index, format, names)
        row.images = [image_of(image, folder) for image in row.images]
        return row
    except BadRow as error:
        return error
    except (InvalidArgument, FileError) as error:
        return BadRow(str(error), index)


def paths_of(source: Union[AnyPath, Sequence[AnyPath]]) -> list[str]:
    """The files that a path, a pattern or a list of them names."""
    found: list[str] = []
    for item in [source] if isinstance(source, (str, os.PathLike)) else source:
        text = os.fspath(item)
        is_pattern = glob.has_magic(text) and not os.path.exists(text)
        matches = sorted(glob.glob(text, recursive=True)) if is_pattern else [text]
        if not matches:
            raise FileError(f"no file matches {text}")
        found += matches
    return found


def is_paths(source: Source) -> bool:
    return isinstance(source, (str, os.PathLike)) or (
        isinstance(source, (list, tuple)) and bool(source) and all(isinstance(it, (str, os.PathLike)) for it in source)
    )


def count_of(source: Source) -> Optional[int]:
    """The number of rows, where it is known without reading them."""
    if is_paths(source):
        paths = paths_of(source)
        if not all(path.endswith(".parquet") for path in paths):
            return None
        return sum(int(parquet_file(path).metadata.num_rows) for path in paths)
    try:
        return len(source)
    except TypeError:
        return None


def is_dataset(source: Source) -> bool:
    """Whether the source is a ``datasets.Dataset`` or ``IterableDataset``; ``datasets`` is not imported."""
    return any(kind.__module__.startswith("datasets.") and kind.__name__ in ("Dataset", "IterableDataset")
               for kind in type(source).__mro__)  # fmt: skip


def _parts(source: Source, columns: set[str]) -> Iterator[tuple[Iterable[Mapping[str, Any]], Optional[str]]]:
    """The records of each file, with the folder that its images are in."""
    if is_paths(source):
        for path in paths_of(source):
            yield _records(path, columns), os.path.dirname(os.path.abspath(path))
    elif is_dataset(source):
        yield without_decoding(source), None
    elif hasattr(source, "to_batches"):
        yield (row for batch in source.to_batches(max_chunksize=64) for row in batch.to_pylist()), None
    elif isinstance(source, Mapping) or not isinstance(source, Iterable):
        raise InvalidArgument(
            f"the source is {type(source).__name__}; expected a path, a dataset, a table or an iterable of rows"
        )
    else:
        yield source, None


def _records(path: str, columns: set[str]) -> Iterator[Mapping[str, Any]]:
    if path.endswith(".parquet"):
        parquet = parquet_file(path)
        known = [name for name in parquet.schema_arrow.names if name in columns]
        for batch in parquet.iter_batches(batch_size=64, columns=known):
            yield from batch.to_pylist()
    elif path.endswith(_JSON):
        yield from _json(path)
    else:
        raise Unsupported(f"{path}: expected a file named *.parquet, *.jsonl, *.ndjson or *.json")


def parquet_file(path: str) -> Any:
    """The opened file. Raises the library's exceptions."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise Unsupported(f"{path} is Parquet, which needs pyarrow: pip install 'libdama[data]'") from None
    try:
        return pyarrow.parquet.ParquetFile(path)
    except OSError as error:
        raise FileError(f"cannot open {path}: {error}") from None
    except pyarrow.ArrowException as error:
        raise ModelError(f"{path} is not a Parquet file: {error}") from None


def _json(path: str) -> Iterator[Mapping[str, Any]]:
    """JSON Lines, or one JSON array, which is read as a whole."""
    try:
        with open(path, encoding="utf-8") as file:
            first = next((line for line in file if line.strip()), "")
            file.seek(0)
            if first.lstrip().startswith("["):
                yield from json.load(file)
                return
            for number, line in enumerate(file, 1):
                if line.strip():
                    try:
                        yield json.loads(line)
                    except ValueError as error:
                        raise ModelError(f"{path}, line {number} is not JSON: {error}") from None
    except OSError as error:
        raise FileError(f"cannot open {path}: {error}") from None
    except ValueError as error:
        raise error if isinstance(error, ModelError) else ModelError(f"{path} is not JSON: {error}") from None


def without_decoding(dataset: Any) -> Any:
    """The dataset with images as the bytes or paths of their files: the library decodes them itself."""
    features = getattr(dataset, "features", None) or {}
    for name, feature in features.items():
        changed = _encoded(feature)
        if changed is not feature:
            dataset = dataset.cast_column(name, changed)
    return dataset


def _encoded(feature: Any) -> Any:
    """The feature with undecoded images, in lists too; the feature itself if it has no images."""
    kind = type(feature).__name__
    if kind == "Image" and getattr(feature, "decode", False):
        return type(feature)(decode=False)
    if isinstance(feature, list) and len(feature) == 1 and _encoded(feature[0]) is not feature[0]:
        return [_encoded(feature[0])]
    if kind in ("Sequence", "List", "LargeList") and _encoded(feature.feature) is not feature.feature:
        return type(feature)(_encoded(feature.feature))
    return feature
