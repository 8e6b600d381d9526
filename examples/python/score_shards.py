"""A dataset scored in shards, as on several machines, and their merge.

    pip install "libdama[cpu]"
    python examples/python/score_shards.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT SCORES.jsonl

example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT/scores.jsonl
"""

import sys

import libdama

model, pairs, images, output = sys.argv[1:]

for shard in range(3):  # Each on a machine of its own.
    # Parts of 4 rows, since these are only 12; the default, 4096, suits a real dataset.
    result = libdama.score_dataset(
        model, pairs, output, image_root=images, shard=shard, shards=3, block_rows=4, cache_rows=4
    )
    print(f"{result.output}: {result.rows_scored} rows")
merged = libdama.merge_scores(output)
print(f"{merged.output}: {merged.rows_scored} rows, mean δ {merged.mean_delta:.4f}")
