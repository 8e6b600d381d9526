"""The step as TRL's trainer computes it: transformers' model, chosen and rejected as rows of their own, all logits."""

from __future__ import annotations

from pathlib import Path

import torch


class Trl:
    def __init__(self, folder: Path, pairs: list[dict], kind: str, device: str, dtype: torch.dtype) -> None:
        from transformers import LlamaForCausalLM

        # Weights are read to the processor: not every installation has what reading to a device needs.
        self.model = LlamaForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").to(device)
        if kind == "lora":
            from peft import LoraConfig, get_peft_model

            adapters = LoraConfig(r=16, lora_alpha=32, lora_dropout=0.0, target_modules="all-linear")
            # All in one type: PEFT's default of float32 adapters is slower.
            self.model = get_peft_model(self.model, adapters).to(dtype)
        self.model.train()
        rows = [(pair["prefix_ids"], pair[f"{side}_ids"]) for side in ("chosen", "rejected") for pair in pairs]
        length = max(len(prefix) + len(response) for prefix, response in rows)
        self.ids = torch.zeros(len(rows), length, dtype=torch.long)
        self.attention, self.responses = torch.zeros_like(self.ids), torch.zeros(len(rows), length, dtype=torch.bool)
        for i, (prefix, response) in enumerate(rows):
            end = len(prefix) + len(response)
            self.ids[i, :end] = torch.tensor(prefix + response)
            self.attention[i, :end] = 1
            self.responses[i, len(prefix) : end] = True
        self.ids, self.attention, self.responses = (x.to(device) for x in (self.ids, self.attention, self.responses))
        self.seed = torch.randn(len(rows), generator=torch.Generator().manual_seed(2)).to(device) * 0.01

    def sums(self) -> torch.Tensor:
        """log π of all chosen, then of all rejected responses."""
        logits = self.model(input_ids=self.ids, attention_mask=self.attention, use_cache=False).logits[:, :-1]
        # TRL's selective_log_softmax for 16-bit logits: row by row, in their own type.
        found = torch.stack([
            row.log_softmax(-1).gather(-1, ids[:, None])[:, 0] for row, ids in zip(logits, self.ids[:, 1:])
        ])
        return (found * self.responses[:, 1:]).sum(-1)

    def step(self) -> None:
        self.model.zero_grad(set_to_none=True)
        self.sums().backward(self.seed.to(self.model.dtype))
