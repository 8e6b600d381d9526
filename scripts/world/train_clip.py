#!/usr/bin/env python3
"""Trains the world's CLIP and writes it as a Hugging Face directory.

    shapes-world export-training --out build/world/train --count 40000 --seed 1 --split train
    shapes-world export-training --out build/world/validation --count 1000 --seed 2 --split validation
    scripts/world/train_clip.py build/world/train build/world/validation --out models/shapes-clip

Needs the environment of `scripts/bootstrap torch`. The loss ranks every image's true sentence above all sentences of
the batch that are false for it, including its own corrupted ones. A sentence of another image that is also true for
this one is not used as a negative; the scenes decide that. Two auxiliary heads, which are discarded after training,
teach the vision tower positions: linear readings of each cell from its patches, and of the whole layout from the
image's embedding.
"""

import argparse
import copy
import json
import math
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPConfig, CLIPModel

import tokenizer as tokenizers
from worlddata import COLORS, KINDS, PLACES, SHAPES, World

MEAN, STD = 0.5, 0.25
FALSE_WEIGHTS = {"absent": 1, "color": 1, "shape": 1.5, "place": 1, "size": 1.2, "relation": 3}


def make_model(vocabulary, side):
    config = CLIPConfig(
        projection_dim=192,
        text_config=dict(
            vocab_size=vocabulary, hidden_size=128, intermediate_size=256, num_hidden_layers=3, num_attention_heads=4,
            max_position_embeddings=77, projection_dim=192, bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1,
            pad_token_id=vocabulary - 1),
        vision_config=dict(
            hidden_size=192, intermediate_size=384, num_hidden_layers=4, num_attention_heads=6, image_size=side,
            patch_size=16, projection_dim=192))
    config._attn_implementation = "eager"
    return CLIPModel(config)


