"""The options of adaptive β by their Python names."""

from __future__ import annotations

from typing import Optional, Union

import numpy as np

from . import _abi
from ._errors import InvalidArgument
from ._native import choices

#: Enumerators of the C header, by their Python names.
PRESETS = choices(_abi.dama_preset, "DAMA_PRESET_")
GAPS = choices(_abi.dama_gap, "DAMA_GAP_")
FILTERS = choices(_abi.dama_filter, "DAMA_FILTER_")
SAMPLE_SCALES = choices(_abi.dama_sample_scale, "DAMA_SAMPLE_SCALE_")
RESPONSIVENESS = choices(_abi.dama_responsiveness, "DAMA_RESPONSIVENESS_")
MEAN_SOURCES = choices(_abi.dama_mean_source, "DAMA_MEAN_OF_")
MEAN_TIMES = {
    "after": int(_abi.dama_mean_time.DAMA_MEAN_AFTER_STEP),
    "before": int(_abi.dama_mean_time.DAMA_MEAN_BEFORE_USE),
}
COMBINATIONS = choices(_abi.dama_combination, "DAMA_COMBINE_")
LOSSES = choices(_abi.dama_loss, "DAMA_LOSS_")


def loss_parameter(loss: str, label_smoothing: Optional[float], simpo_margin: Optional[float]) -> float:
    """The parameter of a loss. A parameter of another loss is an error, not ignored."""
    if label_smoothing is not None and loss not in ("cdpo", "robust"):
        raise InvalidArgument(f"label_smoothing belongs to the losses 'cdpo' and 'robust', not to '{loss}'")
    if simpo_margin is not None and loss != "simpo":
        raise InvalidArgument(f"simpo_margin belongs to the loss 'simpo', not to '{loss}'")
    return label_smoothing or simpo_margin or 0.0


def set_keep(options: _abi.dama_adaptive_beta_options, keep: Union[int, float]) -> None:
    if isinstance(keep, (int, np.integer)) and not isinstance(keep, bool):
        if not 1 <= keep < 2**63:
            raise InvalidArgument(f"keep is {keep}; it must be at least 1")
        options.keep = int(keep)
    else:
        options.keep = 0
        options.keep_ratio = keep


def fit_keep(options: _abi.dama_adaptive_beta_options, batch: int, last_batch: Optional[str]) -> None:
    """Checks a count K against N, and makes it a ratio if it has to hold for smaller batches too."""
    count = options.keep
    if count > batch:
        raise InvalidArgument(f"keep is {count}, more than the {batch} pairs of a batch; a ratio such as 0.75 fits any")
    if count and last_batch == "rescale":
        ratio = count / batch
        # int(ratio · N) must be K also where K/N is rounded down.
        options.keep, options.keep_ratio = 0, ratio if int(ratio * batch) == count else float(np.nextafter(ratio, 2))


def choice(table: dict[str, int], name: str, label: str) -> int:
    value = table.get(name)
    if value is None:
        raise InvalidArgument(f"{label} is {name!r}; it must be one of {', '.join(map(repr, table))}")
    return value


def name_of(table: dict[str, int], value: int) -> str:
    return next(name for name, number in table.items() if number == value)
