"""Text of transformers' LLaVA, greedy, with key-value cache."""

from __future__ import annotations

from pathlib import Path

import pictures
import torch


class Text:
    def __init__(self, folder: Path, prompts: list[str], images: list[Path], tokens: int, device: str, dtype) -> None:
        from PIL import Image
        from tokenizers import Tokenizer
        from transformers import LlavaForConditionalGeneration

        self.model = LlavaForConditionalGeneration.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa")
        self.model = self.model.to(device).eval()
        self.tokens = tokens
        config = self.model.config
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))

        def ids(prompt: str) -> list[int]:
            found = tokenizer.encode(f"USER: <image>\n{prompt} ASSISTANT:").ids
            count = config.image_seq_length
            return [j for i in found for j in ([i] * count if i == config.image_token_id else [i])]

        rows = [ids(prompt) for prompt in prompts]
        length = max(map(len, rows))
        self.ids = torch.full((len(rows), length), 535)
        self.attention = torch.zeros(len(rows), length, dtype=torch.long)
        for i, row in enumerate(rows):
            # Padding on the left.
            self.ids[i, length - len(row) :] = torch.tensor(row)
            self.attention[i, length - len(row) :] = 1
        self.ids, self.attention = self.ids.to(device), self.attention.to(device)
        processor = pictures.processor(folder)
        opened = [Image.open(image).convert("RGB") for image in images]
        self.pixels = processor(images=opened, return_tensors="pt")["pixel_values"].to(device, dtype)

    @torch.inference_mode()
    def run(self, count: int) -> list[list[int]]:
        found = self.model.generate(
            input_ids=self.ids[:count], attention_mask=self.attention[:count], pixel_values=self.pixels[:count],
            do_sample=False, max_new_tokens=self.tokens, min_new_tokens=self.tokens, pad_token_id=535,
        )  # fmt: skip
        return found[:, self.ids.shape[1] :].tolist()
