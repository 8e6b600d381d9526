"""What the checks share: results, how models are opened, the fixtures, and limits."""

from __future__ import annotations

import inspect
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

import libdama

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = Path(__file__).resolve().parent / "fixtures"
CLIP, LLAVA = ROOT / "models" / "shapes-clip", ROOT / "models" / "shapes-llava"

#: A limit is this multiple of what the format alone does to the same computation in torch (fixtures/rounding.py). That
#: error is the largest of one set of roundings; another order of operations gives another set, and a program also
#: stores values inside attention, which the model of roundings does not see.
MARGIN = 4.0


def report(what: str, value: float, limit: float, unit: str = "", note: str = "") -> None:
    """One result: it holds if ``value`` is at most ``limit``. NaN never does."""
    held = bool(value <= limit)
    line = {"what": what, "value": float(value), "limit": float(limit), "unit": unit, "note": note, "held": held}
    # The reader takes lines with this mark; whatever else a library prints is no result.
    print("@" + json.dumps(line), flush=True)


def holds(what: str, held: bool, note: str = "") -> None:
    """A result that has no number."""
    line = {"what": what, "value": None, "limit": None, "unit": "", "note": note, "held": bool(held)}
    print("@" + json.dumps(line), flush=True)


class Device:
    """The provider and precision of a check."""

    def __init__(self, provider: str, precision: str | None) -> None:
        self.provider, self.precision = provider, precision

    @property
    def format(self) -> str:
        """The format whose roundings limit the result: float32 products on a device are of TF32."""
        name = self.precision or ("float32" if self.provider == "cpu" else "bfloat16")
        return "tf32" if name == "float32" and self.provider != "cpu" else name

    def options(self, kind: Any) -> dict[str, Any]:
        """The keywords of ``kind`` for this device. A precision that the library does not know is an error."""
        options: dict[str, Any] = {}
        known = keywords(kind)
        if "provider" in known:
            options["provider"] = self.provider
        if self.precision is not None and "precision" in known:
            options["precision"] = self.precision
        elif self.precision is not None and "provider" in known:
            raise SystemExit(f"{kind.__name__} of this library has no option `precision`")
        return options

    def policy(self, folder: Path = LLAVA, **options: Any) -> libdama.Policy:
        return libdama.Policy(folder, **self.options(libdama.Policy), **options)

    def scorer(self, folder: Path = CLIP, **options: Any) -> libdama.Scorer:
        return libdama.Scorer(folder, **self.options(libdama.Scorer), **options)

    def trainer(self, policy: libdama.Policy, *arguments: Any, **options: Any) -> libdama.Trainer:
        return libdama.Trainer(policy, *arguments, **self.options(libdama.Trainer), **options)

    def job(self) -> dict[str, Any]:
        """The fields of a configuration of the train job."""
        return {"provider": self.provider, **({} if self.precision is None else {"precision": self.precision})}


def keywords(kind: Any) -> set[str]:
    return set(inspect.signature(kind.__init__).parameters)


def limit(errors: dict[str, Any], device: Device, key: str | None = None) -> float:
    """The limit for ``device``: MARGIN times the format's error."""
    found = errors[device.format]
    return MARGIN * (found if key is None else found[key])


def fixture(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def picture(number: int) -> Path:
    return FIXTURES / f"{number}.png"


def with_pictures(pairs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**pair, "image": picture(pair["image"])} for pair in pairs]


def tensors(path: Path) -> dict[str, np.ndarray]:
    """A safetensors file of float32 tensors."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    return {
        name: np.frombuffer(data, np.float32, (it["data_offsets"][1] - it["data_offsets"][0]) // 4,
                            8 + size + it["data_offsets"][0]).reshape(it["shape"])
        for name, it in header.items()
    }  # fmt: skip


def scratch() -> Path:
    """A folder for large files: in memory where there is room."""
    return Path(os.environ["DAMA_CHECK_SCRATCH"])


def main(checks: dict[str, Any]) -> None:
    """Runs one check of a file: NAME PROVIDER PRECISION, where "-" is the library's default precision."""
    name, provider, precision = sys.argv[1:4]
    checks[name](Device(provider, None if precision == "-" else precision))
