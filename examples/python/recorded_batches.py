#!/usr/bin/env python3
"""Runs the adaptive-β controller over batches of log-probabilities and prints how β, the mask and R̄ change.

    python examples/python/recorded_batches.py [--preset paper] [FILE]

FILE is the record of a DPO run: for each step the policy's and the reference's log-probabilities of the chosen and the
rejected responses, and the pairs' hardness δ. In your own trainer these come from your model; use `out.grad_chosen` and
`out.grad_rejected` as the gradients of the loss, or `out.beta` and `out.mask` in a loss of your own.
"""

import argparse
import json
from pathlib import Path

import numpy as np

import libdama

RECORDED = Path(__file__).parents[1] / "data" / "log_probabilities.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", nargs="?", type=Path, default=RECORDED)
    parser.add_argument("--preset", default="paper")
    parser.add_argument("--keep", type=int, default=12, help="K, the pairs kept of each batch")
    parser.add_argument("--every", type=int, default=4, help="steps between two printed lines")
    options = parser.parse_args()

    record = json.loads(options.file.read_text())
    deltas = np.array([delta for batch in record["batches"] for delta in batch["delta"]])
    controller = libdama.AdaptiveBeta(
        preset=options.preset, beta=record["beta"], keep=options.keep, momentum=0.9, seed=0
    )

    print(f"preset {options.preset}, beta {record['beta']}, mean delta {deltas.mean():.3f}")
    print("step   beta mean    min    max  alpha_M      R_bar   loss  accuracy  mask")
    for step, batch in enumerate(record["batches"]):
        # Eq. (7): hard pairs, which have a small delta, get a smaller beta.
        alpha_data = sigmoid(np.array(batch["delta"])) / sigmoid(deltas.mean())
        out = controller.step(
            np.array(batch["policy_chosen"]), np.array(batch["policy_rejected"]),
            np.array(batch["reference_chosen"]), np.array(batch["reference_rejected"]), alpha_data=alpha_data)
        controller.commit()  # after the optimizer's step
        if step % options.every == 0 or step + 1 == len(record["batches"]):
            mask = "".join("x" if kept else "." for kept in out.mask)
            beta = f"{out.beta.mean():9.4f} {out.beta.min():6.4f} {out.beta.max():6.4f}"
            print(f"{step:4d}   {beta} {out.alpha_model:8.4f} {controller.running_mean:+10.6f} {out.loss:6.4f} "
                  f"{out.accuracy:9.2f}  {mask}")


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


if __name__ == "__main__":
    main()
