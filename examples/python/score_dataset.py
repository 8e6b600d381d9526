"""Hardness of a dataset of preference pairs, from Python.

    pip install ./bindings/python onnxruntime
    python examples/python/score_dataset.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl

After Ctrl-C, the same command resumes.
example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/scores.jsonl
"""

import json
import sys

import libdama

model, data, images, output = sys.argv[1:]


def show(progress: libdama.Progress) -> None:
    if progress.phase == "computing":
        print(f"\r{progress.rows_done}/{progress.rows_total} rows", end="", flush=True)


result = libdama.score_dataset(model, data, output, image_root=images, progress=show)
print(f"\n{result.rows_scored} scored, {result.rows_rejected} rejected, mean δ {result.mean_delta:.4f}")

# AdaptiveBeta.step takes α_D of the pairs as alpha_data.
with open(result.output, encoding="utf-8") as lines:
    rows = sorted(map(json.loads, lines), key=lambda row: row["delta"])
for title, row in (("hardest", rows[0]), ("easiest", rows[-1])):
    print(f"\n{title}: pair {row['id']}, δ {row['delta']:+.4f}, α_D {row['alpha_data']:.3f}")
    for name in "chosen", "rejected":
        for item in row[name]:
            print(f"  {name:8} {item['probability']:.3f}  {item['text']}")
