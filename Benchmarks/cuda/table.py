#!/usr/bin/env python3
"""Speed on a CUDA device: libdama beside torch in the same run, each row as soon as it is there and the table at the
end.

    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python python Benchmarks/cuda/table.py [--provider cuda] [ROW…]

Needs torch, transformers, peft, safetensors, tokenizers and Pillow, no network; docs/cuda.md says what else. Weights
are random: speed does not depend on their values. Figures are medians of 7 repeats after 3 warm-ups (5 or 3
repeats after one where a run takes more than 0.4 s or 1.5 s), with the device synchronised. `--provider cpu` runs tiny
models, to test the script.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import processes  # noqa: E402
import rows  # noqa: E402
import texts  # noqa: E402


@dataclass
class Row:
    name: str
    unit: str
    ours: float | None = None
    torch: dict[str, float | None] = field(default_factory=dict)
    #: Whether larger numbers are better.
    rate: bool = False
    #: The least ratio to each form of torch, or the least figure.
    target: str = ""
    met: bool | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """How many times as fast as the fastest form of torch."""
        others = [value for value in self.torch.values() if value]
        return min(map(self.ratio_to, others)) if others and self.ours else None

    def ratio_to(self, other: float) -> float:
        ours = self.ours or 0.0
        return ours / other if self.rate else other / ours if ours else 0.0

    def line(self) -> str:
        ours = "failed" if self.ours is None else f"{self.ours:.1f}"
        figures = {name: "failed" if value is None else f"{value:.1f}" for name, value in self.torch.items()}
        torch = ", ".join(f"{name} {figure}" for name, figure in figures.items())
        ratio = "–" if self.ratio is None else f"{self.ratio:.2f}"
        met = {None: "", True: "met", False: "missed"}[self.met]
        return f"{self.name} | {ours} {self.unit} | {torch or '–'} | {ratio} | {self.target} {met} | {self.note}"


HEADER = "row | libdama | torch | times as fast as the fastest | target | notes"


def _notes(*parts: str | None) -> str:
    return "; ".join(part for part in parts if part)


def _gib(found: dict) -> str:
    return "" if found.get("gib") is None else f"{found['gib']:.1f} GiB of the device"


def _against(row: Row, least: dict[str, float]) -> Row:
    """Sets the target: the least ratio to each of these forms of torch, of which one may not have been measured."""
    row.target = "≥ " + ", ".join(f"{ratio:g} × {name}" for name, ratio in least.items())
    found = {name: row.torch.get(name) for name in least}
    known = {name: row.ratio_to(value) for name, value in found.items() if value}
    row.met = None if row.ours is None or not known else all(known[name] >= least[name] for name in known)
    return row


def step(it: rows.Setting, kind: str) -> Iterator[Row]:
    """Forward and backward at 7B width, four layers, four pairs of 624 + 100 + 100 tokens."""
    pairs, folder = str(it.step_pairs()), str(it.model("llama-7b-4"))
    ours = it.ours("step", 90, folder=folder, pairs=pairs, kind=kind, template=texts.TEXT_ONLY)
    packed = it.ask(60, do="packed_row", kind=kind)
    trl = it.ask(60, do="trl", folder=folder, pairs=pairs, kind=kind, dtype=it.dtype)
    tokens = 12 if it.tiny else 100
    each = {"libdama": ours, "packed": packed, "TRL": trl}
    errors = [f"{who}: {found['error']}" for who, found in each.items() if "error" in found]
    row = Row(
        f"step at 7B width, {kind}: forward + backward", "ms", rows.milliseconds(ours, "both"),
        {"as TRL": rows.milliseconds(trl, "seconds"), "packed": rows.milliseconds(packed, "eager"),
         **({"compiled": rows.milliseconds(packed, "compiled")} if it.options["compile"] else {})},
        note=_notes(f"forward {1e3 * ours['forward']:.1f}" if "forward" in ours else None, _gib(ours),
                    rows.differences(ours, packed, tokens), it.problem, *errors),
    )  # fmt: skip
    yield _against(row, {"as TRL": 2.0, "packed": 1.0})
    if "step" in ours:
        phases = ", ".join(f"{name} {1e3 * value:.1f}" for name, value in ours["phases"].items() if value >= 5e-5)
        yield Row(f"step at 7B width, {kind}: with update", "ms", 1e3 * ours["step"], note=phases)


def logps(it: rows.Setting) -> Iterator[Row]:
    pairs, folder = str(it.step_pairs()), str(it.model("llama-7b-4"))
    ours = it.ours("logps", 60, folder=folder, pairs=pairs, template=texts.TEXT_ONLY)
    packed = it.ask(60, do="packed_row", kind="none")
    trl = it.ask(60, do="trl", folder=folder, pairs=pairs, kind="none", dtype=it.dtype)
    errors = [found["error"] for found in (ours, packed, trl) if "error" in found]
    yield _against(Row(
        "log-probabilities at 7B width", "ms", rows.milliseconds(ours, "seconds"),
        {"as TRL": rows.milliseconds(trl, "seconds"), "packed": rows.milliseconds(packed, "eager"),
         **({"compiled": rows.milliseconds(packed, "compiled")} if it.options["compile"] else {})},
        note=_notes(rows.differences(ours, packed, 12 if it.tiny else 100), *errors),
    ), {"compiled": 1.0})  # fmt: skip


def seven(it: rows.Setting, kind: str, activations: str = "keep") -> Iterator[Row]:
    """A step of LLaVA-1.5-7B's shapes: tower and all layers, 16 pairs, the reference's log-probabilities given."""
    it.ask(30, do="free")
    pairs, folder = str(it.image_pairs()), str(it.model("llava-7b"))
    options = {"activations": activations, "offload": kind == "full"}
    ours = it.ours(
        "step", 120 if kind == "lora" else 240, folder=folder, pairs=pairs, kind=kind, template=texts.WITH_IMAGE,
        parts=False, options=options
    )
    count = 2 if it.tiny else 16
    note = [_gib(ours)]
    if "offload" in ours.get("error", ""):
        note = ["this library has no option `offload`"]
    elif "error" in ours:
        note = [ours["error"]]
    elif "phases" in ours:
        note.append(", ".join(f"{name} {value:.2f} s" for name, value in ours["phases"].items() if value >= 5e-3))
    torch: dict[str, float | None] = {}
    if kind == "lora" and activations == "keep":
        other = it.ask(60, do="chunks", folder=folder, pairs=pairs, kind=kind, dtype=it.dtype, chunk=min(4, count))
        torch["packed, no tower"] = count / other["seconds"] if "seconds" in other else None
        note.append(f"torch: {other['error']}" if "error" in other else "")
    settings = kind if activations == "keep" else f"{kind}, {activations}"
    row = Row(
        f"LLaVA-1.5-7B, {settings}, step of {count} pairs", "pairs/s", count / ours["step"] if "step" in ours else None,
        torch, rate=True, note=_notes(*note),
    )  # fmt: skip
    least = 3 if kind == "full" else 10 if activations == "keep" else 8
    row.target = f"≥ {least} pairs/s"
    row.met = None if row.ours is None else row.ours >= least
    yield row


def clip(it: rows.Setting, model: str) -> Iterator[Row]:
    count = 12 if it.tiny else 256
    data, folder = str(it.scored(count)), str(it.model(model))
    dtype = "float32" if it.cpu else "float16"
    ours = it.ours("clip", 60, folder=folder, data=data)
    other = it.ask(60, do="clip", folder=folder, data=data, dtype=dtype, batches=[4] if it.tiny else [32, 128])
    decoding = it.ask(30, do="decode", data=data)
    errors = [found["error"] for found in (ours, other, decoding) if "error" in found]
    apart = [abs(a - b) for a, b in zip(ours.get("deltas", []), other.get("deltas", []))]
    limit = f"decoding alone {count / decoding['seconds']:.0f}" if "seconds" in decoding else ""
    yield _against(Row(
        f"{model}, JPEG to δ", "pairs/s", count / ours["seconds"] if "seconds" in ours else None,
        {f"transformers {dtype}": count / other["seconds"] if "seconds" in other else None}, rate=True,
        note=_notes(limit, f"δ apart by {max(apart):.1e}" if apart else "", _gib(ours), *errors),
    ), {f"transformers {dtype}": 2.5})  # fmt: skip


def text(it: rows.Setting) -> Iterator[Row]:
    tokens, counts = (6, [1, 2]) if it.tiny else (128, [1, 32])
    folder = str(it.model("llava-1.4b"))
    images = [str(image) for image in it.images(counts[-1])]
    questions = [f"{pair['prompt']}" for pair in texts.pairs(counts[-1], 30, 8, 640)]
    common = {"folder": folder, "prompts": questions, "images": images, "tokens": tokens, "counts": counts}
    ours = it.ours("text", 60, template=texts.WITH_IMAGE, **common)
    other = it.ask(90, do="text", dtype=it.dtype, **common)
    errors = [found["error"] for found in (ours, other) if "error" in found]
    for count in counts:
        mine, theirs = (found.get(f"tokens {count}", []) for found in (ours, other))
        short = any(len(one) < tokens for one in mine)
        same = f"{sum(a == b for a, b in zip(mine, theirs))} of {count} texts equal" if mine and theirs else ""
        yield _against(Row(
            f"LLaVA of 1.4 B, {tokens} tokens, {count} prompt{'s' if count > 1 else ''}", "tokens/s",
            count * tokens / ours[str(count)] if str(count) in ours else None,
            {"transformers": count * tokens / other[str(count)] if str(count) in other else None}, rate=True,
            note=_notes("a text ended early" if short else "", same, _gib(ours), *errors),
        ), {"transformers": 4.0 if count == 1 else 2.0})  # fmt: skip


#: In the order of their importance, with the seconds that each is given at least.
ROWS: dict[str, tuple[Callable[[rows.Setting], Iterator[Row]], float]] = {
    "7b-step-lora": (lambda it: step(it, "lora"), 15),
    "7b-step-full": (lambda it: step(it, "full"), 15),
    "7b-logps": (logps, 8),
    "llava-7b-recompute": (lambda it: seven(it, "lora", "recompute"), 30),
    "clip-l14-336": (lambda it: clip(it, "clip-l14-336"), 12),
    "clip-b32": (lambda it: clip(it, "clip-b32"), 12),
    "generate": (text, 20),
    "llava-7b-full": (lambda it: seven(it, "full", "recompute"), 60),
    "llava-7b-lora": (lambda it: seven(it, "lora"), 35),
}
QUICK = ["7b-step-lora", "7b-logps", "clip-b32"]


def run(it: rows.Setting, names: list[str], end: float, show: Callable[[str], None]) -> list[Row]:
    """Runs rows until ``end`` (of time.monotonic); prepare() has been called."""
    facts = rows.prepared(it, max(30.0, end - time.monotonic() - 60.0))
    show(f"device {facts.get('device')}, torch {facts.get('torch')}, transformers {facts.get('transformers')}")
    if it.tiny:
        show("tiny models in place of all that the rows name: this tests the scripts, the times mean nothing")
    show(HEADER)
    found: list[Row] = []
    for name in names:
        make, seconds = ROWS[name]
        start = time.monotonic()
        if end - start < seconds:
            show(f"{name} | skipped: it needs {seconds:.0f} s, and {max(0.0, end - start):.0f} s are left")
            continue
        try:
            for row in make(it):
                found.append(row)
                show(row.line())
        except (processes.Failed, OSError, ValueError, KeyError, AssertionError) as error:
            found.append(Row(name, "", note=f"{type(error).__name__}: {error}"))
            show(found[-1].line())
        show(f"    ({name}: {time.monotonic() - start:.0f} s)")
    return found


def scratch(bytes_needed: int) -> Path:
    """A new folder, in memory where there is room."""
    for parent in (Path("/dev/shm"), Path(tempfile.gettempdir())):
        try:
            if shutil.disk_usage(parent).free > bytes_needed:
                return Path(tempfile.mkdtemp(prefix="dama-cuda-", dir=parent))
        except OSError:
            continue
    return Path(tempfile.mkdtemp(prefix="dama-cuda-"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--precision", help="libdama's; default: the provider's")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    arguments = parser.parse_args()
    unknown = [name for name in arguments.rows if name not in ROWS]
    if unknown:
        parser.error(f"no row is named {unknown[0]!r}; the rows are {', '.join(ROWS)}")
    folder = scratch(30 << 30)
    tiny = arguments.provider == "cpu"
    it = rows.Setting(arguments.provider, arguments.precision, folder, tiny, {"compile": not arguments.no_compile})
    try:
        end = time.monotonic() + arguments.seconds
        rows.prepare(it, arguments.rows or list(ROWS))
        found = run(it, arguments.rows or list(ROWS), end, lambda line: print(line, flush=True))
        print("\n" + "\n".join([HEADER, *(row.line() for row in found)]))
    finally:
        if it.worker is not None:
            it.worker.close()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
