"""Training a LLaVA on preference pairs, without PyTorch: a few steps with a learning-rate schedule and a checkpoint.

    pip install ./bindings/python onnxruntime
    python examples/python/train.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_FOLDER

Ctrl-C stops it in the middle of a step; the checkpoint then holds the last complete step.
example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
"""

import json
import os
import sys

import libdama

model, data, images, output = sys.argv[1:]
EPOCHS, BATCH = 2, 4

with open(data, encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
# libdama.score_dataset writes alpha_data into its rows; without it, 1 is used.
pairs = [
    {
        "image": os.path.join(images, row["image"]), "prompt": row["question"], "chosen": row["chosen"],
        "rejected": row["rejected"], "alpha_data": row.get("alpha_data"),
    }
    for row in rows
]  # fmt: skip
batches = [pairs[start : start + BATCH] for start in range(0, len(pairs), BATCH)] * EPOCHS

policy = libdama.Policy(model)
trainer = libdama.Trainer(
    policy,
    policy,  # its own reference: its weights do not change
    libdama.AdaptiveBeta("paper", beta=0.1, keep=3),
    trainable=libdama.LoRA(rank=8, alpha=16, targets=["q_proj", "v_proj", "down_proj"]),
    schedule=libdama.kernels.Schedule("cosine", 2e-3, len(batches), warmup=1),
)
with trainer:
    print(f"{sum(p.value.size for p in trainer.parameters())} numbers in {len(trainer.parameters())} tensors are trained")
    for batch in batches:
        it = trainer.step(batch)
        print(
            f"step {it.step}: loss {it.loss:.4f}, beta {it.beta_min:.3f} to {it.beta_max:.3f}, kept {it.kept} of "
            f"{it.pairs}, accuracy {it.accuracy:.2f}, running mean {it.running_mean:.3f}, rate {it.learning_rate:.1e}, "
            f"{sum(it.seconds.values()):.2f} s"
        )
        trainer.save(os.path.join(output, "checkpoint.safetensors"), note=f"{it.step} of {len(batches)} batches")
    trainer.export(os.path.join(output, "adapters"), kind="adapters")
