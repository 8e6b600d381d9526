"""Writes openclip/: small OpenCLIP models with random weights in fp16, in the hub's layout, and what open_clip computes.

Run in the environment of `make test-torch` with torchvision added, after make_clip.py, whose images and tokenizer it uses.
- plain: CLIP with quick GELU, images scaled by their shorter side and cropped;
- custom: CustomTextCLIP with GELU, another pooling, images squashed.
"""

import json
import shutil
from pathlib import Path

import torch
from open_clip.model import CLIP, CustomTextCLIP
from open_clip.transform import image_transform
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTokenizer

HERE = Path(__file__).parent
ROOT = HERE / "openclip"
SENTENCES = ["There is a red circle at the top.", "A dog.", "there is", "", "Ein Käfer auf 3 Blättern", "x"]
IMAGES = ["wide.jpg", "tall.png"]
SIZE = 32
words = CLIPTokenizer.from_pretrained(HERE / "clip/legacy")
END = words.eos_token_id
CASES = {
    "plain": (
        CLIP,
        {
            "embed_dim": 16, "quick_gelu": True,
            "vision_cfg": {"image_size": SIZE, "layers": 2, "width": 32, "head_width": 16, "patch_size": 8},
            "text_cfg": {"context_length": 40, "vocab_size": len(words), "width": 24, "heads": 3, "layers": 2},
        },
        {},
    ),
    "custom": (
        CustomTextCLIP,
        {
            "embed_dim": 12, "custom_text": True, "init_logit_bias": -10,
            "vision_cfg": {"image_size": SIZE, "layers": 1, "width": 24, "head_width": 8, "patch_size": 16,
                           "mlp_ratio": 2.5, "timm_model_name": None, "final_ln_after_pool": True},
            "text_cfg": {"context_length": 40, "vocab_size": len(words), "width": 16, "heads": 2, "layers": 1,
                         "pool_type": "eos", "eos_id": END, "hf_tokenizer_name": "somebody/something"},
        },
        {"mean": [0.5, 0.4, 0.3], "std": [0.5, 0.6, 0.7], "interpolation": "bilinear", "resize_mode": "squash"},
    ),
}  # fmt: skip


@torch.no_grad()
def make(name, kind, config, preprocess):
    arguments = {key: value for key, value in config.items() if key != "custom_text"}
    model = kind(**arguments).eval()
    for key, parameter in model.named_parameters():
        if key == "logit_scale":
            parameter.fill_(torch.tensor(50.0).log())
        elif ".ln_" in key or key.startswith("ln_"):
            parameter.normal_(1.0 if key.endswith("weight") else 0.0, 0.2)
        elif parameter.ndim >= 2 and "embedding" not in key:
            parameter.normal_(0, 1.5 * parameter[0].numel() ** -0.5)
        elif key != "logit_bias":
            parameter.normal_(0, 0.5)
        parameter.copy_(parameter.half())
    folder = ROOT / name
    folder.mkdir(parents=True)
    tensors = {key: tensor.half().contiguous() for key, tensor in model.state_dict().items()}
    save_file(tensors, folder / "open_clip_model.safetensors")
    (folder / "open_clip_config.json").write_text(
        json.dumps({"model_cfg": config, "preprocess_cfg": preprocess}, indent=2) + "\n"
    )
    for file in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(HERE / "clip/legacy" / file, folder)

    transform = image_transform(SIZE, is_train=False, **preprocess)
    pixels = torch.stack([transform(Image.open(HERE / "clip" / image)) for image in IMAGES])
    # As open_clip's tokenizer: padded with 0 to the context length.
    length = config["text_cfg"]["context_length"]
    ids = [tokens + [0] * (length - len(tokens)) for tokens in words(SENTENCES)["input_ids"]]
    images = model.encode_image(pixels, normalize=True)
    texts = model.encode_text(torch.tensor(ids), normalize=True)
    logits = model.logit_scale.exp() * images @ texts.T
    assert logits.std(-1).min() > 1, "the embeddings are too similar for a meaningful test"
    (folder / "expected.json").write_text(json.dumps({
        "sentences": SENTENCES, "images": IMAGES, "logits": logits.tolist(), "text_embeds": texts.tolist(),
        "image_embeds": images.tolist(), "logit_scale": model.logit_scale.exp().item(),
    }) + "\n")  # fmt: skip


shutil.rmtree(ROOT, ignore_errors=True)
for seed, (name, case) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    make(name, *case)
