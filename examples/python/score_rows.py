"""Hardness of rows in memory, from Python.

    pip install "libdama[cpu]"
    python examples/python/score_rows.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT

example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images
"""

import sys

from libdama import data

model, pairs, images = sys.argv[1:]

# Any rows will do: those of a file, a list of dictionaries, a datasets.Dataset, a pyarrow.Table.
rows = list(data.read(pairs, image_root=images))
scored = data.score(
    [{"image": row.images[0], "chosen": row.chosen, "rejected": row.rejected} for row in rows], model
)
print(f"{len(scored)} pairs, mean δ {scored.mean_delta:.4f}")
for row, delta, alpha in sorted(zip(rows, scored.delta, scored.alpha_data), key=lambda it: it[1])[:3]:
    print(f"pair {row.id}: δ {delta:+.4f}, α_D {alpha:.3f}")
