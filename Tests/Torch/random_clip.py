"""CLIP models of real sizes with random weights, as Hugging Face directories, so that no hub is needed.

    python random_clip.py DIRECTORY [fp32|fp16|bf16]      writes a ViT-B/32
"""

from __future__ import annotations

import gzip
import sys
from importlib.util import find_spec
from pathlib import Path

import torch
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


def tokenizer() -> CLIPTokenizer:
    """CLIP's own vocabulary, from the merges that open_clip ships."""
    path = Path(find_spec("open_clip").origin).with_name("bpe_simple_vocab_16e6.txt.gz")
    lines = gzip.open(path, "rt", encoding="utf-8").read().split("\n")
    merges = [tuple(line.split()) for line in lines[1 : 49152 - 256 - 2 + 1]]
    letters = list(bytes_to_unicode().values())
    words = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=merges, model_max_length=77)


def write(directory: Path | str, dtype: str = "fp32", config: CLIPConfig | None = None, seed: int = 0) -> Path:
    """Writes the model. Without ``config`` it is a ViT-B/32."""
    directory = Path(directory)
    torch.manual_seed(seed)
    clip = CLIPModel(config or CLIPConfig())
    with torch.no_grad():
        for name, parameter in clip.named_parameters():
            if name == "logit_scale":
                parameter.fill_(torch.tensor(100.0).log())
            elif "norm" in name or "layrnorm" in name:
                parameter.normal_(1.0 if name.endswith("weight") else 0.0, 0.1)
            elif parameter.ndim >= 2 and "embedding" not in name:
                # Larger than CLIP's initial weights, which make all embeddings similar.
                parameter.normal_(0.0, parameter[0].numel() ** -0.5)
            elif "patch_embedding" in name:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5)
            else:
                parameter.normal_(0.0, 0.3)
    clip.to(DTYPES[dtype]).save_pretrained(directory)
    tokenizer().save_pretrained(directory)
    size = clip.config.vision_config.image_size
    CLIPImageProcessorPil(
        size={"shortest_edge": size}, crop_size={"height": size, "width": size}
    ).save_pretrained(directory)
    return directory


if __name__ == "__main__":
    write(*sys.argv[1:3])
