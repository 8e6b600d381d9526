"""Reads the output of `shapes-world export-training`, and tells which facts hold in which scenes."""

import io
import json
from pathlib import Path

import numpy as np
import torch
from PIL import Image

KINDS = ["absent", "color", "shape", "place", "size", "relation"]
SHAPES, COLORS, SIZES, PLACES = 6, 8, 2, 9


def jpeg(pixels, quality=90):
    """`pixels` after JPEG compression, as the library will read them."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer))


class World:
    """Images [n, side, side, 3], sentences with codes, and the tables that decide whether a fact is true."""

    def __init__(self, folder):
        folder = Path(folder)
        self.scenes = [json.loads(line) for line in open(folder / "scenes.jsonl")]
        raw = np.fromfile(folder / "images.bin", np.uint8)
        side = round((raw.size / 3 / len(self.scenes)) ** 0.5)
        self.images = raw.reshape(len(self.scenes), side, side, 3)
        for index in range(len(self.scenes)):
            self.images[index] = jpeg(self.images[index])
        n = len(self.scenes)
        # By colour and shape: place and size, or −1 if there is no such object. By place: shape, colour and size, or −1
        # if the place is empty.
        self.where = torch.full((n, COLORS * SHAPES), -1)
        self.size = torch.full((n, COLORS * SHAPES), -1)
        self.cells = torch.full((n, PLACES, 3), -1)
        for index, scene in enumerate(self.scenes):
            for shape, color, size, place in scene["objects"]:
                self.where[index, color * SHAPES + shape] = place
                self.size[index, color * SHAPES + shape] = size
                self.cells[index, place] = torch.tensor([shape, color, size])

    def sentences(self):
        for scene in self.scenes:
            for sentence in scene["true"] + scene["false"]:
                yield sentence["text"]

    def truth(self, rows, facts):
        """Bool [len(rows), len(facts)]: whether the fact holds in the scene."""
        where, size = self.where[rows], self.size[rows]
        codes = torch.tensor([fact + [0] * (6 - len(fact)) for fact in facts])
        result = torch.zeros(len(rows), len(facts), dtype=torch.bool)
        objects = codes[:, 0] == 0
        if objects.any():
            _, shape, color, wanted, place, _ = codes[objects].T
            key = color * SHAPES + shape
            at = where[:, key]
            result[:, objects] = (
                (at >= 0) & ((wanted < 0) | (size[:, key] == wanted)) & ((place < 0) | (at == place)))
        if (~objects).any():
            _, relation, shape, color, shape2, color2 = codes[~objects].T
            a, b = where[:, color * SHAPES + shape], where[:, color2 * SHAPES + shape2]
            both = (a >= 0) & (b >= 0)
            column, row = a % 3 - b % 3, a // 3 - b // 3
            holds = torch.stack([column < 0, column > 0, row < 0, row > 0])
            holds = holds.gather(0, relation.expand(1, len(rows), -1))[0]
            result[:, ~objects] = both & holds
        return result
