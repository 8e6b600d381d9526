#!/usr/bin/env python3
"""Scores a folder of pairs with transformers: Spearman's ρ of δ, the best temperature, and a perfect scorer's ρ.

    shapes-world pairs --out build/demo --count 500
    scripts/world/check_clip.py models/shapes-clip build/demo

The sentences of a response are split at the full stops. The results of `dama score` should agree.
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import spearmanr
from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer


def sentences(text):
    return [part.strip() + "." for part in text.split(".") if part.strip()]


def logits_of(model_folder, pairs_folder):
    """Γ(I, S) of each pair's chosen and rejected sentences."""
    model = CLIPModel.from_pretrained(model_folder, dtype=torch.float32).eval()
    tokenizer = CLIPTokenizer.from_pretrained(model_folder)
    processor = CLIPImageProcessor.from_pretrained(model_folder)
    rows = [json.loads(line) for line in open(pairs_folder / "pairs.jsonl")]
    scores = []
    with torch.no_grad():
        for row in rows:
            image = Image.open(pairs_folder / row["image"])
            chosen, rejected = sentences(row["chosen"]), sentences(row["rejected"])
            inputs = tokenizer(chosen + rejected, padding=True, return_tensors="pt")
            pixels = processor(image, return_tensors="pt")["pixel_values"]
            logits = model(**inputs, pixel_values=pixels).logits_per_image[0].double().numpy()
            scores.append((logits[: len(chosen)], logits[len(chosen):]))
    return scores


def delta(chosen, rejected, temperature=1.0):
    weights = np.exp((np.concatenate([chosen, rejected]) - max(chosen.max(), rejected.max())) / temperature)
    return (weights[: len(chosen)].sum() - weights[len(chosen):].sum()) / weights.sum()


def main():
    model_folder, pairs_folder = sys.argv[1], Path(sys.argv[2])
    truth = [json.loads(line) for line in open(pairs_folder / "truth.jsonl")]
    shares = [line["share_difference"] for line in truth]
    scores = logits_of(model_folder, pairs_folder)
    for temperature in (0.5, 1, 1.5, 2, 3, 5):
        deltas = [delta(*pair, temperature) for pair in scores]
        print(f"temperature {temperature}: rho {spearmanr(deltas, shares).statistic:.4f}, "
              f"mean delta {np.mean(deltas):.4f}")
    perfect = []
    for line in truth:
        true = [line[side]["sentences"] - line[side]["false"] for side in ("chosen", "rejected")]
        perfect.append((true[0] - true[1]) / sum(true))
    print(f"perfect scorer: rho {spearmanr(perfect, shares).statistic:.4f}")


if __name__ == "__main__":
    main()
