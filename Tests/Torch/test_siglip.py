"""Parity of SigLIP's scores with transformers' SiglipModel, with random weights and real photographs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import random_llama
import skimage
import torch
from PIL import Image
from transformers import SiglipConfig, SiglipModel, SiglipTokenizer
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

import libdama

SENTENCES = ["There is a woman in an orange suit.", "A cat looks at the camera.", "", "Ein Käfer \U0001f41e"]
# Two layers of each tower at the widths of so400m-patch14-384 and of base-patch16-224.
SIZES = {
    "so400m-patch14-384": dict(hidden_size=1152, intermediate_size=4304, num_attention_heads=16),
    "base-patch16-224": dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12),
}


UNIGRAM = Path(__file__).parents[1] / "DamaTextTests/Fixtures/sentencepiece/unigram.model"


def sentencepiece(directory):
    """A tokenizer of SigLIP 1's kind: a unigram model of SentencePiece, whose class makes texts lower case."""
    shutil.copy(UNIGRAM, directory / "spiece.model")
    settings = {"tokenizer_class": "SiglipTokenizer", "model_max_length": 64, "pad_token": "</s>"}
    (directory / "tokenizer_config.json").write_text(json.dumps(settings))
    return SiglipTokenizer(str(UNIGRAM), pad_token="</s>", model_max_length=64)


def write(directory, width, side, patch, words):
    torch.manual_seed(1)
    layers = dict(**width, num_hidden_layers=2)
    model = SiglipModel(SiglipConfig(
        text_config=dict(**layers, vocab_size=len(words), pad_token_id=0, bos_token_id=1, eos_token_id=2),
        vision_config=dict(**layers, image_size=side, patch_size=patch),
    ))  # fmt: skip
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name == "logit_scale":
                parameter.fill_(torch.tensor(100.0).log())
            elif name == "logit_bias":
                parameter.fill_(-16.0)
            elif "norm" in name:
                parameter.normal_(1.0 if name.endswith("weight") else 0.0, 0.1)
            elif parameter.ndim >= 2 and ("embedding" not in name or "patch" in name):
                parameter.normal_(0.0, 1.5 * parameter[0].numel() ** -0.5)
            else:
                parameter.normal_(0.0, 0.3)
    model.to(torch.bfloat16).save_pretrained(directory)
    processor = SiglipImageProcessorPil(
        size={"height": side, "width": side}, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )
    processor.save_pretrained(directory)
    return processor


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
@pytest.mark.parametrize("size", SIZES)
def test_scores_equal_transformers(size, kind, tmp_path):
    patch, side = (int(part.removeprefix("patch")) for part in size.split("-")[1:])
    if kind == "siglip":
        words = sentencepiece(tmp_path)
    else:
        words = random_llama.tokenizer(2_000)
        words.save_pretrained(tmp_path)
    processor = write(tmp_path, SIZES[size], side, patch, words)
    photos = [skimage.data.astronaut(), skimage.data.chelsea()]
    model = SiglipModel.from_pretrained(tmp_path, dtype=torch.float32).eval()
    tokens = words(SENTENCES, padding="max_length", max_length=64, return_tensors="pt")["input_ids"]
    pixels = processor([Image.fromarray(photo) for photo in photos], return_tensors="pt")["pixel_values"]
    with torch.inference_mode():
        found = model(input_ids=tokens, pixel_values=pixels)
        logits = (found.logits_per_image - model.logit_bias).numpy()
    assert np.ptp(logits) > 1, "the embeddings are too similar for a meaningful test"
    scorer = libdama.Scorer(tmp_path)
    for photo, row in zip(photos, logits):
        # Rounding in fp32, times a scale of 100.
        np.testing.assert_allclose(scorer.score(photo, SENTENCES), row, atol=5e-4, rtol=0)
