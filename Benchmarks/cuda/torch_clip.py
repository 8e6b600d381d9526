"""δ of pairs from JPEG files with transformers' CLIP, images prepared by its processor in threads."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pictures
import torch


class Clip:
    def __init__(self, folder: Path, device: str, dtype: torch.dtype) -> None:
        from tokenizers import Tokenizer
        from transformers import CLIPModel

        self.model = CLIPModel.from_pretrained(folder, dtype=dtype, attn_implementation="sdpa").to(device).eval()
        self.processor = pictures.processor(folder)
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding(pad_id=624, pad_token="<|endoftext|>")
        self.device, self.dtype = device, dtype
        self.threads = ThreadPoolExecutor(len(os.sched_getaffinity(0)))

    def pixels(self, path: Path) -> torch.Tensor:
        from PIL import Image

        return self.processor(images=Image.open(path).convert("RGB"), return_tensors="pt")["pixel_values"][0]

    @torch.inference_mode()
    def batch(self, rows: list[dict], pixels: list[torch.Tensor]) -> list[float]:
        images = torch.stack(pixels).to(self.device, self.dtype)
        texts = [text for row in rows for text in row["chosen_parts"] + row["rejected_parts"]]
        found = self.tokenizer.encode_batch(texts)
        ids = torch.tensor([one.ids for one in found], device=self.device)
        attention = torch.tensor([one.attention_mask for one in found], device=self.device)
        logits = self.model(input_ids=ids, attention_mask=attention, pixel_values=images).logits_per_image.double()
        deltas, start = [], 0
        for i, row in enumerate(rows):
            middle = start + len(row["chosen_parts"])
            end = middle + len(row["rejected_parts"])
            p = torch.softmax(logits[i, start:end], 0)
            deltas.append(p[: middle - start].sum() - p[middle - start :].sum())
            start = end
        return torch.stack(deltas).tolist()

    def run(self, rows: list[dict], size: int) -> list[float]:
        """The next batch's images are prepared while the device computes."""
        waiting = [self.threads.submit(self.pixels, row["image"]) for row in rows]
        found = []
        for i in range(0, len(rows), size):
            found += self.batch(rows[i : i + size], [one.result() for one in waiting[i : i + size]])
        return found


def decode(rows: list[dict], threads: int) -> None:
    """Only decodes the files, in threads: no program that reads them is faster with the same decoder."""
    from PIL import Image

    def one(row: dict) -> None:
        Image.open(row["image"]).convert("RGB")

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(one, rows))
