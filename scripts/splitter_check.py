#!/usr/bin/env python3
"""How many answers of a language model that splits responses are sound, and what is wrong with the others.

    scripts/splitter_check.py build/bin/dama SPLITTER_MODEL_DIR [CLIP_DIR]          CLIP_DIR: models/shapes-clip

Runs `dama score --splitter llm` over 25 pairs of descriptions as LLaVA writes them (splitter_check.jsonl) and counts the
flags of the rows. Only the texts matter here: every pair has the same picture.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAIRS = Path(__file__).with_suffix(".jsonl")
IMAGE = ROOT / "Tests" / "DamaModelsTests" / "Fixtures" / "clip" / "wide.jpg"


def main() -> None:
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    program, splitter = sys.argv[1:3]
    scorer = sys.argv[3] if len(sys.argv) == 4 else ROOT / "models" / "shapes-clip"
    with tempfile.TemporaryDirectory() as folder:
        rows = [json.loads(line) for line in PAIRS.read_text().splitlines()]
        data, out = Path(folder) / "pairs.jsonl", Path(folder) / "scores.jsonl"
        data.write_text("".join(json.dumps({**row, "image": IMAGE.name}) + "\n" for row in rows))
        subprocess.run(
            [program, "score", "--model", scorer, "--data", data, "--image-root", IMAGE.parent, "--out", out,
             "--splitter", "llm", "--splitter-model", splitter],
            check=True,
        )  # fmt: skip
        scored = [json.loads(line) for line in out.read_text().splitlines()]
    counts: Counter[str] = Counter()
    answers = 2 * len(scored)
    for row in scored:
        for name in ("chosen", "rejected"):
            prefix = f"{name}_splitter_"
            why = {flag.removeprefix(prefix) for flag in row["flags"] if flag.startswith(prefix)} - {"fallback"}
            counts[why.pop() if why else "sound"] += 1
    print(f"{answers} answers")
    for what, count in counts.most_common():
        print(f"{count:4} {what}")
    row = scored[0]
    print("\nthe first response:", rows[0]["chosen"], *[f"  {part['text']}" for part in row["chosen"]], sep="\n")


main()