class Readings(nn.Module):
    """Linear readings of the scene, used only in training."""

    # Shape, colour and size of a cell, each with one more class for an empty cell.
    CELL = (SHAPES + 1, COLORS + 1, 3)

    def __init__(self, config):
        super().__init__()
        self.per_cell = nn.Linear(config.vision_config.hidden_size, sum(self.CELL))
        self.layout = nn.Linear(config.projection_dim, PLACES * sum(self.CELL))
        # Column and row of each colour and shape, with a class for "absent": relations need them.
        self.position = nn.Linear(config.projection_dim, COLORS * SHAPES * 8)

    def cell_loss(self, logits, cells):
        """logits [batch, cell, classes]; for an empty cell the target of every attribute is its first class."""
        losses, accuracies, start = [], [], 0
        full = cells[..., 0] >= 0
        for attribute, classes in enumerate(self.CELL):
            part = logits[..., start:start + classes]
            target = cells[..., attribute] + 1
            losses.append(F.cross_entropy(part.flatten(0, 1), target.flatten()))
            accuracies.append((part.argmax(-1) == target)[full].float().mean())
            start += classes
        return sum(losses), torch.stack(accuracies)

    def forward(self, patches, embedding, cells, where):
        batch, count, width = patches.shape
        grid = int(count ** 0.5)
        by_cell = patches.view(batch, 3, grid // 3, 3, grid // 3, width).mean((2, 4)).view(batch, PLACES, width)
        near, near_accuracy = self.cell_loss(self.per_cell(by_cell), cells)
        far, far_accuracy = self.cell_loss(self.layout(embedding).view(batch, PLACES, -1), cells)
        position = self.position(embedding).view(batch, COLORS * SHAPES, 2, 4)
        target = torch.stack([
            torch.where(where >= 0, where % 3 + 1, 0), torch.where(where >= 0, where // 3 + 1, 0)], -1)
        weight = torch.tensor([0.1, 1, 1, 1])
        located = F.cross_entropy(position.flatten(0, 2), target.flatten(), weight=weight)
        return near + far + located, torch.cat([near_accuracy, far_accuracy])


def contrast(logits, truth):
    """The mean −log of each true entry's share among itself and its row's false ones; over rows, then over columns."""
    total = 0
    for scores, true in ((logits, truth), (logits.T, truth.T)):
        false = torch.logsumexp(scores.masked_fill(true, -1e4), 1, keepdim=True)
        total = total + F.softplus(false - scores)[true].mean()
    return total / 2


class Batches:
    def __init__(self, world, tokenizer, size, seed):
        self.world, self.tokenizer, self.size = world, tokenizer, size
        self.random = np.random.default_rng(seed)
        unique = sorted(set(world.sentences()))
        self.index = {text: row for row, text in enumerate(unique)}
        self.ids = torch.tensor(tokenizer(unique, padding=True)["input_ids"])

    def tokens(self, texts):
        ids = self.ids[[self.index[text] for text in texts]]
        end = self.tokenizer.eos_token_id
        return ids[:, : int((ids != end).sum(1).max()) + 1]

    def pixels(self, rows):
        return (torch.from_numpy(self.world.images[rows]).permute(0, 3, 1, 2).float() / 255 - MEAN) / STD

    def draw(self):
        rows = self.random.choice(len(self.world.scenes), self.size, replace=False)
        sentences = []
        for row in rows:
            scene = self.world.scenes[row]
            relations = [s for s in scene["true"] if s["fact"][0] == 1]
            objects = [s for s in scene["true"] if s["fact"][0] == 0]
            pool = relations if relations and self.random.random() < 0.45 else objects
            sentences.append(pool[self.random.integers(len(pool))])
            weights = np.array([FALSE_WEIGHTS[s["kind"]] for s in scene["false"]])
            for pick in self.random.choice(len(weights), 2, replace=False, p=weights / weights.sum()):
                sentences.append(scene["false"][pick])
        facts = [s["fact"] for s in sentences]
        truth = self.world.truth(torch.from_numpy(rows), facts)
        return rows, self.pixels(rows), self.tokens([s["text"] for s in sentences]), truth


def embed(model, pixels=None, tokens=None):
    if pixels is not None:
        out = model.vision_model(pixels)
        return model.visual_projection(out.pooler_output), out.last_hidden_state[:, 1:]
    return model.text_projection(model.text_model(tokens).pooler_output)


def spearman(a, b):
    from scipy.stats import spearmanr
    return float(spearmanr(a, b).statistic)


@torch.no_grad()
def evaluate(model, batches, limit=600):
    """How often a true sentence scores above a false one of its image, by kind, and ρ over synthetic pairs."""
    model.eval()
    world, random = batches.world, np.random.default_rng(0)
    wins = {kind: [] for kind in KINDS}
    deltas, shares = [], []
    scale = float(model.logit_scale.exp())
    for row in range(min(limit, len(world.scenes))):
        scene = world.scenes[row]
        image = F.normalize(embed(model, pixels=batches.pixels([row]))[0], dim=-1)
        sentences = scene["true"] + scene["false"]
        text = F.normalize(embed(model, tokens=batches.tokens([s["text"] for s in sentences])), dim=-1)
        scores = (scale * image @ text.T)[0].numpy()
        true, false = scores[: len(scene["true"])], scores[len(scene["true"]):]
        objects = np.array([s["fact"][0] == 0 for s in scene["true"]])
        for sentence, score in zip(scene["false"], false):
            peers = true[~objects] if sentence["kind"] == "relation" else true[objects]
            wins[sentence["kind"]].extend(peers > score)
        for _ in range(3):
            n = random.integers(2, len(scene["objects"]) + 2)
            sides = []
            for most in (1, n):
                wrong = min(random.integers(0, most + 1), len(false))
                right = min(n - wrong, len(true))
                picked = random.choice(true, right, False), random.choice(false, wrong, False)
                sides.append((*picked, wrong / (wrong + right)))
            all_scores = np.concatenate([s for side in sides for s in side[:2]])
            weights = np.exp(all_scores - all_scores.max())
            first = sum(len(s) for s in sides[0][:2])
            deltas.append((weights[:first].sum() - weights[first:].sum()) / weights.sum())
            shares.append(sides[1][2] - sides[0][2])
    model.train()
    result = {kind: round(float(np.mean(values)), 3) for kind, values in wins.items()}
    return result | {"rho": round(spearman(deltas, shares), 3), "scale": round(scale, 1)}


def save(model, tokenizer, side, folder):
    folder = Path(folder)
    # Half precision halves the file; the scores' correlations agree to four digits.
    copy.deepcopy(model).half().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    (folder / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "CLIPImageProcessor", "do_resize": True, "size": {"shortest_edge": side}, "resample": 3,
        "do_center_crop": True, "crop_size": {"height": side, "width": side}, "do_rescale": True,
        "rescale_factor": 1 / 255, "do_normalize": True, "image_mean": [MEAN] * 3, "image_std": [STD] * 3,
        "do_convert_rgb": True}, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("validation")
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--warm-up", type=int, default=500, help="first steps, with the readings but no sentences")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--resume")
    options = parser.parse_args()
    torch.manual_seed(options.seed)

    world = World(options.train)
    held_out = World(options.validation)
    side = world.images.shape[1]
    tokenizer = tokenizers.make(world.sentences())
    batches = Batches(world, tokenizer, options.batch, options.seed)
    checks = Batches(held_out, tokenizer, options.batch, 0)
    model = make_model(len(tokenizer), side)
    readings = Readings(model.config)
    print(f"{sum(p.numel() for p in model.parameters()):,} parameters, vocabulary {len(tokenizer)}, "
          f"tokens up to {batches.ids.shape[1]}", flush=True)

    parameters = list(model.parameters()) + list(readings.parameters())
    decayed = [p for p in parameters if p.ndim >= 2]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": 0.02},
         {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0}], lr=options.lr, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(1, (step + 1) / 100) * (0.02 + 0.49 * (1 + math.cos(math.pi * step / options.steps))))
    start = 0
    if options.resume:
        state = torch.load(options.resume, weights_only=False)
        model.load_state_dict(state["model"]); readings.load_state_dict(state["readings"])
        optimizer.load_state_dict(state["optimizer"]); schedule.load_state_dict(state["schedule"])
        start = state["step"]
    began = time.time()
    for step in range(start, options.steps):
        rows, pixels, tokens, truth = batches.draw()
        with torch.autocast("cpu", torch.bfloat16):
            embedding, patches = embed(model, pixels=pixels)
            text = embed(model, tokens=tokens) if step >= options.warm_up else None
        reading_loss, accuracy = readings(
            patches.float(), embedding.float(), world.cells[rows], world.where[rows])
        loss, contrastive = reading_loss, torch.zeros(())
        if text is not None:
            logits = F.normalize(embedding.float(), dim=-1) @ F.normalize(text.float(), dim=-1).T
            contrastive = contrast(model.logit_scale.exp() * logits, truth)
            loss = contrastive + 0.3 * reading_loss
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=np.log(100))
        if step % 25 == 0:
            shown = " ".join(f"{a:.2f}" for a in accuracy.tolist())
            print(f"{step} {time.time() - began:.0f}s contrast {contrastive:.3f} readings {reading_loss:.3f} "
                  f"cell/embedding shape colour size {shown} scale {model.logit_scale.exp():.1f}", flush=True)
        if (step + 1) % 250 == 0 or step + 1 == options.steps:
            if step + 1 > options.warm_up:
                print(step + 1, evaluate(model, checks), flush=True)
            save(model, tokenizer, side, options.out)
            torch.save({"model": model.state_dict(), "readings": readings.state_dict(), "step": step + 1,
                        "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict()}, f"{options.out}.pt")


if __name__ == "__main__":
    main()
