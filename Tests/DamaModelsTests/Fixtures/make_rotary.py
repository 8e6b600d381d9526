"""Inverse frequencies of every supported rotary scaling, from transformers' own functions.

Run in the environment of `make test-torch`; writes rotary.json beside this file.
"""

import json
from pathlib import Path

from transformers import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaRotaryEmbedding

CASES = {
    "default": {"rope_type": "default", "rope_theta": 10000.0},
    "base": {"rope_type": "default", "rope_theta": 500000.0},
    "linear": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 4.0},
    "llama3": {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    },
}

out = {}
for name, parameters in CASES.items():
    config = LlamaConfig(
        hidden_size=256, num_attention_heads=2, max_position_embeddings=131072, rope_parameters=dict(parameters)
    )
    inverse = LlamaRotaryEmbedding(config).inv_freq.double().tolist()
    out[name] = {"parameters": parameters, "inverse_frequencies": inverse}

Path(__file__).with_name("rotary.json").write_text(json.dumps(out) + "\n")
