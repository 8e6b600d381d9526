"""Numbers of rows that travel beside TRL's columns: α_D and the reference's log-probabilities.

They go through loaders and collators as the bits of float64 in int64: DeepSpeed casts every float of a batch to the
training's type, which makes −79.9064 a −80.0.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from typing import Any, Optional

import numpy as np
import torch
from datasets import Dataset, Image, IterableDataset

from .._errors import InvalidArgument
from .._reference import ReferenceCache
from ._config import DamaConfig

#: The key of a batch that holds the bits, int64 [pairs, names].
BITS = "dama_bits"
#: The dataset's columns of our own.
REFERENCE = ("dama_reference_chosen", "dama_reference_rejected", "dama_chosen_tokens", "dama_rejected_tokens")


#: Those of TRL's own pass over the dataset.
PRECOMPUTED = ("ref_chosen_logps", "ref_rejected_logps")


class Columns:
    """Which columns of the dataset travel with the batches, and under which names."""

    def __init__(self, config: DamaConfig) -> None:
        self.sources: dict[str, str] = {}
        if config.needs_alpha and config.alpha_column is not None:
            self.sources["alpha"] = config.alpha_column
        reference: Optional[tuple[str, ...]] = REFERENCE if config.has_cache else config.reference_columns
        if config.reference == "precompute":
            reference = PRECOMPUTED
        if reference is not None:
            names = ("reference_chosen", "reference_rejected", "chosen_tokens", "rejected_tokens")
            self.sources.update(zip(names, reference))

    def add_precomputed(self) -> None:
        """Takes along what TRL's ``precompute_ref_log_probs`` computes, unless the reference comes from elsewhere."""
        if "reference_chosen" not in self.sources:
            self.sources.update(zip(("reference_chosen", "reference_rejected"), PRECOMPUTED))

    def check(self, dataset: Any, name: str) -> None:
        """Refuses a dataset that lacks a column, before anything is computed, if it can tell its columns."""
        have = getattr(dataset, "column_names", None)
        for what, column in self.sources.items():
            if have is not None and column not in have and column not in REFERENCE + PRECOMPUTED:
                hint = "; score it first, or set alpha_column=None for α_D = 1" if what == "alpha" else ""
                raise InvalidArgument(f"{name} has no column {column!r}{hint}. Its columns are {', '.join(have)}")

    def collator(self, inner: Callable[[list[Any]], dict[str, Any]]) -> Callable[[list[Any]], dict[str, Any]]:
        return Collator(inner, self.sources) if self.sources else inner


class Collator:
    """TRL's collator, with the columns' bits under :data:`BITS`."""

    def __init__(self, inner: Callable[[list[Any]], dict[str, Any]], sources: Mapping[str, str]) -> None:
        self.inner = inner
        self.sources = dict(sources)

    def __call__(self, examples: list[Any]) -> dict[str, Any]:
        numbers = np.full((len(examples), len(self.sources)), np.nan)
        for column, (what, source) in enumerate(self.sources.items()):
            # Rows of an evaluation need not have the columns of the training.
            if any(source in example for example in examples):
                numbers[:, column] = [_number(example.get(source), source, what) for example in examples]
        taken = set(self.sources.values())
        batch = self.inner([{k: v for k, v in example.items() if k not in taken} for example in examples])
        batch[BITS] = torch.from_numpy(numbers.view(np.int64))
        return batch


def _number(value: Any, column: str, what: str) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not math.isfinite(value):
        raise InvalidArgument(f"a row has {column} = {value!r}; it must be a finite number")
    if what == "alpha" and value <= 0:
        raise InvalidArgument(f"a row has {column} = {value}; α_D is above 0")
    return float(value)


def pop_columns(batch: dict[str, Any], sources: Mapping[str, str]) -> dict[str, Any]:
    """Takes the columns out of a batch, float64 on the CPU by name."""
    bits = batch.pop(BITS, None)
    if bits is None:
        return {}
    numbers = bits.cpu().contiguous().view(torch.float64)
    return {name: numbers[:, column] for column, name in enumerate(sources) if not numbers[0, column].isnan()}


def with_reference(dataset: Any, reference: Any) -> Any:
    """``dataset`` with the columns :data:`REFERENCE` from a cache; a pair that the cache lacks is an error."""
    cache = reference if isinstance(reference, ReferenceCache) else ReferenceCache(os.fspath(reference))
    columns = dataset.column_names or list(next(iter(dataset)))
    image = next((name for name in ("image", "images") if name in columns), None)
    decoded = None if image is None else (dataset.features or {}).get(image)
    encoded = _encoded(decoded)
    if encoded is not None:
        # The cache knows images by the contents of their files.
        dataset = dataset.cast_column(image, encoded)

    def look_up(rows: dict[str, list[Any]]) -> dict[str, list[float]]:
        pairs = [_pair(dict(zip(rows, values)), image) for values in zip(*rows.values())]
        found = cache.logps_batch(pairs)
        numbers = [(p.chosen.sum, p.rejected.sum, p.chosen.count, p.rejected.count) for p in found]
        return {name: list(map(float, values)) for name, values in zip(REFERENCE, zip(*numbers))}

    if isinstance(dataset, IterableDataset):
        found = dataset.map(look_up, batched=True, batch_size=64)
    elif isinstance(dataset, Dataset):
        # Columns are added, because a map would copy the images. Only the columns of a pair are read.
        read = dataset.select_columns([name for name in (image, "prompt", "chosen", "rejected") if name in columns])
        numbers: dict[str, list[float]] = {name: [] for name in REFERENCE}
        for start in range(0, len(read), 64):
            for name, values in look_up(read[start : start + 64]).items():
                numbers[name] += values
        found = dataset
        for name, values in numbers.items():
            found = found.add_column(name, values)
    else:
        raise InvalidArgument(f"the dataset is a {type(dataset).__name__}; reference needs a datasets.Dataset")
    return found if encoded is None else found.cast_column(image, decoded)


def _encoded(feature: Any) -> Any:
    """The feature of a column of images, or of lists of them, that leaves them as files; None for another column."""
    if isinstance(feature, Image):
        return Image(decode=False)
    if isinstance(getattr(feature, "feature", None), Image):
        return type(feature)(Image(decode=False))
    return None


def _pair(row: Mapping[str, Any], image: Optional[str]) -> tuple[Any, str, str, str]:
    """(image, prompt, chosen, rejected) of a row in TRL's columns."""
    value = None if image is None else row[image]
    if isinstance(value, list):
        if len(value) != 1:
            raise InvalidArgument(f"a row has {len(value)} images; the reference cache has pairs with one")
        value = value[0]
    if isinstance(value, Mapping):
        value = value["bytes"] if value.get("bytes") is not None else value.get("path")
    responses = [text_of(row[name], "assistant") for name in ("chosen", "rejected")]
    return value, text_of(row["prompt"], "user"), responses[0], responses[1]


def text_of(value: Any, role: str) -> str:
    """The text of a column: itself, or of its one message with ``role``."""
    if isinstance(value, str):
        return value
    messages = [message for message in value if message.get("role") == role]
    if len(messages) != 1:
        raise InvalidArgument(f"a row has {len(messages)} messages of the {role}; pairs of a reference cache have one")
    content = messages[0]["content"]
    if isinstance(content, str):
        return content
    return "".join(part.get("text") or "" for part in content if part.get("type") == "text")
