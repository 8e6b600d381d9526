"""Parity of scores with transformers' CLIPModel at real sizes, with random weights and real photographs."""

from __future__ import annotations

import io

import numpy as np
import pytest
import random_clip
import skimage
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

import libdama

SENTENCES = [
    "There is a woman in an orange suit.",
    "A cat looks at the camera.",
    "a photo of a cup of coffee on a wooden table, with a spoon beside it",
    "There is a woman in an orange suit.",
    "An astronaut, smiling; behind her stand a flag and the model of a space shuttle.",
    "Ein Käfer auf 3 Blättern \U0001f41e",
    "",
    " ".join(["word"] * 75),
]


def reference(directory, pixels):
    """logits_per_image in fp32, whatever the type of the stored weights."""
    clip = CLIPModel.from_pretrained(directory, dtype=torch.float32).eval()
    tokens = CLIPTokenizer.from_pretrained(directory)(SENTENCES, padding=True, return_tensors="pt")
    with torch.no_grad():
        return clip(**tokens, pixel_values=pixels).logits_per_image.numpy()


def photographs():
    return [skimage.data.astronaut(), skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket()]


def jpeg(array):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "JPEG", quality=92)
    return file.getvalue()


SIZES = {
    "ViT-B/32": ("fp32", CLIPConfig()),
    "ViT-B/32 fp16": ("fp16", CLIPConfig()),
    # Two layers of each tower of ViT-L/14-336: its widths, patches and image size.
    "ViT-L/14-336, two layers": (
        "bf16",
        CLIPConfig(
            text_config=dict(hidden_size=768, intermediate_size=3072, num_attention_heads=12, num_hidden_layers=2,
                             eos_token_id=2, projection_dim=768),
            vision_config=dict(hidden_size=1024, intermediate_size=4096, num_attention_heads=16, num_hidden_layers=2,
                               image_size=336, patch_size=14, hidden_act="gelu", projection_dim=768),
            projection_dim=768,
        ),
    ),
}


@pytest.mark.parametrize("size", SIZES)
def test_scores_equal_transformers(size, tmp_path):
    dtype, config = SIZES[size]
    directory = random_clip.write(tmp_path, dtype, config)
    scorer = libdama.Scorer(directory)
    processor = CLIPImageProcessorPil.from_pretrained(directory)

    # From identical pixels: images of the model's size, so that nothing is scaled.
    side = config.vision_config.image_size
    square = [photo[:side, :side] for photo in photographs()]
    logits = reference(directory, processor([Image.fromarray(p) for p in square], return_tensors="pt")["pixel_values"])
    assert np.ptp(logits) > 1, "the embeddings are too similar for a meaningful test"
    for photo, row in zip(square, logits):
        np.testing.assert_allclose(scorer.score(photo, SENTENCES), row, atol=1e-4, rtol=0)

    # From files.
    files = [jpeg(photo) for photo in photographs()]
    images = [Image.open(io.BytesIO(file)) for file in files]
    logits = reference(directory, processor(images, return_tensors="pt")["pixel_values"])
    for file, row in zip(files, logits):
        np.testing.assert_allclose(scorer.score(file, SENTENCES), row, atol=1e-3, rtol=0)
    texts, embeddings = scorer.embed_texts(SENTENCES), scorer.embed_images(files)
    np.testing.assert_allclose(scorer.logit_scale * embeddings @ texts.T, logits, atol=1e-3, rtol=0)
