"""A small random LLaVA-1.5 in its authors' layout, and transformers' results for the same weights in fp32.

Run in the environment of `make test-torch`; writes llava_original/ beside this file:

- model/: config.json with `mm_…`, two shards of torch.save with their index (fp16), a tokenizer without an image token;
- tower/: CLIP with its vision and text part in pytorch_model.bin, as openai/clip-vit-large-patch14-336 has it;
- expected.json: token log-probabilities and greedy continuations of transformers' LlavaForConditionalGeneration.

transformers' converter appends 64 rows to the embeddings and to the head, one of which is the image token. They take part
in its softmax, but not in the original's: here the logits are cut to the original vocabulary before the softmax. Token
ids: the parts of the text around `<image>` are tokenised each by itself, <s> in front of the first, as LLaVA's
`tokenizer_image_token` does.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer, decoders, models, normalizers, processors, trainers
from transformers import (
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    PreTrainedTokenizerFast,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

root = Path(__file__).with_name("llava_original")
shutil.rmtree(root, ignore_errors=True)
folder, tower_folder = root / "model", root / "tower"
folder.mkdir(parents=True)
tower_folder.mkdir()

SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)
PAIRS = [
    ("What is in the image?", "A red circle is left of a blue star.", "There is a large green square at the top."),
    ("<image>\nDescribe the picture.\nBe short.", "Two stars.", "Nothing, I think. Or a cat? Blå."),
]


def make_tokenizer():
    model = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    model.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    model.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    bytes_ = [f"<0x{i:02X}>" for i in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=340, special_tokens=["<unk>", "<s>", "</s>", *bytes_], max_token_length=8, show_progress=False
    )
    corpus = [SYSTEM, " USER: \n ASSISTANT:", *[" ".join(pair) for pair in PAIRS]] * 3
    model.train_from_iterator([text.replace(" ", "▁") for text in corpus], trainer)
    state = json.loads(model.to_str())
    state["added_tokens"] = [t for t in state["added_tokens"] if not t["content"].startswith("<0x")]
    model = Tokenizer.from_str(json.dumps(state))
    model.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=model, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<unk>"
    )


tokenizer = make_tokenizer()
size = len(tokenizer)
pixels = np.random.default_rng(1).normal(0, 12, (40, 52, 3))
y, x = np.mgrid[0:40, 0:52]
pixels += np.stack([255 - 4 * x, 3 * y, 2 * x + 2 * y], -1)
Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / "image.png")
image = Image.open(root / "image.png")

torch.manual_seed(3)
clip = CLIPModel(
    CLIPConfig(
        vision_config={
            "hidden_size": 24,
            "intermediate_size": 40,
            "num_hidden_layers": 3,
            "num_attention_heads": 2,
            "image_size": 32,
            "patch_size": 8,
        },
        text_config={
            "vocab_size": 40,
            "hidden_size": 8,
            "intermediate_size": 8,
            "num_hidden_layers": 1,
            "num_attention_heads": 1,
        },
        projection_dim=8,
    )
).eval()
config = LlavaConfig(
    vision_config=clip.config.vision_config,
    text_config=LlamaConfig(
        vocab_size=size + 64,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=512,
        rms_norm_eps=1e-5,
    ),
    image_token_index=size,
    image_seq_length=16,
)
model = LlavaForConditionalGeneration(config).eval()
with torch.no_grad():
    for network in (clip, model):
        for name, parameter in network.named_parameters():
            parameter.normal_(1 if "norm" in name and not name.endswith("bias") else 0, 0.2)
            parameter.copy_(parameter.half().float())  # both layouts hold the same numbers
    model.model.vision_tower.load_state_dict(
        {k.removeprefix("vision_model."): v for k, v in clip.state_dict().items() if k.startswith("vision_model.")}
        if not any(k.startswith("vision_model.") for k in model.model.vision_tower.state_dict())
        else {k: v for k, v in clip.state_dict().items() if k.startswith("vision_model.")}
    )

# The original layout.
weights = {}
for name, tensor in model.model.language_model.state_dict().items():
    weights[f"model.{name}"] = (tensor[:size] if name == "embed_tokens.weight" else tensor).half().clone()
weights["lm_head.weight"] = model.lm_head.weight.data[:size].half().clone()
for old, new in (("linear_1", "0"), ("linear_2", "2")):
    for part in ("weight", "bias"):
        tensor = model.model.multi_modal_projector.state_dict()[f"{old}.{part}"]
        weights[f"model.mm_projector.{new}.{part}"] = tensor.half()
names = list(weights)
shards = {
    "pytorch_model-00001-of-00002.bin": names[: len(names) // 2],
    "pytorch_model-00002-of-00002.bin": names[len(names) // 2 :],
}
for shard, members in shards.items():
    torch.save({name: weights[name] for name in members}, folder / shard)
index = {
    "metadata": {"total_size": sum(2 * tensor.numel() for tensor in weights.values())},
    "weight_map": {name: shard for shard, members in shards.items() for name in members},
}
(folder / "pytorch_model.bin.index.json").write_text(json.dumps(index, indent=1) + "\n")
(folder / "config.json").write_text(
    json.dumps(
        {
            "architectures": ["LlavaLlamaForCausalLM"],
            "model_type": "llava",
            "vocab_size": size,
            "hidden_size": 16,
            "intermediate_size": 24,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "num_key_value_heads": 2,
            "max_position_embeddings": 512,
            "rms_norm_eps": 1e-5,
            "hidden_act": "silu",
            "bos_token_id": 1,
            "eos_token_id": 2,
            "tie_word_embeddings": False,
            "torch_dtype": "float16",
            "freeze_mm_mlp_adapter": False,
            "image_aspect_ratio": "pad",
            "mm_hidden_size": 24,
            "mm_projector_type": "mlp2x_gelu",
            "mm_use_im_patch_token": False,
            "mm_use_im_start_end": False,
            "mm_vision_select_feature": "patch",
            "mm_vision_select_layer": -2,
            "mm_vision_tower": "openai/clip-vit-large-patch14-336",
            "tune_mm_mlp_adapter": False,
            "use_mm_proj": True,
        },
        indent=1,
    )
    + "\n"
)
tokenizer.save_pretrained(folder)
(folder / "chat_template.jinja").unlink(missing_ok=True)
clip_weights = {name: tensor.half() for name, tensor in clip.state_dict().items()}
clip_weights["vision_model.embeddings.position_ids"] = torch.arange(17)[None]  # as older releases saved it
torch.save(clip_weights, tower_folder / "pytorch_model.bin")
clip.config.save_pretrained(tower_folder)
CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(tower_folder)

# The values.
processor = CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})


def padded(picture):
    """LLaVA's expand2square with the processor's mean colour."""
    colour = tuple(int(255 * mean) for mean in processor.image_mean)
    side = max(picture.size)
    square = Image.new("RGB", (side, side), colour)
    square.paste(picture, ((side - picture.width) // 2, (side - picture.height) // 2))
    return square


def tokens(text):
    ids = [1]
    for position, part in enumerate(text.split("<image>")):
        ids += [size] * 16 * (position > 0)
        ids += tokenizer(part, add_special_tokens=False).input_ids
    return ids


def logits(ids, picture):
    with torch.no_grad():
        output = model(
            input_ids=torch.tensor([ids]), pixel_values=processor(picture, return_tensors="pt")["pixel_values"]
        )
    return output.logits[0, :, :size]


expected = []
for mode, picture in (("checkpoint", padded(image.convert("RGB"))), ("crop", image.convert("RGB"))):
    for question, chosen, rejected in PAIRS:
        bare = question.replace("<image>", "").strip()
        prompt = f"{SYSTEM} USER: <image>\n{bare} ASSISTANT:"
        entry = {"mode": mode, "prompt": question, "chosen": chosen, "rejected": rejected}
        prefix = tokens(prompt)
        whole = {key: tokens(f"{prompt} {text}</s>") for key, text in (("chosen", chosen), ("rejected", rejected))}
        length = len(prefix)
        for ids in whole.values():
            length = next((i for i, (a, b) in enumerate(zip(prefix[:length], ids)) if a != b), length)
        for key, ids in whole.items():
            targets = torch.tensor(ids[length:])
            rows = torch.log_softmax(logits(ids, picture)[length - 1 : -1], -1)
            entry[f"{key}_ids"] = targets.tolist()
            entry[f"{key}_logps"] = rows.gather(1, targets[:, None])[:, 0].tolist()
        continuation = []
        for _ in range(12):
            continuation.append(int(logits(prefix + continuation, picture)[-1].argmax()))
            if continuation[-1] == 2:
                break
        entry["continuation"] = continuation
        expected.append(entry)
(root / "expected.json").write_text(json.dumps(expected, ensure_ascii=False) + "\n")
