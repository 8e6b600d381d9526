"""The fastest form of the step that we found in torch: both responses of a pair behind one prefix, with a mask.

A Llama decoder written out over a dictionary of weights: scaled_dot_product_attention with the mask, only the rows that
predict response tokens through the last norm and the LM head. Runs eagerly or compiled.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from torch.nn import functional

RANK, ALPHA = 16, 32.0
LINEAR = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def weights(folder: Path, device: str, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """The decoder's weights by their names in a text-only model."""
    from safetensors import safe_open

    found = {}
    with safe_open(folder / "model.safetensors", "pt", device=device) as file:
        for name in file.keys():
            if name.startswith(("language_model.", "model.", "lm_head.")):
                found[name.removeprefix("language_model.")] = file.get_tensor(name).to(dtype)
    return found


class Packed:
    """``kind`` is "lora" (all linear layers, rank 16), "full", or "none" for log-probabilities alone."""

    def __init__(
        self, folder: Path, pairs: list[dict], kind: str, device: str, dtype: torch.dtype, shared: dict | None = None
    ) -> None:
        config = json.loads((folder / "config.json").read_text())
        config = config.get("text_config", config)
        self.heads, self.layers = config["num_attention_heads"], config["num_hidden_layers"]
        self.size, self.epsilon = config["head_dim"], config["rms_norm_eps"]
        self.kind, self.device, self.dtype = kind, device, dtype
        self.weights = dict(weights(folder, device, dtype) if shared is None else shared)
        self.trained: list[torch.Tensor] = []
        if kind == "full":
            for name, value in self.weights.items():
                self.weights[name] = value.detach().requires_grad_(True)
            self.trained = list(self.weights.values())
        elif kind == "lora":
            self._adapters()
        self._pack(pairs)

    def _adapters(self) -> None:
        torch.manual_seed(1)
        for name in [name for name in self.weights if name.split(".")[-2] in LINEAR]:
            out, into = self.weights[name].shape
            a = torch.randn(RANK, into, device=self.device, dtype=self.dtype) * into**-0.5
            # Zeros, as training starts: the log-probabilities are those of the model.
            b = torch.zeros(out, RANK, device=self.device, dtype=self.dtype)
            module = name.removesuffix(".weight")
            self.weights[f"{module}.a"], self.weights[f"{module}.b"] = a.requires_grad_(True), b.requires_grad_(True)
            self.trained += [a, b]

    def _pack(self, pairs: list[dict]) -> None:
        rows = [pair["prefix_ids"] + pair["chosen_ids"] + pair["rejected_ids"] for pair in pairs]
        # A multiple of 8 keys, for the tensor-core kernels.
        length = -(-max(map(len, rows)) // 8) * 8
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        positions = torch.zeros(len(rows), length, dtype=torch.long)
        mask = torch.zeros(len(rows), 1, length, length, dtype=torch.bool)
        # No row without a key: softmax over nothing is NaN.
        mask[..., 0] = True
        predicting, targets, owner = [], [], []
        for i, pair in enumerate(pairs):
            a = len(pair["prefix_ids"])
            b, c = a + len(pair["chosen_ids"]), len(rows[i])
            ids[i, :c] = torch.tensor(rows[i])
            positions[i, :c] = torch.cat([torch.arange(b), torch.arange(a, a + c - b)])
            mask[i, 0, :c, :c] = torch.ones(c, c, dtype=torch.bool).tril()
            mask[i, 0, b:c, a:b] = False
            for side, (start, end) in enumerate(((a, b), (b, c))):
                predicting += [i * length + (j - 1 if j > start else a - 1) for j in range(start, end)]
                targets += rows[i][start:end]
                owner += [side * len(rows) + i] * (end - start)
        # Image tokens stand for features that are given: any row of the table costs the same.
        table = self.weights["model.embed_tokens.weight"]
        self.ids = ids.clamp(max=len(table) - 1).to(self.device)
        lowest = torch.finfo(self.dtype).min
        self.mask = torch.zeros(mask.shape, dtype=self.dtype).masked_fill(~mask, lowest).to(self.device)
        self.predicting, self.targets, self.owner = (
            torch.tensor(it, device=self.device) for it in (predicting, targets, owner)
        )
        inverse = 10000.0 ** (-torch.arange(0, self.size, 2).float() / self.size)
        angles = positions[..., None].float() * inverse
        self.cosine, self.sine = (f(angles).to(self.device, self.dtype)[:, None] for f in (torch.cos, torch.sin))
        self.pairs = len(pairs)
        self.seed = torch.randn(len(targets), generator=torch.Generator().manual_seed(2)).to(self.device) * 0.01

    def linear(self, x: torch.Tensor, module: str) -> torch.Tensor:
        y = functional.linear(x, self.weights[f"{module}.weight"])
        if f"{module}.a" in self.weights:
            down = functional.linear(x, self.weights[f"{module}.a"])
            y = y + ALPHA / RANK * functional.linear(down, self.weights[f"{module}.b"])
        return y

    def norm(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return functional.rms_norm(x, x.shape[-1:], self.weights[f"{name}.weight"], self.epsilon)

    def rotate(self, x: torch.Tensor) -> torch.Tensor:
        a, b = x.chunk(2, -1)
        return torch.cat([a * self.cosine - b * self.sine, b * self.cosine + a * self.sine], -1)

    def forward(self) -> torch.Tensor:
        """The log-probability of each response token."""
        x = functional.embedding(self.ids, self.weights["model.embed_tokens.weight"])
        batch, length, hidden = x.shape
        for layer in range(self.layers):
            name = f"model.layers.{layer}"
            y = self.norm(x, f"{name}.input_layernorm")
            shape = (batch, length, self.heads, self.size)
            q, k, v = (
                self.linear(y, f"{name}.self_attn.{part}_proj").view(shape).transpose(1, 2) for part in "qkv"
            )
            attended = functional.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, attn_mask=self.mask)
            attended = attended.transpose(1, 2).reshape(batch, length, hidden)
            x = x + self.linear(attended, f"{name}.self_attn.o_proj")
            y = self.norm(x, f"{name}.post_attention_layernorm")
            gate = functional.silu(self.linear(y, f"{name}.mlp.gate_proj"))
            x = x + self.linear(gate * self.linear(y, f"{name}.mlp.up_proj"), f"{name}.mlp.down_proj")
        rows = self.norm(x.reshape(batch * length, hidden)[self.predicting], "model.norm")
        logits = functional.linear(rows, self.weights["lm_head.weight"]).float()
        return torch.log_softmax(logits, -1).gather(1, self.targets[:, None])[:, 0]

    def sums(self, values: torch.Tensor) -> list[float]:
        """log π of all chosen, then of all rejected responses."""
        found = torch.zeros(2 * self.pairs, device=values.device).index_add(0, self.owner, values.detach())
        return found.tolist()

    def runs(self, compiled: bool):
        """A function that runs forward, and one that runs forward and backward."""
        forward = torch.compile(self.forward, dynamic=False) if compiled else self.forward

        def without() -> torch.Tensor:
            with torch.no_grad():
                return forward()

        def both() -> torch.Tensor:
            for parameter in self.trained:
                parameter.grad = None
            values = forward()
            values.backward(self.seed)
            return values

        return without, both
