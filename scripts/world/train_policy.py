#!/usr/bin/env python3
"""Trains the world's policy, a small LLaVA, and writes it as a Hugging Face directory.

    shapes-world export-training --out build/world/train --count 40000 --seed 1 --split train
    shapes-world export-training --out build/world/validation --count 1000 --seed 2 --split validation
    scripts/world/train_policy.py build/world/train build/world/validation --clip models/shapes-clip \\
        --judge .build/release/shapes-world --out models/shapes-llava

Needs the environment of `scripts/bootstrap torch`. The vision tower is CLIP's, frozen, as in LLaVA. Projector and
decoder learn first from faithful captions, then from captions with habitual errors (`Captioner.swift`), so that about
half of the greedy responses contain a hallucination.
"""

import argparse
import copy
import json
import math
import subprocess
import time
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from transformers import CLIPModel, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, PreTrainedTokenizerFast

import policy_tokenizer
from policy_tokenizer import CHAT_TEMPLATE, CONFIG, QUESTIONS, TEMPLATE
from worlddata import World

MEAN, STD = 0.5, 0.25


def make_model(clip, tokenizer):
    vocabulary = tokenizer.get_vocab_size()
    vision = clip.config.vision_config
    text = LlamaConfig(
        vocab_size=vocabulary, hidden_size=192, intermediate_size=512, num_hidden_layers=4, num_attention_heads=6,
        num_key_value_heads=6, max_position_embeddings=512, rms_norm_eps=1e-5, bos_token_id=1, eos_token_id=2,
        pad_token_id=tokenizer.token_to_id("<pad>"), attention_bias=False, tie_word_embeddings=False)
    config = LlavaConfig(
        vision_config=vision, text_config=text, image_token_index=tokenizer.token_to_id("<image>"),
        image_seq_length=(vision.image_size // vision.patch_size) ** 2, vision_feature_layer=-2,
        vision_feature_select_strategy="default")
    config._attn_implementation = "eager"
    model = LlavaForConditionalGeneration(config)
    tower = model.model.vision_tower
    tower = getattr(tower, "vision_model", tower)
    tower.load_state_dict(clip.vision_model.state_dict())
    for parameter in tower.parameters():
        parameter.requires_grad_(False)
    return model


@torch.no_grad()
def features(clip, world):
    """The frozen tower's features, [n, patches, width]; computed once."""
    kept = []
    for start in range(0, len(world.images), 256):
        pixels = torch.from_numpy(world.images[start:start + 256]).permute(0, 3, 1, 2).float() / 255
        hidden = clip.vision_model((pixels - MEAN) / STD, output_hidden_states=True).hidden_states[-2]
        kept.append(hidden[:, 1:].half())
    return torch.cat(kept)


class Captions:
    """Prompt and caption as token ids, drawn at random for each batch."""

    def __init__(self, world, tokenizer, patches, seed):
        self.world, self.patches = world, patches
        self.random = np.random.default_rng(seed)
        self.pad = tokenizer.token_to_id("<pad>")
        self.image = tokenizer.token_to_id("<image>")
        self.prompts = [self.expand(tokenizer.encode(TEMPLATE.format(question=q)).ids) for q in QUESTIONS]
        # The prompt ends with ":", so the caption's tokens do not depend on it: "▁" starts its first word.
        self.captions = {
            field: [[tokenizer.encode(c, add_special_tokens=False).ids + [2] for c in scene[field]]
                    for scene in world.scenes]
            for field in ("captions", "habitual")}

    def expand(self, ids):
        return [i for id in ids for i in ([id] * self.patches if id == self.image else [id])]

    def draw(self, size, field):
        # Draws four times as many rows and takes neighbours in length, so that there is little padding.
        rows = self.random.choice(len(self.world.scenes), min(4 * size, len(self.world.scenes)), replace=False)
        drawn = [(row, captions[self.random.integers(len(captions))])
                 for row in rows for captions in [self.captions[field][row]]]
        first = self.random.integers(len(drawn) - size + 1)
        rows, picks = zip(*sorted(drawn, key=lambda item: len(item[1]))[first:first + size])
        rows = np.array(rows)
        prompt = self.prompts[self.random.integers(len(self.prompts))]
        longest = max(map(len, picks))
        ids = torch.full((size, len(prompt) + longest), self.pad)
        labels = torch.full_like(ids, -100)
        ids[:, : len(prompt)] = torch.tensor(prompt)
        for index, pick in enumerate(picks):
            ids[index, len(prompt): len(prompt) + len(pick)] = torch.tensor(pick)
            labels[index, len(prompt): len(prompt) + len(pick)] = torch.tensor(pick)
        return rows, ids, labels, len(prompt)


def loss_of(model, seen, ids, labels, prompt):
    embeds = model.get_input_embeddings()(ids)
    image = model.model.multi_modal_projector(seen)
    where = (ids == model.config.image_token_index).unsqueeze(-1)
    embeds = embeds.masked_scatter(where, image.to(embeds.dtype))
    hidden = model.model.language_model(inputs_embeds=embeds, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[:, prompt - 1:-1])
    return F.cross_entropy(logits.float().flatten(0, 1), labels[:, prompt:].flatten(), ignore_index=-100)


@torch.no_grad()
def respond(model, tokenizer, data, world, count, **sampling):
    """Responses to the first `count` scenes, all to the first question."""
    model.eval()
    prompt = torch.tensor(data.prompts[0])
    texts = []
    for start in range(0, count, 100):
        pixels = torch.from_numpy(world.images[start:min(start + 100, count)]).permute(0, 3, 1, 2).float() / 255
        ids = prompt.expand(len(pixels), -1)
        out = model.generate(
            input_ids=ids, pixel_values=(pixels - MEAN) / STD, attention_mask=torch.ones_like(ids), max_new_tokens=110,
            eos_token_id=2, pad_token_id=data.pad, **(sampling or {"do_sample": False}))
        texts += [tokenizer.decode(row[len(prompt):].tolist()) for row in out]
    model.train()
    return texts


def judge(binary, world, texts, folder):
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / "truth.jsonl", "w") as file:
        for index in range(len(texts)):
            file.write(json.dumps({"idx": index, "objects": world.scenes[index]["objects"]}) + "\n")
    with open(folder / "responses.jsonl", "w") as file:
        for index, text in enumerate(texts):
            file.write(json.dumps({"idx": index, "response": text}) + "\n")
    done = subprocess.run(
        [binary, "judge", "--truth", folder / "truth.jsonl", "--responses", folder / "responses.jsonl",
         "--out", folder / "figures.json"], check=True, capture_output=True, text=True)
    return done.stdout


