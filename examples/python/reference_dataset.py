"""The reference's log-probabilities of a dataset of preference pairs: computed once, then looked up.

    pip install ./bindings/python onnxruntime
    python examples/python/reference_dataset.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT REFERENCE.jsonl

After a stop or a kill, the same command resumes.
example arguments: models/shapes-llava examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/ref.jsonl
"""

import json
import os
import sys

import libdama

model, data, images, output = sys.argv[1:]
policy = libdama.Policy(model)
result = libdama.reference_dataset(policy, data, output, image_root=images)
print(f"{result.rows - result.rows_rejected} of {result.rows} rows, {result.rows_cut} cut")

# With the policy, opening fails if another model, template or image processing computed the cache.
cache = libdama.ReferenceCache(output, policy)
with open(data, encoding="utf-8") as lines:
    rows = [json.loads(line) for line in lines]
pairs = [(os.path.join(images, row["image"]), row["question"], row["chosen"], row["rejected"]) for row in rows]
found = cache.logps_batch(pairs)
# AdaptiveBeta.step takes these sums as reference_chosen and reference_rejected.
for row, logps in list(zip(rows, found))[:3]:
    print(f"pair {row['idx']}: {logps.chosen.sum:9.4f} {logps.rejected.sum:9.4f}")
print("a changed pair is in the cache:", (*pairs[0][:3], "Something else.") in cache)
