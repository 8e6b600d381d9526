"""Writes scored pairs as LLaMA-Factory and ms-swift read them: docs/llama-factory.md and docs/ms-swift.md.

    python examples/python/trainer_data.py CLIP_DIR PAIRS.jsonl IMAGE_ROOT OUTPUT

example arguments: models/shapes-clip examples/data/shapes/pairs.jsonl examples/data/shapes/images OUTPUT
"""

import json
import os
import sys

import libdama

clip, pairs, images, output = sys.argv[1:]
scores = libdama.score_dataset(clip, pairs, f"{output}/scores.jsonl", image_root=images).output
with open(scores, encoding="utf-8") as lines:
    alpha = {row["id"]: row["alpha_data"] for row in map(json.loads, lines)}
with open(pairs, encoding="utf-8") as lines:
    rows = [row for row in map(json.loads, lines) if row["idx"] in alpha]

factory, swift = [], []
for row in rows:
    question, image = "<image>" + row["question"], os.path.abspath(os.path.join(images, row["image"]))
    factory.append(
        {
            "conversations": [{"from": "human", "value": question}],
            "chosen": {"from": "gpt", "value": row["chosen"]},
            "rejected": {"from": "gpt", "value": row["rejected"]},
            "images": [image],
            "alpha_data": alpha[row["idx"]],
        }
    )
    swift.append(
        {
            "messages": [{"role": "user", "content": question}, {"role": "assistant", "content": row["chosen"]}],
            "rejected_response": row["rejected"],
            "images": [image],
            # The one number of a pair that ms-swift carries to the trainer.
            "margin": alpha[row["idx"]],
        }
    )

columns = {"messages": "conversations", "chosen": "chosen", "rejected": "rejected", "images": "images"}
information = {"scored": {"file_name": "scored.json", "formatting": "sharegpt", "ranking": True, "columns": columns}}
with open(f"{output}/scored.json", "w", encoding="utf-8") as file:
    json.dump(factory, file)
with open(f"{output}/dataset_info.json", "w", encoding="utf-8") as file:
    json.dump(information, file)
with open(f"{output}/scored.jsonl", "w", encoding="utf-8") as file:
    file.writelines(json.dumps(row) + "\n" for row in swift)
print(len(rows), "pairs in scored.json for LLaMA-Factory and in scored.jsonl for ms-swift")
