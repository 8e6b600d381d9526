#!/usr/bin/env python3
"""Writes policy.json: transformers' log-probabilities of pairs under models/shapes-llava, in fp32.

    shapes-world pairs --out build/demo --count 500
    Tests/ShapesWorldTests/Fixtures/make_policy.py build/demo
"""

import json
import sys
from pathlib import Path

import torch
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "scripts/world"))
from record_log_probabilities import log_probabilities, prepare  # noqa: E402

COUNT = 12
folder = Path(sys.argv[1])
model = LlavaForConditionalGeneration.from_pretrained(ROOT / "models/shapes-llava", dtype=torch.float32).eval()
tokenizer = PreTrainedTokenizerFast.from_pretrained(ROOT / "models/shapes-llava")
rows = [json.loads(line) for line in open(folder / "pairs.jsonl")][:COUNT]
batch = [prepare(row, tokenizer, model.config, folder) for row in rows]
with torch.no_grad():
    sums = log_probabilities(model, batch, tokenizer.pad_token_id).view(2, -1).tolist()
Path(__file__).with_name("policy.json").write_text(json.dumps({
    "chosen": sums[0], "rejected": sums[1],
    "chosen_tokens": [len(sides[0]) for _, _, sides in batch],
    "rejected_tokens": [len(sides[1]) for _, _, sides in batch]}) + "\n")
