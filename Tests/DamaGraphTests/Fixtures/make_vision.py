"""Makes vision.safetensors: a small LLaVA vision tower and projector, with torch's gradients.

    python Tests/DamaGraphTests/Fixtures/make_vision.py

Needs torch, transformers and safetensors. Weights are numbers of single precision, results are computed in double.
"""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration

torch.manual_seed(1)
config = LlavaConfig(
    vision_config=CLIPVisionConfig(
        hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4, image_size=16, patch_size=4,
        projection_dim=16, attn_implementation="eager"),
    text_config=LlamaConfig(
        vocab_size=32, hidden_size=20, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=2),
    image_token_index=5, attn_implementation="eager",
)
model = LlavaForConditionalGeneration(config).float()
parameters = {
    name: parameter for name, parameter in model.named_parameters()
    if "vision_tower" in name or "projector" in name
}
with torch.no_grad():
    for name, parameter in parameters.items():
        if "norm" in name and name.endswith("weight"):
            parameter.copy_(1 + 0.1 * torch.randn_like(parameter))
        else:
            parameter.copy_(0.3 * torch.randn_like(parameter))
pixels = torch.randn(2, 3, 16, 16)
seed = torch.randn(2, 16, 20)
weights = {name: parameter.detach().clone() for name, parameter in parameters.items()}

model = model.double()
features = model.get_image_features(pixel_values=pixels.double())
features = getattr(features, "pooler_output", features)
features = torch.stack(tuple(features)) if isinstance(features, (tuple, list)) else features.reshape(2, 16, 20)
(features * seed.double()).sum().backward()

tensors = {"pixels": pixels, "seed": seed, "features": features.detach().float()}
for name, parameter in parameters.items():
    if parameter.grad is not None:  # the last layer and its norm do not reach the features
        short = name.removeprefix("model.")
        tensors[f"weight.{short}"] = weights[name]
        tensors[f"gradient.{short}"] = parameter.grad.float()
path = Path(__file__).with_name("vision.safetensors")
save_file({name: value.contiguous() for name, value in tensors.items()}, path)
print(path, path.stat().st_size, "bytes;", sum("gradient" in name for name in tensors), "gradients")
