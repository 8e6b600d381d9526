"""Writes safetensors/: files of the `safetensors` package, and expected.json with their values as torch reads them.

Run with torch and safetensors: python make_safetensors.py
"""
import json
import pathlib

import torch
from safetensors.torch import save_file

here = pathlib.Path(__file__).with_name("safetensors")
here.mkdir(exist_ok=True)
generator = torch.Generator().manual_seed(7)


def random(*shape):
    return torch.randn(*shape, generator=generator)


# Largest and smallest subnormal and normal numbers, signed zeros, infinities: bit patterns of each 16-bit type.
half = torch.tensor([0x0000, -0x8000, 0x0001, 0x03FF, 0x0400, 0x7BFF, 0x7C00, -0x0400, 0x3C01], dtype=torch.int16)
brain = torch.tensor([0x0000, -0x8000, 0x0001, 0x007F, 0x0080, 0x7F7F, 0x7F80, -0x0080, 0x3F81], dtype=torch.int16)

tensors = {
    "full": random(3, 5),
    "half": half.view(torch.float16),
    "brain": brain.view(torch.bfloat16),
    "half.random": random(4, 2, 3).half(),
    "brain.random": random(7).bfloat16(),
    "scalar": torch.tensor(2.5),
    "empty": torch.zeros(0, 4),
    "long": torch.arange(3),
    "double": torch.tensor([0.1], dtype=torch.float64),
    "eighth": torch.tensor([1.0, 2.0]).to(torch.float8_e4m3fn),
}
save_file(tensors, here / "single.safetensors", metadata={"format": "pt"})

sharded = here / "sharded"
sharded.mkdir(exist_ok=True)
shards = {"model-00001-of-00002.safetensors": ["full", "half"], "model-00002-of-00002.safetensors": ["brain.random"]}
for name, members in shards.items():
    save_file({m: tensors[m] for m in members}, sharded / name, metadata={"format": "pt"})
index = {"metadata": {"total_size": 0}, "weight_map": {m: name for name, members in shards.items() for m in members}}
(sharded / "model.safetensors.index.json").write_text(json.dumps(index, indent=2) + "\n")


def text(value):
    return repr(float(value))  # JSON does not define infinity.


usable = [name for name, t in tensors.items() if t.dtype in (torch.float32, torch.float16, torch.bfloat16)]
expected = {
    name: {"shape": list(tensors[name].shape), "values": [text(v) for v in tensors[name].double().flatten()]}
    for name in usable
}
(here / "expected.json").write_text(json.dumps(expected, indent=1) + "\n")
