#!/usr/bin/env python3
"""Records the log-probabilities of a short DPO run of the world's policy, for the demo and the examples.

    shapes-world pairs --out build/demo --count 500
    scripts/world/record_log_probabilities.py models/shapes-llava build/demo build/demo/scores.jsonl \\
        --steps 30 --out examples/data/log_probabilities.json

Plain DPO with AdamW on the decoder and the projector. The numbers are the log-probabilities of the policy and of the
reference before each update. Needs the environment of `scripts/bootstrap torch`.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from policy_tokenizer import TEMPLATE

MEAN, STD = 0.5, 0.25


def prepare(row, tokenizer, config, folder):
    pixels = torch.from_numpy(np.array(Image.open(folder / row["image"]))).permute(2, 0, 1).float() / 255
    prompt = tokenizer(TEMPLATE.format(question=row["question"]))["input_ids"]
    prompt = [i for t in prompt for i in ([t] * (config.image_seq_length if t == config.image_token_index else 1))]
    sides = [tokenizer(row[s], add_special_tokens=False)["input_ids"] + [2] for s in ("chosen", "rejected")]
    return (pixels - MEAN) / STD, prompt, sides


def log_probabilities(model, batch, pad):
    """Sums over the response's tokens, all chosen responses before the rejected ones: [2 · batch]."""
    texts = [(prompt, sides[s]) for s in (0, 1) for _, prompt, sides in batch]
    longest = max(len(p) + len(r) for p, r in texts)
    ids = torch.full((len(texts), longest), pad)
    mask = torch.zeros(len(texts), longest)
    for i, (prompt, response) in enumerate(texts):
        ids[i, : len(prompt) + len(response)] = torch.tensor(prompt + response)
        mask[i, len(prompt): len(prompt) + len(response)] = 1
    pixels = torch.stack([pixels for pixels, _, _ in batch] * 2)
    logits = model(input_ids=ids, pixel_values=pixels, attention_mask=(ids != pad).long()).logits
    tokens = F.log_softmax(logits[:, :-1].float(), -1).gather(-1, ids[:, 1:, None])[..., 0]
    return (tokens * mask[:, 1:]).sum(1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("pairs", type=Path)
    parser.add_argument("scores", type=Path, help="output of `dama score`")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--source", default="models/shapes-llava", help="name of the policy in the output")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--beta", type=float, default=0.1)
    parser.add_argument("--lr", type=float, default=3e-5)
    options = parser.parse_args()
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32)
    reference = LlavaForConditionalGeneration.from_pretrained(options.model, dtype=torch.float32).eval()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(options.model)
    pad = tokenizer.pad_token_id
    rows = [json.loads(line) for line in open(options.pairs / "pairs.jsonl")]
    deltas = {str(s["id"]): s["delta"] for s in map(json.loads, open(options.scores))}
    trained = [p for name, p in model.named_parameters() if "vision_tower" not in name]
    optimizer = torch.optim.AdamW(trained, lr=options.lr, weight_decay=0)
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0)).tolist()
    batches = []
    for step in range(options.steps):
        picks = [rows[order[(step * options.batch + i) % len(rows)]] for i in range(options.batch)]
        batch = [prepare(row, tokenizer, model.config, options.pairs) for row in picks]
        policy = log_probabilities(model, batch, pad)
        with torch.no_grad():
            fixed = log_probabilities(reference, batch, pad)
        gap = (policy - fixed).view(2, -1)
        loss = -F.logsigmoid(options.beta * (gap[0] - gap[1])).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        numbers = {name: [round(v, 4) for v in values.tolist()] for name, values in zip(
            ("policy_chosen", "policy_rejected", "reference_chosen", "reference_rejected"),
            (*policy.detach().view(2, -1), *fixed.view(2, -1)))}
        batches.append(numbers | {"delta": [round(deltas[str(row["idx"])], 4) for row in picks]})
        print(step, f"{loss:.4f}", flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"source": options.source, "beta": options.beta, "batches": batches}) + "\n")


if __name__ == "__main__":
    main()
