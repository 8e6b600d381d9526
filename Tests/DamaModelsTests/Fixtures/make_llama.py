"""Small random Llama decoders and transformers' results for a pair of responses, in fp32.

Run in the environment of `make test-torch`; writes llama/<case>/ beside this file: config.json, model.safetensors and
expected.json with the token log-probabilities of each response after the prompt (as a sequence of its own), the logits of
the first response's rows, greedy continuations, and a long pair.
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM

BASE = {
    "vocab_size": 300,
    "hidden_size": 32,
    "intermediate_size": 56,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 256,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CASES = {
    "mha": {},
    "gqa_tied": {"num_key_value_heads": 2, "tie_word_embeddings": True},
    "bias_llama3": {
        "num_key_value_heads": 1,
        "head_dim": 16,
        "attention_bias": True,
        "mlp_bias": True,
        "rms_norm_eps": 1e-5,
        "rope_parameters": {
            "rope_type": "llama3",
            "rope_theta": 1000.0,
            "factor": 4.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        },
    },
    # A head size that some attention kernels do not support.
    "heads_of_12": {"hidden_size": 36, "num_attention_heads": 3, "num_key_value_heads": 1},
    "linear_bf16": {"rope_parameters": {"rope_type": "linear", "rope_theta": 10000.0, "factor": 2.0}, "dtype": "bf16"},
}


def token_log_probabilities(model, prompt, response):
    logits = model(torch.tensor([prompt + response])).logits[0]
    rows = logits[len(prompt) - 1 : -1]
    return torch.log_softmax(rows, -1).gather(1, torch.tensor(response)[:, None])[:, 0], rows


root = Path(__file__).with_name("llama")
shutil.rmtree(root, ignore_errors=True)
for seed, (name, changes) in enumerate(CASES.items()):
    torch.manual_seed(seed)
    changes = dict(changes)
    half = changes.pop("dtype", None) == "bf16"
    model = LlamaForCausalLM(LlamaConfig(**{**BASE, **changes})).eval()
    with torch.no_grad():
        for parameter_name, parameter in model.named_parameters():
            # Larger than the usual initialisation, so that attention and activations leave their linear range; biases
            # and scales away from 0 and 1, so that a forgotten one shows.
            if parameter_name.endswith("bias"):
                parameter.normal_(0, 0.3)
            elif "norm" in parameter_name:
                parameter.normal_(1, 0.2)
            else:
                parameter.normal_(0, 0.25)
        if half:
            model = model.to(torch.bfloat16)
        folder = root / name
        model.save_pretrained(folder)
        (folder / "generation_config.json").unlink(missing_ok=True)
        # The weights of the file, in fp32 arithmetic.
        model = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

        generator = torch.Generator().manual_seed(100 + seed)
        draw = lambda n: torch.randint(3, BASE["vocab_size"], (n,), generator=generator).tolist()

        def pair(*lengths):
            prompt, chosen, rejected = (draw(n) for n in lengths)
            chosen_logps, chosen_logits = token_log_probabilities(model, prompt, chosen)
            rejected_logps, _ = token_log_probabilities(model, prompt, rejected)
            return {
                "prompt": prompt,
                "chosen": chosen,
                "rejected": rejected,
                "chosen_logps": chosen_logps.tolist(),
                "rejected_logps": rejected_logps.tolist(),
                "first_logits": chosen_logits[0].tolist(),
            }

        pairs = [pair(*lengths) for lengths in [(9, 5, 8), (17, 1, 3), (4, 12, 2)]]
        greedy = []
        for prompt in [draw(7), draw(3), draw(12)]:
            tokens = list(prompt)
            for _ in range(24):
                tokens.append(model(torch.tensor([tokens])).logits[0, -1].argmax().item())
            greedy.append({"prompt": prompt, "continuation": tokens[len(prompt) :]})
        # Longer than several attention blocks.
        long = [pair(130, 30, 41)]
        (folder / "expected.json").write_text(json.dumps({"pairs": pairs, "greedy": greedy, "long": long}) + "\n")
