"""Memory of an opened policy, compared with the size of its files.

    scripts/bootstrap torch && make build
    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/policy_memory.py

Writes a Llama of about a billion parameters in fp32 with random weights (16 shards, 4.1 GB, in build/, removed at the
end). A separate process opens it, scores a pair, opens it again as a reference and scores again, and generates with the
first, then with both. After
each step it prints the resident memory, its private part (RssAnon) and its file part (RssFile: pages that the kernel
can drop and read again), the highest so far, and the resident memory for each byte of the files.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path = [folder for folder in sys.path if Path(folder or ".").resolve() != HERE]
BUILD = HERE.parent / "build"

# The widths of Llama 3.2 1B, with an untied head and a smaller vocabulary.
HIDDEN, FEED_FORWARD, LAYERS, HEADS, KEY_HEADS, VOCABULARY = 2048, 8192, 16, 32, 8, 32000


def shapes() -> list[dict[str, tuple[int, ...]]]:
    """The tensors of each shard."""
    keys = HIDDEN // HEADS * KEY_HEADS
    parts = [
        {
            f"model.layers.{layer}.input_layernorm.weight": (HIDDEN,),
            f"model.layers.{layer}.self_attn.q_proj.weight": (HIDDEN, HIDDEN),
            f"model.layers.{layer}.self_attn.k_proj.weight": (keys, HIDDEN),
            f"model.layers.{layer}.self_attn.v_proj.weight": (keys, HIDDEN),
            f"model.layers.{layer}.self_attn.o_proj.weight": (HIDDEN, HIDDEN),
            f"model.layers.{layer}.post_attention_layernorm.weight": (HIDDEN,),
            f"model.layers.{layer}.mlp.gate_proj.weight": (FEED_FORWARD, HIDDEN),
            f"model.layers.{layer}.mlp.up_proj.weight": (FEED_FORWARD, HIDDEN),
            f"model.layers.{layer}.mlp.down_proj.weight": (HIDDEN, FEED_FORWARD),
        }
        for layer in range(LAYERS)
    ]
    parts[0]["model.embed_tokens.weight"] = (VOCABULARY, HIDDEN)
    parts[-1]["model.norm.weight"] = (HIDDEN,)
    parts[-1]["lm_head.weight"] = (VOCABULARY, HIDDEN)
    return parts


def write(directory: Path) -> int:
    """Writes the model shard by shard; returns the bytes of its tensors."""
    import numpy as np
    from safetensors.numpy import save_file
    from tokenizers import Tokenizer, models, pre_tokenizers

    generator = np.random.default_rng(0)
    weight_map: dict[str, str] = {}
    total = 0
    parts = shapes()
    for index, part in enumerate(parts):
        name = f"model-{index + 1:05}-of-{len(parts):05}.safetensors"
        tensors = {
            key: np.ones(shape, np.float32) if len(shape) == 1
            else generator.standard_normal(shape, np.float32) * np.float32(shape[1] ** -0.5)
            for key, shape in part.items()
        }  # fmt: skip
        save_file(tensors, directory / name, metadata={"format": "pt"})
        weight_map.update(dict.fromkeys(tensors, name))
        total += sum(tensor.nbytes for tensor in tensors.values())
    index_file = {"metadata": {"total_size": total}, "weight_map": weight_map}
    (directory / "model.safetensors.index.json").write_text(json.dumps(index_file))
    config = {
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "vocab_size": VOCABULARY, "hidden_size": HIDDEN,
        "intermediate_size": FEED_FORWARD, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS,
        "num_key_value_heads": KEY_HEADS, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5,
        "tie_word_embeddings": False, "hidden_act": "silu", "bos_token_id": 0, "eos_token_id": 1,
    }  # fmt: skip
    (directory / "config.json").write_text(json.dumps(config))
    letters = ["<s>", "</s>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    tokenizer = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.add_special_tokens(letters[:2])
    tokenizer.save(str(directory / "tokenizer.json"))
    (directory / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    return total


def measure(directory: Path, size: int) -> None:
    import libdama

    def report(what: str) -> None:
        status = Path("/proc/self/status").read_text()
        gigabytes = [int(status.split(f"{field}:")[1].split()[0]) * 1024 / 1e9
                     for field in ("VmRSS", "RssAnon", "RssFile", "VmHWM")]  # fmt: skip
        columns = " ".join(f"{value:8.2f}" for value in gigabytes)
        print(f"{what:42} {columns} {gigabytes[0] * 1e9 / size:8.2f}", flush=True)

    pair = (None, "What is in the picture?", "A red circle left of a blue star.", "Two green squares.")
    print(f"{'GB':42} resident  private of files  highest  : files")
    report("libdama and numpy loaded")
    policy = libdama.Policy(directory, template="plain")
    report("policy opened")
    policy.logps(*pair)
    report("policy, a pair scored")
    reference = libdama.Policy(directory, template="plain")
    reference.logps(*pair)
    report("policy and reference, a pair scored by each")
    policy.generate("What is in the picture?", max_tokens=4)
    report("both scored, policy generated")
    reference.generate("What is in the picture?", max_tokens=4)
    report("both scored and generated")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=BUILD)
    parser.add_argument("--measure", nargs=2, metavar=("DIRECTORY", "BYTES"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.measure:
        measure(Path(arguments.measure[0]), int(arguments.measure[1]))
        return
    arguments.folder.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(arguments.folder).free < 6e9:
        sys.exit(f"{arguments.folder} has too little free space; 4.1 GB of weights need 6 GB")
    with tempfile.TemporaryDirectory(dir=arguments.folder, prefix="policy-memory-") as folder:
        size = write(Path(folder))
        print(f"{size / 4e9:.2f} billion parameters in fp32, {size / 1e9:.2f} GB", flush=True)
        subprocess.run([sys.executable, __file__, "--measure", folder, str(size)], check=True)


main()
