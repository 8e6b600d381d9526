"""Writes siglip/: a small SigLIP 2 of a fixed image size with random weights in fp16, and the results of transformers.

Run in the environment of `make test-torch`, after make_clip.py, whose images it uses. The tokenizer is of SigLIP 2's kind
(Gemma's byte-pair encoding in lower case, with an end token).
"""

import json
import shutil
from pathlib import Path

import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast, SiglipConfig, SiglipModel
from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

HERE = Path(__file__).parent
ROOT = HERE / "siglip"
LENGTH = 32
# The last patch of a row has no pixels for it: 36 = 4 · 8 + 4, as 384 = 27 · 14 + 6 in so400m-patch14-384.
SIZE, PATCH = 36, 8
SENTENCES = [
    "There is a red circle at the top.", "A dog.", "there is a RED circle at the top.", "", "Zwei Käfer \U0001f41e", "x",
    "a photo of two cats and 12 small dogs, isn't it",
]  # fmt: skip
IMAGES = ["wide.jpg", "tall.png"]


def tokenizer():
    pieces = [f"<0x{i:02X}>" for i in range(256)]
    special = ["<pad>", "<eos>", "<bos>", "<unk>"]
    model = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    model.normalizer = normalizers.Sequence([normalizers.Lowercase(), normalizers.Replace(" ", "▁")])
    model.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    model.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=[*special, *pieces], show_progress=False)
    model.train_from_iterator(SENTENCES * 3, trainer)
    state = json.loads(model.to_str())
    # The bytes are pieces of the model, not special tokens.
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    model = Tokenizer.from_str(json.dumps(state))
    model.post_processor = processors.TemplateProcessing(single="$A <eos>", special_tokens=[("<eos>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=model, pad_token="<pad>", eos_token="<eos>", bos_token="<bos>", unk_token="<unk>",
        padding_side="right", model_max_length=LENGTH,
    )  # fmt: skip


words = tokenizer()
torch.manual_seed(0)
layers = dict(hidden_size=24, intermediate_size=40, num_hidden_layers=2, num_attention_heads=3)
model = SiglipModel(SiglipConfig(
    text_config=dict(**layers, vocab_size=len(words), max_position_embeddings=LENGTH, pad_token_id=0, bos_token_id=2,
                     eos_token_id=1),
    vision_config=dict(**layers, image_size=SIZE, patch_size=PATCH),
)).eval()  # fmt: skip
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if name == "logit_scale":
            parameter.fill_(torch.tensor(40.0).log())
        elif name == "logit_bias":
            parameter.fill_(-13.0)
        elif "norm" in name:
            parameter.normal_(1.0 if name.endswith("weight") else 0.0, 0.2)
        elif parameter.ndim >= 2 and "embedding" not in name and "probe" not in name:
            parameter.normal_(0, 1.5 * parameter[0].numel() ** -0.5)
        elif "patch_embedding.weight" in name:
            parameter.normal_(0, parameter[0].numel() ** -0.5)
        else:
            parameter.normal_(0, 0.5)
        parameter.copy_(parameter.half())

shutil.rmtree(ROOT, ignore_errors=True)
processor = SiglipImageProcessorPil(size={"height": SIZE, "width": SIZE}, image_mean=[0.5] * 3, image_std=[0.5] * 3)
pixels = processor([Image.open(HERE / "clip" / name) for name in IMAGES], return_tensors="pt")["pixel_values"]
expected = {"sentences": SENTENCES, "images": IMAGES}
for side in ("right", "left"):
    words.padding_side = side
    # Attention over the padding, as the models were trained: no attention_mask.
    tokens = words(SENTENCES, padding="max_length", max_length=LENGTH, return_tensors="pt")["input_ids"]
    assert tokens.shape == (len(SENTENCES), LENGTH)
    with torch.no_grad():
        found = model(input_ids=tokens, pixel_values=pixels)
    assert found.logits_per_image.std(-1).min() > 1, "the embeddings are too similar for a meaningful test"
    expected[side] = {
        "logits": found.logits_per_image.tolist(),
        "probabilities": found.logits_per_image.double().softmax(-1).tolist(),
        "text_embeds": found.text_embeds.tolist(),
    }
expected["image_embeds"] = found.image_embeds.tolist()
expected["logit_scale"], expected["logit_bias"] = model.logit_scale.exp().item(), model.logit_bias.item()
expected["token_counts"] = [len(ids) for ids in words(SENTENCES)["input_ids"]]
words.padding_side = "right"
model.half().save_pretrained(ROOT)
words.save_pretrained(ROOT)
processor.save_pretrained(ROOT)
(ROOT / "expected.json").write_text(json.dumps(expected) + "\n")
