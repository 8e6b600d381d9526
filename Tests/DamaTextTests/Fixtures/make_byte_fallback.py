"""What `tokenizers` decodes runs of byte tokens to. Run by hand in the oracle environment; writes byte_fallback.json."""

import json
import random
from pathlib import Path

from tokenizers import Tokenizer

HERE = Path(__file__).parent


def main():
    draw = random.Random(3)
    results = []
    for family in ["llama2", "llama2-metaspace"]:
        tokenizer = Tokenizer.from_file(str(HERE / family / "tokenizer.json"))
        byte = [tokenizer.token_to_id(f"<0x{value:02X}>") for value in range(256)]
        words = tokenizer.encode("the red cup", add_special_tokens=False).ids
        special = tokenizer.token_to_id("</s>")
        sequences = [[byte[0x4E], byte[0xE1]], [byte[0xE1], byte[0x4E]], [byte[0x0A]], [byte[0xC3], special, byte[0xA9]]]
        for _ in range(120):
            sequence = []
            for _ in range(draw.randint(1, 6)):
                kind = draw.random()
                if kind < 0.3:
                    sequence += [byte[b] for b in draw.choice(["é", "🦜", "\n", "N", "漢"]).encode()]
                elif kind < 0.5:
                    sequence += [byte[b] for b in draw.choice(["é", "🦜", "漢"]).encode()[: draw.randint(1, 3)]]
                elif kind < 0.6:
                    sequence.append(byte[draw.randrange(256)])
                elif kind < 0.7:
                    sequence.append(special)
                else:
                    sequence.append(draw.choice(words))
            sequences.append(sequence)
        results += [
            {
                "family": family,
                "ids": ids,
                "text": tokenizer.decode(ids, skip_special_tokens=True),
                "full": tokenizer.decode(ids, skip_special_tokens=False),
            }
            for ids in sequences
        ]
    text = json.dumps(results, ensure_ascii=True).replace('{"family"', '\n{"family"')
    (HERE / "byte_fallback.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
