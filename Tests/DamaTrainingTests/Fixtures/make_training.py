"""Ten steps of DAMA in plain PyTorch, fully and with LoRA, on the small LLaVA of the model tests.

The steps are ten_steps.py's. Run in the environment of `make test-torch` after
DamaModelsTests/Fixtures/make_llava.py. Writes beside this file: batches.json (the training data), and for each kind of
training <kind>.json with the numbers of every step and <kind>.safetensors with the first step's gradients and the final
parameters.
"""

import json
import random
from pathlib import Path

import ten_steps
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoTokenizer, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

here = Path(__file__).parent
model_dir = here.parents[1] / "DamaModelsTests/Fixtures/llava/default"
image_path = here.parents[1] / "DamaModelsTests/Fixtures/llava/image.png"

STEPS, PAIRS = 10, 6
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)

random.seed(5)
WORDS = "a red blue green circle star square is left of the at top large small and two dogs".split()
PROMPTS = ["What is in the image?", "Describe it."]


def response():
    return " ".join(random.choices(WORDS, k=random.randint(2, 6))).capitalize() + "."


batches = [
    [
        {
            # Prompts are shared inside a batch, and all pairs share the image.
            "prompt": PROMPTS[i % 2],
            "chosen": response(),
            "rejected": response(),
            "alpha_data": round(random.uniform(0.6, 1.4), 3),
        }
        for i in range(PAIRS)
    ]
    for _ in range(STEPS)
]
(here / "batches.json").write_text(json.dumps(batches, indent=0) + "\n")

tok = AutoTokenizer.from_pretrained(model_dir)
processor = CLIPImageProcessorPil.from_pretrained(model_dir)
pixels = processor(images=Image.open(image_path), return_tensors="pt")["pixel_values"]


def logp(model, prompt, chosen, rejected):
    """Sums of the log-probabilities of both responses after the image and the prompt."""
    image_id = model.config.image_token_id
    text = f"{SYSTEM} USER: <image>\n{prompt} ASSISTANT:"
    prompt_ids = tok(text)["input_ids"]
    whole = [tok(f"{text} {answer}</s>")["input_ids"] for answer in (chosen, rejected)]
    length = len(prompt_ids)
    for ids in whole:
        length = next((i for i, (a, b) in enumerate(zip(prompt_ids[:length], ids)) if a != b), length)
    sums = []
    for ids in whole:
        expanded = [j for i in ids for j in ([image_id] * 16 if i == image_id else [i])]
        start = length + 15
        tokens = torch.tensor([expanded])
        logits = model(input_ids=tokens, pixel_values=pixels, attention_mask=torch.ones_like(tokens)).logits[0]
        rows = torch.log_softmax(logits[start - 1 : -1], -1)
        sums.append(rows.gather(1, tokens[0, start:, None]).sum())
    return sums


class LoRALinear(torch.nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear, self.scale = linear, alpha / rank
        self.lora_A = torch.nn.Linear(linear.in_features, rank, bias=False)
        self.lora_B = torch.nn.Linear(rank, linear.out_features, bias=False)
        torch.nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):
        return self.linear(x) + self.scale * self.lora_B(self.lora_A(x))


def train(kind):
    torch.manual_seed(11)
    reference = LlavaForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float32).eval()
    policy = LlavaForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float32).eval()
    policy.requires_grad_(False)
    named, tensors = {}, {}
    if kind == "full":
        for name, parameter in policy.named_parameters():
            if "vision_tower" in name:
                continue
            # The name in the files.
            name = name.replace("model.language_model.", "language_model.model.")
            name = name.replace("model.multi_modal_projector.", "multi_modal_projector.")
            name = name.replace("lm_head.", "language_model.lm_head.") if name.startswith("lm_head") else name
            named[name] = parameter.requires_grad_(True)
    else:
        for i, layer in enumerate(policy.model.language_model.layers):
            for owner, key in ((layer.self_attn, "self_attn.q_proj"), (layer.mlp, "mlp.down_proj")):
                part = key.split(".")[1]
                adapter = LoRALinear(getattr(owner, part), rank=4, alpha=8)
                setattr(owner, part, adapter)
                for side in ("lora_A", "lora_B"):
                    name = f"model.layers.{i}.{key}.{side}.weight"
                    named[name] = getattr(adapter, side).weight
                    tensors[f"start.{name}"] = named[name].detach().clone()
    steps, gradients = ten_steps.run(
        batches,
        lambda pair: logp(policy, pair["prompt"], pair["chosen"], pair["rejected"]),
        lambda pair: logp(reference, pair["prompt"], pair["chosen"], pair["rejected"]),
        named,
    )
    tensors.update({f"gradient.{name}": gradient for name, gradient in gradients.items()})
    tensors.update({f"final.{name}": p.detach().clone() for name, p in named.items()})
    (here / f"{kind}.json").write_text(json.dumps(steps) + "\n")
    save_file({name: t.contiguous() for name, t in tensors.items()}, here / f"{kind}.safetensors")


for kind in ("full", "lora"):
    train(kind)
