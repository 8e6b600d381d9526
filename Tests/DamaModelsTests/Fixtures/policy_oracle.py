"""What transformers computes with a model that takes images, from image files and text through its processor."""

import copy
import json
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parents[2] / "DamaTrainingTests/Fixtures"))
import ten_steps  # noqa: E402


def write_model(model, seed, folder):
    """Writes fp16 weights with which attention and activations leave their linear range; returns the model in fp32."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(1 if "norm" in name and name.endswith("weight") else 0, 0.35)
    model.half().save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    # Read again: the type of a buffer, as of the rotary frequencies, would have changed too.
    return type(model).from_pretrained(folder, dtype=torch.float32).eval()


def write_images(folder, sizes):
    """Smooth pictures (width, height) as PNG files, which compress well; returns them by name."""
    images = {}
    for number, (name, (width, height)) in enumerate(sizes.items()):
        y, x = np.mgrid[0:height, 0:width]
        pixels = np.stack([6 * x + 40 * number, 250 - 5 * y, (3 * x + 4 * y) // (number + 1)], -1)
        Image.fromarray((pixels % 256).astype(np.uint8)).save(folder / f"{name}.png")
        images[name] = Image.open(folder / f"{name}.png")
    return images


class Oracle:
    """``prompt(question, images)`` is the text before a response, ``ending`` the text after it."""

    def __init__(self, model, processor, prompt, ending):
        self.model, self.processor, self.prompt, self.ending = model, processor, prompt, ending

    def inputs(self, text, images):
        found = self.processor(text=text, images=images, return_tensors="pt")
        return {key: value for key, value in found.items() if key not in ("token_type_ids", "mm_token_type_ids")}

    def log_probabilities(self, question, responses, images, model=None):
        """The token log-probabilities of each response.

        The shared prompt ends where the tokens of the prompt alone and of all texts diverge: the tokenizer may join the
        last character of the prompt to the first of a response.
        """
        prompt = self.prompt(question, images)
        alone = self.inputs(prompt.rstrip(" "), images)["input_ids"][0].tolist()
        whole = [self.inputs(prompt + response + self.ending, images) for response in responses]
        lists = [alone, *(found["input_ids"][0].tolist() for found in whole)]
        length = next((i for i, ids in enumerate(zip(*lists)) if len(set(ids)) > 1), len(alone))
        results = []
        for found in whole:
            ids = found["input_ids"][0, length:]
            logits = (model or self.model)(**found).logits[0, length - 1 : -1]
            results.append(torch.log_softmax(logits, -1).gather(1, ids[:, None])[:, 0])
        return results

    @torch.no_grad()
    def continuation(self, question, images, count):
        """The greedy tokens after the prompt."""
        found = self.model(**self.inputs(self.prompt(question, images).rstrip(" "), images), use_cache=True)
        tokens = []
        while len(tokens) < count:
            tokens.append(found.logits[0, -1].argmax().item())
            # Without pixels: a random model may generate the image token.
            found = self.model(input_ids=torch.tensor([tokens[-1:]]), past_key_values=found.past_key_values)
        return tokens

    def expected(self, cases, images, count=12):
        """Log-probabilities, greedy tokens and the number of tokens before the response for (image names, question,
        chosen, rejected)."""
        entries = []
        for names, question, *responses in cases:
            seen = [images[name] for name in names]
            with torch.no_grad():
                values = self.log_probabilities(question, responses, seen)
            ids = self.inputs(self.prompt(question, seen).rstrip(" "), seen)["input_ids"][0].tolist()
            entries.append({
                "images": names, "prompt": question, "chosen": responses[0], "rejected": responses[1],
                "chosen_logps": values[0].tolist(), "rejected_logps": values[1].tolist(), "prompt_ids": ids,
                "continuation": self.continuation(question, seen, count),
            })  # fmt: skip
        return entries

    def train(self, kind, batches, images, folder, kept, names):
        """Ten steps of every weight outside the vision tower, or of adapters (``kind`` "full" or "lora").

        The images of a batch's pairs are ``images`` in turn. Writes to ``folder`` the numbers of the steps, and
        gradients and final values of the weights that ``kept`` selects by their names in the files, which ``names``
        gives.
        """
        model, order = copy.deepcopy(self.model).requires_grad_(False), sorted(images)
        named, tensors = {}, {}
        if kind == "full":
            for name, parameter in model.named_parameters():
                if "vision_tower" not in name and "vision_model" not in name:
                    named[names(name)] = parameter.requires_grad_(True)
        else:
            torch.manual_seed(11)
            for i, layer in enumerate(model.get_decoder().layers):
                for owner, key in ((layer.self_attn, "self_attn.q_proj"), (layer.mlp, "mlp.down_proj")):
                    part = key.split(".")[1]
                    adapter = LoRALinear(getattr(owner, part), rank=2, alpha=4)
                    setattr(owner, part, adapter)
                    for side in ("lora_A", "lora_B"):
                        name = f"model.layers.{i}.{key}.{side}.weight"
                        named[name] = getattr(adapter, side).weight
                        tensors[f"start.{name}"] = named[name].detach().clone()

        def logp(model):
            def of(pair):
                values = self.log_probabilities(
                    pair["prompt"], (pair["chosen"], pair["rejected"]), [images[pair["image"]]], model
                )
                return [value.sum() for value in values]

            return of

        batches = [[{**pair, "image": order[i % len(order)]} for i, pair in enumerate(batch)] for batch in batches]
        steps, gradients = ten_steps.run(batches, logp(model), logp(self.model), named)
        for name, parameter in named.items():
            if kept(name):
                tensors[f"gradient.{name}"] = gradients[name]
                tensors[f"final.{name}"] = parameter.detach().clone()
        (folder / f"{kind}.json").write_text(json.dumps(steps) + "\n")
        save_file({name: value.contiguous() for name, value in tensors.items()}, folder / f"{kind}.safetensors")


class LoRALinear(torch.nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear, self.scale = linear, alpha / rank
        self.lora_A = torch.nn.Linear(linear.in_features, rank, bias=False)
        self.lora_B = torch.nn.Linear(rank, linear.out_features, bias=False)
        torch.nn.init.zeros_(self.lora_B.weight)

    def forward(self, x):
        return self.linear(x) + self.scale * self.lora_B(self.lora_A(x))
