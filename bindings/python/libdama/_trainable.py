"""Which weights are trained."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from . import _abi
from ._errors import InvalidArgument
from ._native import choices
from ._policy import c_text
from ._runtime import unsigned

_TRAINABLE = choices(_abi.dama_trainable, "DAMA_TRAINABLE_")
#: Patterns are given as a list, not by this name.
_PATTERNS = _TRAINABLE.pop("patterns")


@dataclass(frozen=True)
class LoRA:
    """Low-rank matrices added to the weights that ``targets`` name, and trained in their place (Hu et al., 2021).

    ``rank``
        r, the rank of the matrices.
    ``alpha``
        The matrices' product is scaled by alpha / rank.
    ``targets``
        Last parts of module names: q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; all-linear
        for all.
    ``dropout``
        Probability with which a number that an adapter takes is set to 0 in training.
    """

    rank: int = 16
    alpha: float = 32.0
    targets: Sequence[str] = ("q_proj", "v_proj")
    dropout: float = 0.0


def select(options: _abi.dama_trainer_options, trainable: Union[str, LoRA, Sequence[str]]) -> None:
    if trainable == "lora":
        trainable = LoRA()
    if isinstance(trainable, str):
        if trainable not in _TRAINABLE:
            raise InvalidArgument(
                f"trainable is {trainable!r}; it must be one of {', '.join(_TRAINABLE)}, a LoRA, or a list of patterns"
            )
        options.trainable = _TRAINABLE[trainable]
    elif isinstance(trainable, LoRA):
        options.trainable = _TRAINABLE["lora"]
        options.lora_rank = unsigned("rank", trainable.rank, 32)
        options.lora_alpha = trainable.alpha
        options.lora_dropout = trainable.dropout
        targets = [c_text(target, "a target") for target in trainable.targets]
        if not targets:
            raise InvalidArgument("LoRA has no targets; at least one module must be named")
        options.lora_targets = (ctypes.c_char_p * len(targets))(*targets)
        options.lora_target_count = len(targets)
    else:
        patterns = [c_text(pattern, "a pattern") for pattern in trainable]
        options.trainable = _PATTERNS
        options.patterns = (ctypes.c_char_p * len(patterns))(*patterns)
        options.pattern_count = len(patterns)
