"""How much memory a training step takes, from a configuration."""

from __future__ import annotations

import ctypes
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

from . import _abi
from ._native import check
from ._row_job import options_of
from ._train import config_text, override_items


@dataclass(frozen=True)
class MemoryPlan:
    """The result of :func:`plan`.

    ``numbers``
        The step (``device``, ``precision``, ``activations``, ``offload``, ``pairs``, ``tokens_of_pair``,
        ``pairs_of_runs``, ``trained``), the bytes of its ``parts`` on the device and on the host, and their ``total``.
    ``text``
        The same as a table.
    """

    numbers: dict[str, Any]
    text: str

    def __str__(self) -> str:
        return self.text


def plan(
    config: Union[Mapping[str, Any], str, "os.PathLike[str]"],
    overrides: Union[Mapping[str, Any], Sequence[str]] = (),
    *,
    prompt_tokens: int = 64,
    response_tokens: int = 128,
) -> MemoryPlan:
    """Computes how much memory a step of :func:`train` takes, as ``dama train --plan`` does.

    ::

        print(libdama.plan("dama.yaml", {"offload": True}))

    ``config`` and ``overrides`` are those of :func:`train`. Of the model only config.json is read: its weights, the data
    and a device need not be there. ``prompt_tokens`` are those of a prompt without its image, ``response_tokens`` those
    of each response.
    """
    text, label = config_text(config)
    items = override_items(overrides)
    options = options_of(
        _abi.dama_memory_plan_options, _abi.dama_memory_plan_options_init, {},
        prompt_tokens=prompt_tokens, response_tokens=response_tokens,
    )  # fmt: skip
    options.label = label
    array = (ctypes.c_char_p * len(items))(*items)
    handle = ctypes.c_void_p()
    try:
        check(_abi.dama_train_plan(handle, text, array, len(items), options))
        return MemoryPlan(
            numbers=json.loads(_abi.dama_memory_plan_json(handle)), text=_abi.dama_memory_plan_text(handle).decode()
        )
    finally:
        _abi.dama_memory_plan_free(handle)
