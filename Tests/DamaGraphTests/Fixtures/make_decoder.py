"""Makes decoder.safetensors: a small Llama decoder, a batch whose sequences share prompts, and torch's gradients.

    python Tests/DamaGraphTests/Fixtures/make_decoder.py

Needs torch, transformers and safetensors. The weights are numbers of single precision; the results are computed in
double, so that they are exact to all digits that single precision has.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

torch.manual_seed(0)
config = LlamaConfig(
    vocab_size=64, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
    num_key_value_heads=2, max_position_embeddings=64, rms_norm_eps=1e-5, rope_theta=10000.0, tie_word_embeddings=True,
    attn_implementation="eager",
)
model = LlamaForCausalLM(config).float()
with torch.no_grad():
    for name, parameter in model.named_parameters():
        # Larger than the usual 0.02, so that attention and gates are far from their flat middle.
        parameter.copy_(1 + 0.1 * torch.randn_like(parameter) if "norm" in name else 0.25 * torch.randn_like(parameter))
weights = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}

# Four pairs in two prompts: every prompt's tokens occur in four sequences.
prompts = torch.randint(0, 64, (2, 30))
rows, tokens, ids = [], [], torch.zeros(8, 40, dtype=torch.int64)
for sequence in range(8):
    length = [10, 6, 9, 9, 4, 10, 1, 7][sequence]
    ids[sequence, :30] = prompts[sequence // 4]
    ids[sequence, 30 : 30 + length] = torch.randint(0, 64, (length,))
    for position in range(30, 30 + length):
        rows.append(sequence * 40 + position - 1)
        tokens.append(int(ids[sequence, position]))
# The last row of a prompt predicts the first token of two responses if both are packed after it.
rows += [29, 29, 40 + 33]
tokens += [7, 9, 11]
rows, tokens = torch.tensor(rows), torch.tensor(tokens)
seed = torch.randn(len(rows))

model = model.double()
model.config.use_cache = False
rotary = model.model.rotary_emb
cosine, sine = rotary(torch.zeros(1, dtype=torch.float64), torch.arange(64)[None])
logits = model(input_ids=ids).logits.reshape(-1, 64)
logps = torch.log_softmax(logits, -1)[rows, tokens]
(logps * seed.double()).sum().backward()

tensors = {f"weight.{name}": value for name, value in weights.items()}
tensors |= {f"gradient.{name}": p.grad.float() for name, p in model.named_parameters()}
tensors |= {
    "seed": seed, "logps": logps.detach().float(), "rows": rows.float(), "tokens": tokens.float(), "ids": ids.float(),
    "cosine": cosine[0, :, :4].float().contiguous(), "sine": sine[0, :, :4].float().contiguous(),
}
path = Path(__file__).with_name("decoder.safetensors")
save_file({name: value.contiguous() for name, value in tensors.items()}, path)
spread = logps.detach().min().item(), logps.detach().max().item()
print(path, path.stat().st_size, "bytes; log-probabilities from %.2f to %.2f" % spread)
