"""Writes clip/: small CLIP models with random weights, two images, and the results of transformers.

Needs torch, transformers, onnx, open_clip (for its merges) and Pillow; run by hand. Seeds are fixed.
"""

import gzip
import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

HERE = Path(__file__).parent / "clip"
MERGES = 200
IMAGE = 32
SENTENCES = [
    "There is a red circle at the top.",
    "There is a red circle at the bottom left.",
    "A dog.",
    "There is a red circle at the top.",
    "",
    "a photo of two cats and 12 small dogs, isn't it?",
    "Ein großer Hund läuft \U0001f415 über die Straße",
    "x",
    # The longest text that fits: 75 tokens, start and end token.
    " ".join(["7"] * 75),
    "There is",
]


def tokenizer():
    path = Path(find_spec("open_clip").origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    merges = [tuple(line.split()) for line in gzip.open(path, "rt").read().split("\n")[1 : MERGES + 1]]
    letters = list(bytes_to_unicode().values())
    words = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=merges, model_max_length=77)


def model(seed, vocabulary, activation, end, scale, epsilon=1e-5, patch=8):
    torch.manual_seed(seed)
    text = dict(vocab_size=vocabulary, hidden_size=24, intermediate_size=48, num_hidden_layers=2,
                num_attention_heads=3, hidden_act=activation, layer_norm_eps=epsilon, projection_dim=16,
                bos_token_id=vocabulary - 2, eos_token_id=end, pad_token_id=vocabulary - 1)
    vision = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
                  image_size=IMAGE, patch_size=patch, hidden_act=activation, layer_norm_eps=epsilon,
                  projection_dim=16)
    clip = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).eval()
    # CLIP's own initial weights are so small that all embeddings are nearly equal.
    for name, parameter in clip.named_parameters():
        noise = torch.randn(parameter.shape)
        if "norm" in name or "layrnorm" in name:
            parameter.data = 0.2 * noise + (1 if name.endswith("weight") else 0)
        elif name == "logit_scale":
            parameter.data = torch.tensor(scale).log()
        elif parameter.ndim >= 2 and "embedding" not in name:
            parameter.data = noise * parameter[0].numel() ** -0.5 * 1.5
        elif "patch_embedding" in name:
            parameter.data = noise * parameter[0].numel() ** -0.5
        else:
            parameter.data = 0.5 * noise
    return clip


def pictures():
    rng = np.random.default_rng(3)
    rows, columns = np.mgrid[0:45, 0:70]
    smooth = [127 + 90 * np.sin(rows / a + p) * np.cos(columns / b) for a, b, p in [(9, 14, 0), (5, 22, 1), (13, 7, 2)]]
    picture = np.stack(smooth, -1) + rng.normal(0, 8, (45, 70, 3))
    Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(HERE / "wide.jpg", quality=90)
    picture = rng.integers(0, 256, (8, 5, 3), dtype=np.uint8)
    Image.fromarray(picture).resize((25, 40), Image.Resampling.BICUBIC).save(HERE / "tall.png")
    return ["wide.jpg", "tall.png"]


def plain_pixels():
    """[2, 3, IMAGE, IMAGE], equal in every language: a multiplicative hash, exact in float32."""
    index = np.arange(2 * 3 * IMAGE * IMAGE, dtype=np.uint64)
    hashed = (index * np.uint64(2654435761)) % np.uint64(1 << 32)
    values = (hashed >> np.uint64(8)).astype(np.float64) / 2**23 - 1
    return torch.tensor(values.astype(np.float32)).reshape(2, 3, IMAGE, IMAGE)


def expected(directory, images):
    clip = CLIPModel.from_pretrained(directory, dtype=torch.float32).eval()
    tokens = CLIPTokenizer.from_pretrained(directory)(SENTENCES, padding=True, return_tensors="pt")
    processor = CLIPImageProcessorPil.from_pretrained(directory)
    pixels = processor([Image.open(HERE / name) for name in images], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        from_files = clip(**tokens, pixel_values=pixels)
        from_pixels = clip(**tokens, pixel_values=plain_pixels())
    return {
        "sentences": SENTENCES,
        "token_counts": tokens["attention_mask"].sum(-1).tolist(),
        "images": images,
        "logit_scale": clip.logit_scale.exp().item(),
        "text_embeds": from_files.text_embeds.tolist(),
        "image_embeds": from_files.image_embeds.tolist(),
        "logits": from_files.logits_per_image.tolist(),
        "logits_of_plain_pixels": from_pixels.logits_per_image.tolist(),
    }


class Text(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, input_ids, attention_mask):
        pooled = self.clip.text_model(input_ids=input_ids, attention_mask=attention_mask).pooler_output
        return self.clip.text_projection(pooled)


class Vision(torch.nn.Module):
    def __init__(self, clip):
        super().__init__()
        self.clip = clip

    def forward(self, pixel_values):
        return self.clip.visual_projection(self.clip.vision_model(pixel_values=pixel_values).pooler_output)


def export(source, target):
    """The hub's ONNX layout of the model in `source`."""
    (target / "onnx").mkdir(parents=True)
    clip = CLIPModel.from_pretrained(source, dtype=torch.float32, attn_implementation="eager").eval()
    ids = torch.tensor([[1, 2, 711, 713, 713], [1, 2, 3, 4, 713]])
    torch.onnx.export(
        Text(clip), (ids, torch.ones_like(ids)), target / "onnx" / "text_model.onnx", dynamo=False, opset_version=17,
        input_names=["input_ids", "attention_mask"], output_names=["text_embeds"],
        dynamic_axes={"input_ids": {0: "batch", 1: "length"}, "attention_mask": {0: "batch", 1: "length"},
                      "text_embeds": {0: "batch"}})
    torch.onnx.export(
        Vision(clip), (plain_pixels(),), target / "onnx" / "vision_model.onnx", dynamo=False, opset_version=17,
        input_names=["pixel_values"], output_names=["image_embeds"],
        dynamic_axes={"pixel_values": {0: "batch"}, "image_embeds": {0: "batch"}})


def main():
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir()
    images = pictures()
    words = tokenizer()
    size = len(words)
    processor = CLIPImageProcessorPil(size={"shortest_edge": IMAGE}, crop_size={"height": IMAGE, "width": IMAGE})
    variants = {
        # A config as OpenAI's: its eos_token_id is not the end token.
        "legacy": (model(1, size, "quick_gelu", 2, 100.0), torch.float32, "1GB"),
        # A config as LAION's, with fp16 weights in two files.
        "sharded": (model(2, size, "gelu", size - 1, 50.0), torch.float16, "60KB"),
        "bfloat16": (model(3, size, "quick_gelu", size - 1, 20.0, epsilon=1e-6, patch=16), torch.bfloat16, "1GB"),
    }
    for name, (clip, dtype, shard) in variants.items():
        directory = HERE / name
        words.save_pretrained(directory)
        processor.save_pretrained(directory)
        clip.to(dtype).save_pretrained(directory, max_shard_size=shard)
        (directory / "expected.json").write_text(json.dumps(expected(directory, images)))
    export(HERE / "legacy", HERE / "exported")
    for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"]:
        shutil.copy(HERE / "legacy" / name, HERE / "exported" / name)
    for file in HERE.rglob("*.*"):
        file.chmod(0o644)


main()
