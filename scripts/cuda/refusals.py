"""What a device refuses: an error of one line, and a process that goes on."""

from __future__ import annotations

import ctypes
from collections.abc import Callable

import common
import libdama


def refused(what: str, action: Callable[[], object], says: str = "") -> None:
    """The action must raise the library's error with one line of text that has the word ``says``."""
    try:
        action()
    except libdama.DamaError as error:
        text = str(error)
        held = bool(text) and "\n" not in text and len(text) < 600 and says in text.lower()
        common.holds(what, held, text[:300].replace("\n", "⏎"))
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
        refused(f"provider {provider!r} is refused", lambda: libdama.Policy(common.LLAVA, provider=provider))
    refused("a scorer on 'cuda:99' is refused", lambda: libdama.Scorer(common.CLIP, provider="cuda:99"))
    known = common.keywords(libdama.Policy)
    if "precision" in known:
        refused(
            "precision 'float8' is refused",
            lambda: libdama.Policy(common.LLAVA, provider=device.provider, precision="float8"),
        )
    works(device, "missing devices")


class Hog:
    """All memory of a device but ``rest`` bytes, taken with the driver, as another program on the device might."""

    def __init__(self, index: int, rest: int) -> None:
        self.driver = ctypes.CDLL("libcuda.so.1")
        context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
        self.address = ctypes.c_uint64()
        self._call("cuInit", 0)
        self._call("cuDevicePrimaryCtxRetain", ctypes.byref(context), index)
        self._call("cuCtxSetCurrent", context)
        self._call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
        self._call("cuMemAlloc_v2", ctypes.byref(self.address), ctypes.c_size_t(max(free.value - rest, 1)))

    def _call(self, name: str, *arguments: object) -> None:
        status = getattr(self.driver, name)(*arguments)
        if status:
            raise SystemExit(f"{name} of the driver failed with {status}")

    def free(self) -> None:
        self._call("cuMemFree_v2", self.address)


def memory(device: common.Device) -> None:
    """More than a device has: a step of many tokens in one run, where nearly all memory is taken."""
    pair = common.fixture("parity.json")["llava"]["pairs"][0]
    given = {"image": common.picture(0), "prompt": pair["prompt"]}
    given |= {"reference_chosen": -10.0, "reference_rejected": -10.0}
    small = [{**given, "chosen": pair["chosen"], "rejected": pair["rejected"]}]
    # Some 100 tokens in each response, 512 pairs: about 100,000 tokens of 20 kB and more in each of four layers.
    long = [{**given, "chosen": " ".join([pair[side]] * 3), "rejected": " ".join([pair["rejected"]] * 3)}
            for side in ("chosen", "rejected") for _ in range(256)]  # fmt: skip
    trainer = device.trainer(device.policy(), None, libdama.AdaptiveBeta("dpo"), tokens_per_run=1 << 24)
    trainer.step(small)
    if device.provider == "cpu":
        held = trainer.step(long[::64]).updated
        common.holds("a processor takes the step", held, "memory runs out only on a device")
        return
    hog = Hog(int(device.provider.partition(":")[2] or 0), 192 << 20)
    try:
        refused("a step that does not fit is refused", lambda: trainer.step(long), says="memory")
    finally:
        hog.free()
    try:
        found = trainer.step(small)
        common.holds("the trainer goes on after it", found.updated, f"loss {found.loss:.4f}")
    except libdama.DamaError as error:
        common.holds("the trainer goes on after it", False, str(error)[:300])
    works(device, "memory ran out")


if __name__ == "__main__":
    common.main({"missing": missing, "memory": memory})
