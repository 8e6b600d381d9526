"""Models of real shapes with random weights, as Hugging Face directories, written without loading a model.

The tokenizers are those of the embedded models. The rows of the LM head that these do not have are zero, and so is the
end token's: a random model then always has a token to write, and never ends a text early.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LLAVA, CLIP = ROOT / "models" / "shapes-llava", ROOT / "models" / "shapes-clip"
WORDS = 534  # tokens of the embedded tokenizer before <image> and <pad>
IMAGE, END = 534, 2
STEP = 0.02


@dataclass(frozen=True)
class Decoder:
    hidden: int = 4096
    inner: int = 11008
    heads: int = 32
    layers: int = 32
    vocabulary: int = 32064


@dataclass(frozen=True)
class Tower:
    hidden: int = 1024
    inner: int = 4096
    heads: int = 16
    layers: int = 24
    side: int = 336
    patch: int = 14
    projection: int = 768

    @property
    def patches(self) -> int:
        return (self.side // self.patch) ** 2


@dataclass(frozen=True)
class ClipText:
    hidden: int = 768
    inner: int = 3072
    heads: int = 12
    layers: int = 12
    vocabulary: int = 49408


@dataclass(frozen=True)
class Model:
    """A text-only Llama without a tower, a LLaVA with both, a CLIP with a tower and a text encoder."""

    decoder: Decoder | None = None
    tower: Tower | None = None
    text: ClipText | None = None


B32 = Tower(768, 3072, 12, 12, 224, 32, 512)
MODELS = {
    "llama-7b-4": Model(replace(Decoder(), layers=4)),
    "llava-7b": Model(Decoder(), Tower()),
    "llava-1.4b": Model(Decoder(2048, 5504, 16, 16), Tower()),
    "clip-b32": Model(None, B32, ClipText(512, 2048, 8)),
    "clip-l14-336": Model(None, Tower(), ClipText()),
}
# For a run of the whole table on a processor: it tests the scripts, its times mean nothing.
TINY = {
    "llama-7b-4": Model(Decoder(64, 176, 4, 2, 640)),
    "llava-7b": Model(Decoder(64, 176, 4, 2, 640), Tower(32, 64, 2, 3, 56, 14, 32)),
    "llava-1.4b": Model(Decoder(64, 176, 4, 2, 640), Tower(32, 64, 2, 3, 56, 14, 32)),
    "clip-b32": Model(None, Tower(32, 64, 2, 2, 64, 32, 32), ClipText(32, 64, 2, 2, 640)),
    "clip-l14-336": Model(None, Tower(48, 64, 2, 2, 56, 14, 32), ClipText(32, 64, 2, 2, 640)),
}


# ----------------------------------------------------------------------------------------------------------------------
# Names and shapes of tensors, as files have them


def _linear(name: str, out: int, into: int, bias: bool) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (out, into), **({f"{name}.bias": (out,)} if bias else {})}


def _norm(name: str, size: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (size,), f"{name}.bias": (size,)}


def decoder_tensors(it: Decoder, prefix: str = "") -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {f"{prefix}model.embed_tokens.weight": (it.vocabulary, it.hidden)}
    for n in range(it.layers):
        layer = f"{prefix}model.layers.{n}"
        for part in "qkvo":
            found |= _linear(f"{layer}.self_attn.{part}_proj", it.hidden, it.hidden, False)
        for part in ("gate", "up"):
            found |= _linear(f"{layer}.mlp.{part}_proj", it.inner, it.hidden, False)
        found |= _linear(f"{layer}.mlp.down_proj", it.hidden, it.inner, False)
        found |= {f"{layer}.{part}_layernorm.weight": (it.hidden,) for part in ("input", "post_attention")}
    found[f"{prefix}model.norm.weight"] = (it.hidden,)
    found[f"{prefix}lm_head.weight"] = (it.vocabulary, it.hidden)
    return found


def _encoder_tensors(prefix: str, hidden: int, inner: int, layers: int) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {}
    for n in range(layers):
        layer = f"{prefix}encoder.layers.{n}"
        for part in ("k", "v", "q", "out"):
            found |= _linear(f"{layer}.self_attn.{part}_proj", hidden, hidden, True)
        found |= _norm(f"{layer}.layer_norm1", hidden) | _norm(f"{layer}.layer_norm2", hidden)
        found |= _linear(f"{layer}.mlp.fc1", inner, hidden, True) | _linear(f"{layer}.mlp.fc2", hidden, inner, True)
    return found


def tower_tensors(it: Tower, prefix: str) -> dict[str, tuple[int, ...]]:
    return {
        f"{prefix}embeddings.class_embedding": (it.hidden,),
        f"{prefix}embeddings.patch_embedding.weight": (it.hidden, 3, it.patch, it.patch),
        f"{prefix}embeddings.position_embedding.weight": (it.patches + 1, it.hidden),
        **_norm(f"{prefix}pre_layrnorm", it.hidden),
        **_encoder_tensors(prefix, it.hidden, it.inner, it.layers),
        **_norm(f"{prefix}post_layernorm", it.hidden),
    }


def tensors(model: Model) -> dict[str, tuple[int, ...]]:
    decoder, tower, text = model.decoder, model.tower, model.text
    if decoder is not None and tower is None:
        return decoder_tensors(decoder)
    if decoder is not None and tower is not None:
        return {
            **tower_tensors(tower, "vision_tower.vision_model."),
            **_linear("multi_modal_projector.linear_1", decoder.hidden, tower.hidden, True),
            **_linear("multi_modal_projector.linear_2", decoder.hidden, decoder.hidden, True),
            **decoder_tensors(decoder, "language_model."),
        }
    if tower is None or text is None:
        raise ValueError("a model has a decoder, or a tower and a text encoder")
    return {
        "logit_scale": (),
        "text_model.embeddings.token_embedding.weight": (text.vocabulary, text.hidden),
        "text_model.embeddings.position_embedding.weight": (77, text.hidden),
        **_encoder_tensors("text_model.", text.hidden, text.inner, text.layers),
        **_norm("text_model.final_layer_norm", text.hidden),
        **tower_tensors(tower, "vision_model."),
        **_linear("visual_projection", tower.projection, tower.hidden, False),
        **_linear("text_projection", tower.projection, text.hidden, False),
    }


# ----------------------------------------------------------------------------------------------------------------------
# Configurations


def _text_config(it: Decoder) -> dict:
    return {
        "model_type": "llama", "vocab_size": it.vocabulary, "hidden_size": it.hidden, "intermediate_size": it.inner,
        "num_hidden_layers": it.layers, "num_attention_heads": it.heads, "num_key_value_heads": it.heads,
        "head_dim": it.hidden // it.heads, "hidden_act": "silu", "rms_norm_eps": 1e-5, "max_position_embeddings": 4096,
        "attention_bias": False, "mlp_bias": False, "bos_token_id": 1, "eos_token_id": END, "pad_token_id": 535,
        "rope_theta": 10000.0, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0},
        "tie_word_embeddings": False, "initializer_range": STEP,
    }  # fmt: skip


def _tower_config(it: Tower) -> dict:
    return {
        "model_type": "clip_vision_model", "hidden_size": it.hidden, "intermediate_size": it.inner,
        "num_hidden_layers": it.layers, "num_attention_heads": it.heads, "image_size": it.side, "patch_size": it.patch,
        "projection_dim": it.projection, "num_channels": 3, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
    }  # fmt: skip


def config(model: Model) -> dict:
    decoder, tower, text = model.decoder, model.tower, model.text
    if decoder is not None and tower is None:
        return {"architectures": ["LlamaForCausalLM"], "dtype": "bfloat16", **_text_config(decoder)}
    if decoder is not None and tower is not None:
        return {
            "architectures": ["LlavaForConditionalGeneration"], "model_type": "llava", "dtype": "bfloat16",
            "image_seq_length": tower.patches, "image_token_index": IMAGE, "projector_hidden_act": "gelu",
            "multimodal_projector_bias": True, "vision_feature_layer": -2, "tie_word_embeddings": False,
            "vision_feature_select_strategy": "default", "text_config": _text_config(decoder),
            "vision_config": _tower_config(tower),
        }  # fmt: skip
    if tower is None or text is None:
        raise ValueError("a model has a decoder, or a tower and a text encoder")
    return {
        "architectures": ["CLIPModel"], "model_type": "clip", "dtype": "bfloat16", "projection_dim": tower.projection,
        "logit_scale_init_value": 2.6592, "vision_config": _tower_config(tower),
        "text_config": {
            "model_type": "clip_text_model", "hidden_size": text.hidden, "intermediate_size": text.inner,
            "num_hidden_layers": text.layers, "num_attention_heads": text.heads, "vocab_size": text.vocabulary,
            "max_position_embeddings": 77, "bos_token_id": 623, "eos_token_id": 624, "pad_token_id": 624,
            "projection_dim": tower.projection, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5,
        },
    }  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------------
# Files


def bytes_of(model: Model) -> int:
    total = 0
    for shape in tensors(model).values():
        count = 2
        for length in shape:
            count *= length
        total += count
    return total


def write(folder: Path, model: Model, device: str) -> Path:
    """Writes the directory, with weights in bfloat16 that are drawn on ``device``."""
    folder.mkdir(parents=True, exist_ok=True)
    source = LLAVA if model.decoder is not None else CLIP
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(source / name, folder)
    (folder / "config.json").write_text(json.dumps(config(model), indent=1))
    if model.decoder is not None:
        (folder / "generation_config.json").write_text(json.dumps({"bos_token_id": 1, "eos_token_id": END}))
    if model.tower is not None:
        processing = json.loads((source / "preprocessor_config.json").read_text())
        side = model.tower.side
        processing |= {"size": {"shortest_edge": side}, "crop_size": {"height": side, "width": side}}
        (folder / "preprocessor_config.json").write_text(json.dumps(processing, indent=1))
    _write_weights(folder / "model.safetensors", tensors(model), device)
    return folder


def _write_weights(path: Path, shapes: dict[str, tuple[int, ...]], device: str) -> None:
    import torch

    header, offset = {}, 0
    for name, shape in shapes.items():
        size = 2
        for length in shape:
            size *= length
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [offset, offset + size]}
        offset += size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    start = 8 + len(text)
    torch.manual_seed(0)
    with open(path, "wb") as file, ThreadPoolExecutor(4) as pool:
        file.write(len(text).to_bytes(8, "little") + text)
        file.truncate(start + offset)
        file.flush()
        waiting = []
        for name, shape in shapes.items():
            data = _draw(torch, name, shape, device).view(torch.int16).cpu().numpy()
            waiting.append(pool.submit(_place, file.fileno(), data, start + header[name]["data_offsets"][0]))
            while len(waiting) > 8:
                waiting.pop(0).result()
        for one in waiting:
            one.result()


def _place(file: int, data, offset: int) -> None:
    view = memoryview(data).cast("B") if data.ndim else memoryview(data.tobytes())
    while view:
        count = os.pwrite(file, view, offset)
        view, offset = view[count:], offset + count


def _draw(torch, name: str, shape: tuple[int, ...], device: str):
    """A tensor's random values: weights of standard deviation 0.02, norms 1, biases 0."""
    if name == "logit_scale":
        return torch.tensor(4.6052, dtype=torch.bfloat16)
    if len(shape) == 1 and not name.endswith("class_embedding"):
        return torch.full(shape, 1.0 if name.endswith("weight") else 0.0, dtype=torch.bfloat16)
    values = torch.randn(shape, device=device, dtype=torch.bfloat16) * STEP
    if name.endswith("lm_head.weight"):
        values[WORDS:] = 0
        values[END] = 0
    return values
