"""Trains a LLaVA on a dataset: low-rank adapters, checkpoints, metrics, and an exported model at the end.

    pip install ./bindings/python onnxruntime
    python examples/python/train_dataset.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT_FOLDER

After Ctrl-C, the same command resumes from the last checkpoint. docs/train.md lists the fields.
example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
"""

import sys

import libdama

model, data, images, output = sys.argv[1:]


def show(it: libdama.TrainProgress) -> None:
    if it.notice is not None:
        print(it.notice)
    if it.metrics is not None:
        print(f"batch {it.batch} of {it.batches}: loss {it.metrics.loss:.4f}, mean beta {it.metrics.beta_mean:.3f}")


result = libdama.train(
    {
        "model": model, "data": data, "image_root": images, "out": output,
        "trainable": "lora", "lora": {"rank": 8, "targets": ["q_proj", "v_proj", "down_proj"]},
        "method": {"preset": "paper", "beta": 0.1, "keep": 3},
        "optimizer": {"learning_rate": 2e-3}, "batch_size": 4,
    },
    # Replaces a value of the configuration, as --set of the command does.
    {"epochs": 1},
    progress=show,
)  # fmt: skip
print(f"{result.steps} steps over {result.pairs} pairs; the model is in {output}/model")
