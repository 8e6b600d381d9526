"""What a device refuses: an error of one line, and a process that goes on."""

from __future__ import annotations

from collections.abc import Callable

import common
import dama


def refused(what: str, action: Callable[[], object], kinds: tuple[type[BaseException], ...] = (dama.DamaError,)) -> None:
    """The action must raise one of ``kinds`` with one line of text."""
    try:
        action()
    except kinds as error:
        text = str(error)
        common.holds(what, bool(text) and "\n" not in text and len(text) < 600, text[:300].replace("\n", "⏎"))
    else:
        common.holds(what, False, "it was accepted")


def works(device: common.Device, after: str) -> None:
    """The process goes on: the same device computes what it has to."""
    pair = common.fixture("parity.json")["llava"]["pairs"][0]
    image, wanted = common.picture(pair["image"]), sum(pair["chosen_logps"])
    found = device.policy().logps(image, pair["prompt"], pair["chosen"], pair["rejected"]).chosen.sum
    common.holds(f"works after {after}", abs(found - wanted) < 2.0, f"log π {found:.3f}, expected {wanted:.3f}")


def missing(device: common.Device) -> None:
    """A device that is not there, and names that are none."""
    for provider in ("cuda:99", "cuda:-1", "cuda:x", "gpu"):
        refused(f"provider {provider!r} is refused", lambda: dama.Policy(common.LLAVA, provider=provider))
    refused("a scorer on 'cuda:99' is refused", lambda: dama.Scorer(common.CLIP, provider="cuda:99"))
    known = common.keywords(dama.Policy)
    if "precision" in known:
        refused(
            "precision 'float8' is refused",
            lambda: dama.Policy(common.LLAVA, provider=device.provider, precision="float8"),
        )
    works(device, "missing devices")


def memory(device: common.Device) -> None:
    """More than a device has: a run of many tokens."""
    if device.provider == "cpu":
        common.holds("out of memory", True, "only tried on a device")
        return
    # 500 tokens a pair and 4,000 pairs in one run: the scores of attention alone would take 4,000 · 6 · 500² · 4 layers
    # numbers, the values that backward needs more than 100 GB.
    pair = common.fixture("parity.json")["llava"]["pairs"][0]
    answer = " ".join([pair["chosen"]] * 10)
    batch = [
        {"image": common.picture(0), "prompt": pair["prompt"], "chosen": answer, "rejected": pair["rejected"] + " " + answer,
         "reference_chosen": -10.0, "reference_rejected": -10.0}
    ] * 6000  # fmt: skip
    trainer = device.trainer(device.policy(), None, dama.AdaptiveBeta("dpo"), tokens_per_run=1 << 30)
    refused("a step of 6,000 pairs in one run is refused", lambda: trainer.step(batch))
    small = [{**batch[0], "chosen": pair["chosen"], "rejected": pair["rejected"]}]
    try:
        found = trainer.step(small)
        common.holds("the trainer goes on after it", found.updated, f"loss {found.loss:.4f}")
    except dama.DamaError as error:
        common.holds("the trainer goes on after it", False, str(error)[:300])
    works(device, "a run that was too large")


if __name__ == "__main__":
    common.main({"missing": missing, "memory": memory})
