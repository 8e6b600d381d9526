"""DAMA in TRL's DPO trainer, from a dataset of pairs with images to a trained model.

    pip install 'libdama[cpu,trl]'
    python examples/python/trl_trainer.py MODEL_DIR CLIP_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT

α_D and the reference's log-probabilities are computed once, by libdama's own jobs; TRL trains.
example arguments: models/shapes-llava models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
"""

import json
import os
import sys

from datasets import Dataset, Image
from trl import DPOConfig

import libdama
from libdama.trl import DamaConfig, DamaDPOTrainer

model, clip, pairs, images, output = sys.argv[1:]
scores = libdama.score_dataset(clip, pairs, f"{output}/scores.jsonl", image_root=images).output
reference = libdama.reference_dataset(model, pairs, f"{output}/reference.jsonl", image_root=images).output

with open(scores, encoding="utf-8") as lines:
    alpha = {row["id"]: row["alpha_data"] for row in map(json.loads, lines)}
with open(pairs, encoding="utf-8") as lines:
    rows = [row for row in map(json.loads, lines) if row["idx"] in alpha]


def message(role, *parts):
    """A message of texts; None is the image."""
    content = [{"type": "image"} if part is None else {"type": "text", "text": part} for part in parts]
    return [{"role": role, "content": content}]


# TRL's columns, and α_D beside them.
scored = Dataset.from_list(
    [
        {
            "image": os.path.join(images, row["image"]),
            "prompt": message("user", None, row["question"]),
            "chosen": message("assistant", row["chosen"]),
            "rejected": message("assistant", row["rejected"]),
            "alpha_data": alpha[row["idx"]],
        }
        for row in rows
    ]
).cast_column("image", Image())

trainer = DamaDPOTrainer(
    model,
    args=DPOConfig(
        output, per_device_train_batch_size=2, gradient_accumulation_steps=3, num_train_epochs=3, learning_rate=1e-3,
        beta=0.1, max_length=None, logging_steps=1, report_to=[], save_strategy="no", bf16=False, use_cpu=True,
        disable_tqdm=True,
    ),  # fmt: skip
    dama=DamaConfig("paper", reference=reference),
    train_dataset=scored,
)
trainer.train()
for entry in trainer.state.log_history:
    if "dama/loss" in entry:
        print({name: round(entry[name], 4) for name in ("loss", "rewards/margins", "dama/beta_mean", "dama/kept")})
margins = [entry["rewards/margins"] for entry in trainer.state.log_history if "dama/loss" in entry]
assert margins[-1] > margins[0], "the model should prefer the chosen responses by now"
