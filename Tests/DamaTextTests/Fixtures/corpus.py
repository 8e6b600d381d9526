"""The corpus of byte strings in many scripts; Corpus.swift makes the same one."""

import json
from pathlib import Path

_MASK = (1 << 64) - 1


class SplitMix64:
    """Sebastiano Vigna's generator, chosen because it is a few lines in any language."""

    def __init__(self, seed: int) -> None:
        self.state = seed & _MASK

    def next(self, bound: int) -> int:
        """A number in [0, bound). The modulo's bias does not matter here."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & _MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
        return (z ^ (z >> 31)) % bound


def _pools() -> list[dict]:
    given = json.loads((Path(__file__).parent / "corpus_pools.json").read_text())["pools"]
    return [pool for pool in given for _ in range(pool.get("weight", 1))]


def corpus(count: int, seed: int) -> list[bytes]:
    """`count` byte strings. String number i depends on seed and i alone."""
    pools = _pools()
    strings = []
    for index in range(count):
        random = SplitMix64(seed * 1_000_003 + index)
        text = b""
        for _ in range(random.next(14)):
            pool = pools[random.next(len(pools))]
            if "items" in pool:
                text += bytes.fromhex(pool["items"][random.next(len(pool["items"]))])
                continue
            ranges = pool["ranges"]
            for _ in range(1 + random.next(8)):
                low, high = ranges[random.next(len(ranges))]
                text += chr(low + random.next(high - low + 1)).encode()
        strings.append(text)
    return strings
