"""Hardness as columns of a Parquet file and of a datasets.Dataset, from Python.

    pip install "libdama[cpu,data]"
    python examples/python/score_parquet.py MODEL_DIR PAIRS.jsonl IMAGE_ROOT FOLDER

example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
"""

import json
import sys
from pathlib import Path

import datasets
import pyarrow.parquet

from libdama import data

model, pairs, images, folder = sys.argv[1:]

# A file in RLAIF-V's columns on the hub: images as bytes, the texts as JSON in one column.
records = []
for row in data.read(pairs, image_root=images):
    text = {"question": row.fields["question"], "chosen": row.chosen, "rejected": row.rejected}
    picture = {"bytes": Path(row.images[0]).read_bytes(), "path": row.fields["image"]}
    records.append({"idx": row.id, "image": picture, "text": json.dumps(text)})
features = datasets.Features(
    idx=datasets.Value("int64"), image=datasets.Image(), text=datasets.Value("string")
)
datasets.Dataset.from_list(records, features=features).to_parquet(f"{folder}/rlaif-v.parquet")

# From file to file, in constant memory.
data.score(f"{folder}/rlaif-v.parquet", model, f"{folder}/scored.parquet")
print(pyarrow.parquet.read_table(f"{folder}/scored.parquet").select(["idx", "delta", "alpha_data"]).slice(0, 3))

# As a dataset, for a trainer.
dataset = datasets.Dataset.from_parquet(f"{folder}/rlaif-v.parquet", cache_dir=folder)
scored = data.score(dataset, model)
print(scored.column_names, scored[0]["image"].size, scored[0]["delta"])