def save(model, tokenizer, clip_folder, folder):
    folder = Path(folder)
    copy.deepcopy(model).half().save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    processor = json.loads((Path(clip_folder) / "preprocessor_config.json").read_text())
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=2) + "\n")
    (folder / "tokenizer_config.json").write_text(json.dumps(CONFIG, indent=2) + "\n")
    (folder / "chat_template.jinja").write_text(CHAT_TEMPLATE + "\n")
    (folder / "processor_config.json").write_text(json.dumps({
        "processor_class": "LlavaProcessor", "image_token": "<image>",
        "patch_size": model.config.vision_config.patch_size, "vision_feature_select_strategy": "default",
        "num_additional_image_tokens": 1}, indent=2) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("train")
    parser.add_argument("validation")
    parser.add_argument("--clip", required=True)
    parser.add_argument("--judge", required=True, help="the shapes-world program")
    parser.add_argument("--out", required=True)
    parser.add_argument("--steps", type=int, nargs=2, default=(1500, 1500),
                        help="steps with faithful and with habitual captions")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, nargs=2, default=(1.5e-3, 7e-4))
    parser.add_argument("--start", help="a saved state from which the second part starts")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    scratch = Path(f"{options.out}.work")
    scratch.mkdir(parents=True, exist_ok=True)

    clip = CLIPModel.from_pretrained(options.clip, dtype=torch.float32).eval()
    world, held_out = World(options.train), World(options.validation)
    tokenizer = policy_tokenizer.make(c for scene in world.scenes for c in scene["captions"])
    seen = features(clip, world)
    model = make_model(clip, tokenizer)
    data = Captions(world, tokenizer, seen.shape[1], options.seed)
    size = sum(p.numel() for p in model.parameters())
    print(f"{size:,} parameters, vocabulary {tokenizer.get_vocab_size()}", flush=True)
    trained = [p for p in model.parameters() if p.requires_grad]

    began = time.time()
    for part, field in enumerate(("captions", "habitual")):
        if options.start and part == 0:
            model.load_state_dict(torch.load(options.start))
            continue
        steps = options.steps[part]
        optimizer = torch.optim.AdamW(trained, lr=options.lr[part], betas=(0.9, 0.98), weight_decay=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda s: min(1, (s + 1) / 100) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * s / steps))))
        for step in range(steps):
            rows, ids, labels, prompt = data.draw(options.batch, field)
            with torch.autocast("cpu", torch.bfloat16):
                loss = loss_of(model, seen[rows].float(), ids, labels, prompt)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(trained, 1.0)
            optimizer.step()
            schedule.step()
            if step % 50 == 0:
                print(f"{field} {step} {time.time() - began:.0f}s loss {loss:.4f}", flush=True)
            if (step + 1) % 500 == 0 or step + 1 == steps:
                texts = respond(model, tokenizer, data, held_out, 200)
                print(texts[0], judge(options.judge, held_out, texts, scratch), sep="\n", flush=True)
                save(model, tokenizer, options.clip, options.out)
                torch.save(model.state_dict(), scratch / f"{field}.pt")
    # The figures describe the weights as stored, in half precision.
    model.load_state_dict({name: value.half().float() for name, value in model.state_dict().items()})
    for name, sampling in (("greedy", {}), ("temperature 1", {"do_sample": True, "temperature": 1.0, "top_k": 0})):
        texts = respond(model, tokenizer, data, held_out, 1000, **sampling)
        print(name, judge(options.judge, held_out, texts, scratch / name.split()[0]), sep="\n", flush=True)


if __name__ == "__main__":
    main()
