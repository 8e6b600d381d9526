"""Three steps with the chosen response's likelihood beside the preference loss, in plain PyTorch and float64.

TRL's `rpo_alpha` (dpo_trainer.py): cross_entropy over all tokens of the chosen responses of the batch, its mean over the
tokens, weighted and added to the preference loss. Here the batch is that of the kept pairs. The preference loss is
ten_steps.py's. Run in the environment of `make test-torch` after make_training.py; writes sft.json: the numbers of every
step, and the sum of squares and the largest element of each parameter's first gradient.
"""

import json
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoTokenizer, LlavaForConditionalGeneration
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

here = Path(__file__).parent
model_dir = here.parents[1] / "DamaModelsTests/Fixtures/llava/default"
image_path = here.parents[1] / "DamaModelsTests/Fixtures/llava/image.png"
BETA, KEEP, MOMENTUM, KAPPA = 0.5, 4, 0.9, 0.25
RATE, DECAY, CLIP, WEIGHT = 2e-3, 0.01, 1.0, 0.75
SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and "
    "polite answers to the user's questions."
)

tok = AutoTokenizer.from_pretrained(model_dir)
processor = CLIPImageProcessorPil.from_pretrained(model_dir)
pixels = processor(images=Image.open(image_path), return_tensors="pt")["pixel_values"].double()


def response_logits(model, prompt, answers):
    """For each answer the logits before its tokens, and the tokens."""
    image_id = model.config.image_token_id
    text = f"{SYSTEM} USER: <image>\n{prompt} ASSISTANT:"
    prompt_ids = tok(text)["input_ids"]
    whole = [tok(f"{text} {answer}</s>")["input_ids"] for answer in answers]
    length = len(prompt_ids)
    for ids in whole:
        length = next((i for i, (a, b) in enumerate(zip(prompt_ids[:length], ids)) if a != b), length)
    found = []
    for ids in whole:
        tokens = torch.tensor([[j for i in ids for j in ([image_id] * 16 if i == image_id else [i])]])
        logits = model(input_ids=tokens, pixel_values=pixels, attention_mask=torch.ones_like(tokens)).logits[0]
        start = length + 15
        found.append((logits[start - 1 : -1], tokens[0, start:]))
    return found


def sums(model, pair):
    answers = response_logits(model, pair["prompt"], (pair["chosen"], pair["rejected"]))
    logps = [torch.log_softmax(logits, -1).gather(1, tokens[:, None]).sum() for logits, tokens in answers]
    return logps, answers[0]


reference = LlavaForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float64).eval()
policy = LlavaForConditionalGeneration.from_pretrained(model_dir, dtype=torch.float64).eval()
policy.requires_grad_(False)
named = {}
for name, parameter in policy.named_parameters():
    if "vision_tower" in name:
        continue
    name = name.replace("model.language_model.", "language_model.model.")
    name = name.replace("model.multi_modal_projector.", "multi_modal_projector.")
    name = name.replace("lm_head.", "language_model.lm_head.") if name.startswith("lm_head") else name
    named[name] = parameter.requires_grad_(True)
groups = [
    {"params": [p for p in named.values() if p.ndim > 1], "weight_decay": DECAY},
    {"params": [p for p in named.values() if p.ndim == 1], "weight_decay": 0.0},
]
optimizer = torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.999), eps=1e-8)

mean, steps, gradients = 0.0, [], {}
for number, batch in enumerate(json.loads((here / "batches.json").read_text())[:3]):
    margins, chosen = [], []
    for pair in batch:
        with torch.no_grad():
            (reference_chosen, reference_rejected), _ = sums(reference, pair)
        (policy_chosen, policy_rejected), answer = sums(policy, pair)
        margins.append((policy_chosen - reference_chosen) - (policy_rejected - reference_rejected))
        chosen.append(answer)
    h = torch.stack(margins)
    gaps = BETA * h.detach()
    normalised = gaps / mean if mean >= max(1e-6, KAPPA * gaps.abs().mean().item()) else gaps
    distance = (normalised - mean) ** 2
    kept = sorted(sorted(range(len(batch)), key=lambda i: (distance[i].item(), i))[:KEEP])
    batch_gap = normalised[kept].mean().item()
    alpha_model = (torch.sigmoid(torch.tensor(batch_gap)) / torch.sigmoid(torch.tensor(mean))).item()
    beta = torch.tensor([BETA * pair["alpha_data"] * alpha_model for pair in batch], dtype=torch.float64)
    preference = -torch.nn.functional.logsigmoid(beta * h)[kept].sum() / KEEP
    likelihood = torch.nn.functional.cross_entropy(
        torch.cat([chosen[i][0] for i in kept]), torch.cat([chosen[i][1] for i in kept])
    )
    loss = preference + WEIGHT * likelihood
    optimizer.zero_grad()
    loss.backward()
    if number == 0:
        gradients = {
            name: {"squares": (p.grad**2).sum().item(), "largest": p.grad.abs().max().item()} for name, p in named.items()
        }
    norm = torch.nn.utils.clip_grad_norm_(named.values(), CLIP).item()
    optimizer.step()
    mean = MOMENTUM * mean + (1 - MOMENTUM) * batch_gap
    steps.append({"loss": loss.item(), "sft_loss": likelihood.item(), "gradient_norm": norm, "running_mean": mean})
(here / "sft.json").write_text(json.dumps({"weight": WEIGHT, "steps": steps, "gradients": gradients}) + "\n")
