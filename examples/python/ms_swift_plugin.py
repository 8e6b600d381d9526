"""DAMA in ms-swift's DPO, as a plugin of its command line.

    pip install 'libdama[torch]' ms-swift
    DAMA='{"preset": "paper"}' swift rlhf --rlhf_type dpo --external_plugins examples/python/ms_swift_plugin.py …

DAMA has the fields of libdama.trl.DamaConfig as JSON. Rows of the dataset have α_D in their column margin, the one
number of a pair that ms-swift carries to the trainer.
"""

import json
import os

from swift.rlhf_trainers import DPOTrainer
from swift.trainers import TrainerFactory

from libdama.trl import DamaConfig, DamaMixin

config = DamaConfig(**{"alpha_column": "margin", **json.loads(os.environ.get("DAMA", "{}"))})


class DamaTrainer(DamaMixin, DPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, dama=config, **kwargs)
        if not config.is_plain and self.template.padding_free:
            raise NotImplementedError("packing and padding_free hide which tokens are of one pair; leave them off")

    def _lengths(self, batch):
        if self.controller.options["loss"] != "ipo":
            return None, None
        return (batch["labels"] != -100).sum(1).clamp(min=1).chunk(2)


# The plugin is a module under a name that swift gives it.
TrainerFactory.TRAINER_MAPPING["dpo"] = f"{__name__}.DamaTrainer"
