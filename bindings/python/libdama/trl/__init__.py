"""DAMA in TRL's DPO trainer: full batches over micro-batches and ranks, with all that TRL's trainer does.

::

    from libdama.trl import DamaConfig, DamaDPOTrainer

    trainer = DamaDPOTrainer(model, args=DPOConfig(...), dama=DamaConfig("paper"), train_dataset=scored)
    trainer.train()

``scored`` has TRL's columns and ``alpha_data``, α_D of each pair. TRL and torch are imported when a name other than
:class:`DamaConfig` is first used; without them that is a ``MissingPackage``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .. import _lazy
from ._config import DamaConfig

if TYPE_CHECKING:
    from ._callback import DamaCallback
    from ._collator import PairCollator
    from ._mixin import DamaMixin
    from ._trainer import DamaDPOTrainer

__all__ = ["DamaCallback", "DamaConfig", "DamaDPOTrainer", "DamaMixin", "PairCollator"]

_PLACES = {
    "DamaCallback": "_callback",
    "DamaDPOTrainer": "_trainer",
    "DamaMixin": "_mixin",
    "PairCollator": "_collator",
}
_PACKAGES = ("torch", "trl", "transformers", "accelerate", "datasets")


def __getattr__(name: str) -> Any:
    value = globals()[name] = _lazy.lookup(__name__, name, _PLACES, _PACKAGES, "trl")
    return value


def __dir__() -> list[str]:
    return __all__
