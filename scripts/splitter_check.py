#!/usr/bin/env python3
"""Counts the valid answers of a language model that splits responses, and the reasons why others are refused.

    scripts/splitter_check.py build/bin/dama SPLITTER_MODEL_DIR [CLIP_DIR]          CLIP_DIR: models/shapes-clip

Runs `dama score --splitter llm` over 25 pairs of descriptions in the style of LLaVA (splitter_check.jsonl) and counts
the flags of the rows. Valid answers are divided into those left whole, those with at most as many parts as sentences,
and those split further, into facts.

Only the texts matter: every pair has the same picture, and CLIP's weights have no influence. Its tokenizer has, because
it limits the length of a sub-sentence. The tokenizer of models/shapes-clip knows only the words of the world of shapes
and splits all others into letters; `Tests/Torch/random_clip.py DIR` writes a model with CLIP's own tokenizer.
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
             "--splitter", "llm", "--splitter-model", splitter, "--splitter-template", "chatml"],
            check=True,
        )  # fmt: skip
        scored = [json.loads(line) for line in out.read_text().splitlines()]
    failures: Counter[str] = Counter()
    divisions: Counter[str] = Counter()
    for source, row in zip(rows, scored):
        for name in ("chosen", "rejected"):
            prefix = f"{name}_splitter_"
            why = {flag.removeprefix(prefix) for flag in row["flags"] if flag.startswith(prefix)} - {"fallback"}
            if why:
                failures[why.pop()] += 1
                continue
            parts, sentences = len(row[name]), source[name].count(". ") + 1
            divisions["whole" if parts == 1 else "sentences" if parts <= sentences else "facts"] += 1
    print(f"{2 * len(scored)} answers, {divisions.total()} of them valid")
    print("valid: " + ", ".join(f"{count} {what}" for what, count in divisions.most_common()))
    print("refused: " + ", ".join(f"{count} {what}" for what, count in failures.most_common()))
    row = scored[0]
    print("\nthe first response:", rows[0]["chosen"], *[f"  {part['text']}" for part in row["chosen"]], sep="\n")


main()
