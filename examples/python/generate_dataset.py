"""A model's answers to the questions of a dataset: several samples of each, from a file to a file.

    pip install ./bindings/python onnxruntime
    python examples/python/generate_dataset.py MODEL_DIR QUESTIONS.jsonl IMAGE_ROOT RESPONSES.jsonl

After a stop or a kill, the same command resumes.
example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/out.jsonl
"""

import json
import sys

import libdama

model, data, images, output = sys.argv[1:]
result = libdama.generate_dataset(
    model, data, output, image_root=images, samples=2, max_tokens=48, temperature=0.7, top_p=0.95,
    progress=lambda it: print(f"{it.rows_done} of {it.rows_total} rows") if it.phase == "computing" else None,
)  # fmt: skip
print(f"{result.rows - result.rows_rejected} of {result.rows} questions answered, {result.rows_cut} ended by length")
with open(result.output, encoding="utf-8") as lines:
    for line in list(lines)[:2]:
        row = json.loads(line)
        for response, finish in zip(row["responses"], row["finish"]):
            print(f"{row['id']} ({finish}): {response}")
