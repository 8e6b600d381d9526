"""Pairs with exact numbers of tokens, made by trying lengths with the tokenizer; photographs."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import shapes

TEXT_ONLY = "USER: {question} ASSISTANT: {response}{end}"
WITH_IMAGE = "USER: {image}\n{question} ASSISTANT: {response}{end}"
CANDIDATES = (
    "red blue green yellow purple orange white black small large circle square triangle star cross ring a the at top "
    "bottom left right middle of there is above below in image and"
).split()


class Words:
    """The embedded LLaVA's tokenizer."""

    def __init__(self, image_tokens: int) -> None:
        from tokenizers import Tokenizer

        self.tokenizer = Tokenizer.from_file(str(shapes.LLAVA / "tokenizer.json"))
        self.image_tokens = image_tokens
        base = len(self.ids("a a"))
        self.single = [word for word in CANDIDATES if len(self.ids(f"a {word} a")) == base + 1]

    def ids(self, text: str) -> list[int]:
        found = self.tokenizer.encode(text).ids
        return [j for i in found for j in ([i] * self.image_tokens if i == shapes.IMAGE else [i])]


def text_with(count: int, length, words: list[str], rng: random.Random) -> str:
    """A text of random words for which ``length`` gives exactly ``count``."""
    chosen = [rng.choice(words)]
    for _ in range(1000):
        missing = count - length(" ".join(chosen))
        if missing == 0:
            return " ".join(chosen)
        if missing > 0:
            chosen += rng.choices(words, k=missing)
        else:
            del chosen[missing:]
        if not chosen:
            break
    raise ValueError(f"no text of {count} tokens was found")


def pairs(count: int, before: int, response: int, vocabulary: int, image_tokens: int = 0, seed: int = 0) -> list[dict]:
    """Pairs with ``before`` tokens before the responses and ``response`` tokens, the end included, in each response.

    Each has its texts, its token ids, and for the reference the log-probabilities of uniform predictions, which are
    close to a random model's, so that the loss is moderate.
    """
    words, rng = Words(image_tokens), random.Random(seed)

    def prompt(question: str) -> str:
        return f"USER: <image>\n{question} ASSISTANT:" if image_tokens else f"USER: {question} ASSISTANT:"

    found = []
    for _ in range(count):
        question = text_with(before, lambda text: len(words.ids(prompt(text))), words.single, rng)
        text = prompt(question)
        prefix = words.ids(text)
        pair = {"prompt": question, "prefix_ids": prefix}
        for side in ("chosen", "rejected"):

            def length(answer: str) -> int:
                return len(words.ids(f"{text} {answer}</s>")) - len(prefix)

            pair[side] = text_with(response, length, words.single, rng)
            ids = words.ids(f"{text} {pair[side]}</s>")
            if ids[: len(prefix)] != prefix:
                raise ValueError("the tokenizer joins the prompt to the response")
            pair[f"{side}_ids"] = ids[len(prefix) :]
            pair[f"reference_{side}"] = -response * math.log(vocabulary)
        found.append(pair)
    return found


def write(path: Path, rows: list[dict]) -> None:
    path.write_text(json.dumps(rows))


def photograph(number: int, path: Path, size: tuple[int, int] = (640, 480)) -> None:
    """A JPEG with the detail of a photograph: smooth parts, edges and noise; no two are alike."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(number)
    small = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    medium = Image.fromarray(rng.integers(0, 256, (60, 80, 3), dtype=np.uint8))
    parts = [np.asarray(one.resize(size, Image.Resampling.BICUBIC), np.float32) for one in (small, medium)]
    noise = rng.normal(0, 6, (size[1], size[0], 1)).astype(np.float32)
    pixels = np.clip(0.7 * parts[0] + 0.3 * parts[1] + noise, 0, 255).astype(np.uint8)
    Image.fromarray(pixels).save(path, quality=90)
