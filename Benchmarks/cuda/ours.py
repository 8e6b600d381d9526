"""One row of the table with libdama, in a process of its own: ours.py ROW JSON, where JSON has the row's inputs.

Prints a line @JSON with seconds and what the row compares.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

import timing

import libdama


def keywords(kind: Any, it: dict) -> dict[str, Any]:
    """The keywords for the device: a precision only where one is given and known."""
    known = inspect.signature(kind.__init__).parameters
    found = {"provider": it["provider"]} if "provider" in known else {}
    if it.get("precision") is not None:
        if "precision" in known:
            found["precision"] = it["precision"]
        elif "provider" in known:
            raise SystemExit(f"{kind.__name__} of this library has no option `precision`")
    return found


def trainable(kind: str) -> Any:
    return libdama.LoRA(rank=16, alpha=32.0, targets=["all-linear"]) if kind == "lora" else "full"


def sums(found: list[libdama.PairLogps]) -> list[float]:
    return [pair.chosen.sum for pair in found] + [pair.rejected.sum for pair in found]


def policy(it: dict, **more: Any) -> libdama.Policy:
    return libdama.Policy(it["folder"], template=it["template"], **keywords(libdama.Policy, it), **more)


def step(it: dict) -> dict:
    """Forward and backward, and the whole step, of ``kind`` on all pairs."""
    pairs = json.loads(Path(it["pairs"]).read_text())
    options = {"learning_rate": 1e-6, "tokens_per_run": it.get("tokens_per_run", 4096), **it.get("options", {})}
    trainer = libdama.Trainer(
        policy(it), None, libdama.AdaptiveBeta("dpo", beta=0.1), trainable=trainable(it["kind"]),
        **keywords(libdama.Trainer, it), **options,
    )  # fmt: skip
    found: dict[str, Any] = {}
    if it.get("parts", True):
        found["logps"] = sums(trainer.forward(pairs))
        seeds = [0.01] * len(pairs), [-0.01] * len(pairs)

        def both() -> None:
            trainer.forward(pairs)
            trainer.backward(*seeds)

        found["forward"], _ = timing.median(lambda: trainer.forward(pairs))
        found["both"], found["repeats"] = timing.median(both)
        trainer.zero_grad()
    phases: list[dict[str, float]] = []
    found["step"], repeats = timing.median(lambda: phases.append(trainer.step(pairs).seconds))
    found.setdefault("repeats", repeats)
    found["phases"] = phases[-1]
    return found


def logps(it: dict) -> dict:
    pairs = json.loads(Path(it["pairs"]).read_text())
    opened = policy(it)
    results: list[list[libdama.PairLogps]] = []
    seconds, repeats = timing.median(lambda: results.append(opened.logps_batch(pairs)))
    return {"seconds": seconds, "repeats": repeats, "logps": sums(results[-1])}


def text(it: dict) -> dict:
    opened = policy(it)
    found: dict[str, Any] = {}
    for count in it["counts"]:
        prompts, images = it["prompts"][:count], [Path(image) for image in it["images"][:count]]
        texts: list[list[libdama.Generated]] = []
        found[str(count)], found["repeats"] = timing.median(
            lambda: texts.append(opened.generate(prompts, images, max_tokens=it["tokens"]))
        )
        found[f"tokens {count}"] = [one.tokens.tolist() for one in texts[-1]]
    return found


def clip(it: dict) -> dict:
    """The job from a file of pairs to a file of δ."""
    scorer = libdama.Scorer(it["folder"], **keywords(libdama.Scorer, it))
    rows = [json.loads(line) for line in Path(it["data"]).read_text().splitlines()]
    deltas: list[float] = []
    with tempfile.TemporaryDirectory(dir=os.path.dirname(it["data"])) as folder:
        count = 0

        def run() -> None:
            nonlocal count, deltas
            count += 1
            output = Path(folder) / f"{count}.jsonl"
            result = libdama.score_dataset(scorer, it["data"], output)
            if result.rows_scored != len(rows):
                raise SystemExit(f"{result.rows_scored} of {len(rows)} rows were scored")
            deltas = [json.loads(line)["delta"] for line in output.read_text().splitlines()]

        seconds, repeats = timing.median(run)
    return {"seconds": seconds, "repeats": repeats, "pairs": len(rows), "deltas": deltas}


if __name__ == "__main__":
    rows = {"step": step, "logps": logps, "text": text, "clip": clip}
    print("@" + json.dumps(rows[sys.argv[1]](json.loads(sys.argv[2]))), flush=True)
