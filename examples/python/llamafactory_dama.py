"""DAMA in LLaMA-Factory's DPO: its configuration files, with a section `dama`.

    pip install 'libdama[torch]' llamafactory
    python examples/python/llamafactory_dama.py TRAIN.yaml

The section has the fields of libdama.trl.DamaConfig. Rows of the dataset have α_D in their column alpha_data.
"""

import sys

import yaml
from llamafactory.data.converter import DATASET_CONVERTERS
from llamafactory.data.processor import PairwiseDatasetProcessor
from llamafactory.train.dpo import trainer
from llamafactory.train.tuner import run_exp

from libdama.trl import DamaConfig, DamaMixin

with open(sys.argv[1], encoding="utf-8") as file:
    settings = yaml.safe_load(file)
config = DamaConfig(**settings.pop("dama", {}))
column = config.alpha_column if config.needs_alpha else None


class DamaTrainer(DamaMixin, trainer.CustomDPOTrainer):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, dama=config, **kwargs)

    def _reference_logps(self, model, batch):
        return self.compute_reference_log_probs(model, batch)


def carried(convert):
    """A converter of rows that keeps α_D."""

    def converted(self, example):
        if column not in example:
            raise ValueError(f"a row has no column {column!r}; score the dataset first")
        return {**convert(self, example), f"_{column}": example[column]}

    return converted


def tokenized(preprocess):
    """A tokenizer of rows that keeps α_D: row by row, since LLaMA-Factory drops rows that it cannot use."""

    def preprocessed(self, examples):
        found = {column: []}
        for i, alpha in enumerate(examples[f"_{column}"]):
            row = preprocess(self, {name: values[i : i + 1] for name, values in examples.items()})
            for name, values in row.items():
                found.setdefault(name, []).extend(values)
            found[column] += [alpha] * len(row["chosen_input_ids"])
        return found

    return preprocessed


if column is not None:
    for kind in DATASET_CONVERTERS.values():
        kind.__call__ = carried(kind.__call__)
    PairwiseDatasetProcessor.preprocess_dataset = tokenized(PairwiseDatasetProcessor.preprocess_dataset)
# run_dpo imports the trainer by this name when it is called.
trainer.CustomDPOTrainer = DamaTrainer
run_exp(settings)
