"""Scores, log-probabilities and texts of the embedded models against transformers in float64."""

from __future__ import annotations

import numpy as np

import common


def clip(device: common.Device) -> None:
    expected = common.fixture("parity.json")["clip"]
    scorer = device.scorer()
    score = delta = 0.0
    for pair in expected["pairs"]:
        image = common.picture(pair["image"])
        found = scorer.score(image, pair["chosen"] + pair["rejected"])
        score = max(score, float(np.abs(found - pair["scores"]).max()))
        hardness = scorer.hardness(image, " ".join(pair["chosen"]), " ".join(pair["rejected"]))
        parts = [[part.text for part in side] for side in (hardness.chosen, hardness.rejected)]
        if parts != [pair["chosen"], pair["rejected"]]:
            common.holds("sub-sentences", False, f"{parts}")
            return
        delta = max(delta, abs(hardness.delta - pair["delta"]))
    common.report("CLIP score, largest error", score, common.limit(expected["errors"], device, "score"))
    common.report("CLIP δ, largest error", delta, common.limit(expected["errors"], device, "delta"))


def logps(device: common.Device) -> None:
    expected = common.fixture("parity.json")["llava"]
    policy = device.policy()
    limit = common.limit(expected["errors"], device)
    for name, options in (("packed", {}), ("one run a pair", {"token_budget": 1})):
        if options:
            policy = device.policy(**options)
        found = policy.logps_batch(common.with_pictures(expected["pairs"]))
        error = 0.0
        for pair, it in zip(expected["pairs"], found):
            for side in ("chosen", "rejected"):
                values, wanted = getattr(it, side).tokens, pair[f"{side}_logps"]
                if len(values) != len(wanted):
                    common.holds("number of tokens", False, f"{len(values)} instead of {len(wanted)}")
                    return
                error = max(error, float(np.abs(values - wanted).max()))
        common.report(f"log-probability of a token, {name}, largest error", error, limit)


def text(device: common.Device) -> None:
    """Greedy texts. Where a format's error exceeds the lead of the likeliest token, another one may win."""
    expected = common.fixture("parity.json")["llava"]
    policy = device.policy()
    limit = 2 * common.limit(expected["errors"], device)
    rows, equal, worst = expected["texts"], 0, 0.0
    images = [common.picture(row["image"]) for row in rows]
    batch = policy.generate([row["prompt"] for row in rows], images, max_tokens=40)
    alone = [policy.generate(row["prompt"], image, max_tokens=40) for row, image in zip(rows, images)]
    for row, *both in zip(rows, batch, alone):
        for found in both:
            tokens = found.tokens.tolist()
            ends = zip([*tokens, None], [*row["tokens"], None])
            first = next((i for i, (a, b) in enumerate(ends) if a != b), None)
            equal += first is None
            if first is not None:
                # Behind the last token only the end of the text has no lead here; it is taken as a clear one.
                leads = row["leads"]
                worst = max(worst, leads[first] if first < len(leads) else 1.0)
    note = f"{equal} of {2 * len(rows)} equal"
    common.report("greedy text, lead of a token that was not taken", worst, limit, note=note)


if __name__ == "__main__":
    common.main({"clip": clip, "logps": logps, "text": text})
