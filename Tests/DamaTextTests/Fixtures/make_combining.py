"""Long runs of combining marks and their normal forms by Python's unicodedata. Writes combining.json."""

import json
import random
import unicodedata
from pathlib import Path

MARKS = [0x301, 0x323, 0x344, 0xF71, 0xF72, 0xF74, 0x327, 0x345, 0x340, 0x3099, 0x93C, 0x5B0, 0x1D165, 0x334]
BASES = ["", "a", "e\u0301", "\u0f73x", "한", "か", "q"]


def main():
    draw = random.Random(1)
    rows = []
    for length in [1, 5, 30, 33, 34, 100, 400]:
        for base in BASES:
            text = base + "".join(chr(draw.choice(MARKS)) for _ in range(length)) + "é\u0323z"
            rows.append([text, unicodedata.normalize("NFC", text), unicodedata.normalize("NFD", text)])
    Path(__file__).with_name("combining.json").write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
