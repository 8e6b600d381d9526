"""A decoder with biases in q, k and v but not in o, computed by transformers' Qwen2, whose attention has this form.

Run in the environment of `make test-torch`; writes biases/ beside this file: config.json, model.safetensors and
expected.json with token log-probabilities and a greedy continuation.
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import Qwen2Config, Qwen2ForCausalLM

OUT = Path(__file__).with_name("biases")
shutil.rmtree(OUT, ignore_errors=True)
torch.manual_seed(7)
model = Qwen2ForCausalLM(
    Qwen2Config(
        vocab_size=60,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=128,
        bos_token_id=1,
        eos_token_id=2,
    )
).eval()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        if name.endswith("bias"):
            parameter.normal_(0, 0.3)
        elif "norm" in name:
            parameter.normal_(1, 0.2)
        else:
            parameter.normal_(0, 0.25)
model.save_pretrained(OUT)
(OUT / "generation_config.json").unlink(missing_ok=True)
names = [name for name, _ in model.named_parameters() if name.endswith("bias")]
assert {name.split(".")[-2] for name in names} == {"q_proj", "k_proj", "v_proj"}

prompt, response = [5, 17, 40, 3, 22], [9, 33, 51, 8]
with torch.no_grad():
    logits = model(torch.tensor([prompt + response])).logits[0, len(prompt) - 1 : -1]
logps = torch.log_softmax(logits, -1).gather(1, torch.tensor(response)[:, None])[:, 0]
tokens = list(prompt)
with torch.no_grad():
    for _ in range(16):
        tokens.append(model(torch.tensor([tokens])).logits[0, -1].argmax().item())
expected = {
    "prompt": prompt,
    "response": response,
    "logps": logps.tolist(),
    "continuation": tokens[len(prompt) :],
}
(OUT / "expected.json").write_text(json.dumps(expected) + "\n")
