#!/usr/bin/env python3
"""Where a device's time goes: the kernels and copies of one run by name, longest first, for rows of the table.

    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python \\
        python Benchmarks/cuda/device_time.py [--provider cuda] [--lines 30] ROW…

ROW is lora, full or logps (LLaMA-7B's width, 4 layers, 4 pairs), text:N (LLaVA of 1.4 · 10⁹ weights, 32 tokens for N
prompts), or clip-b32 or clip-l14-336 (JPEG files to δ of 256 pairs). torch's profiler records the kernels of the whole
process, those of ONNX Runtime and libdama among them; with --traces FOLDER its traces are kept.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import ours  # noqa: E402
import rows  # noqa: E402
import shapes  # noqa: E402
import texts  # noqa: E402
import torch  # noqa: E402
from torch.profiler import ProfilerActivity, profile  # noqa: E402

import libdama  # noqa: E402

#: The categories of a trace that take the device's time.
ON_DEVICE = {"kernel", "gpu_memcpy", "gpu_memset"}
#: Where traces are kept, if they are.
TRACES: list[Path] = []


def report(title: str, run: Callable[[], object], lines: int, warm_ups: int = 3) -> None:
    for _ in range(warm_ups):
        run()
    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as recorded:
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        seconds = time.perf_counter() - start
    with tempfile.NamedTemporaryFile(suffix=".json") as file:
        recorded.export_chrome_trace(file.name)
        text = Path(file.name).read_text()
    for kept in TRACES:
        (kept / f"{title.replace(', ', '-').replace(' ', '-')}.json.gz").write_bytes(gzip.compress(text.encode()))
    events = json.loads(text)["traceEvents"]
    found = [event for event in events if event.get("cat") in ON_DEVICE]
    if not found:
        print(f"== {title}: {1e3 * seconds:.1f} ms; no work on the device was recorded")
        return
    times: dict[str, list[float]] = defaultdict(list)
    for event in found:
        times[event["name"]].append(event["dur"] / 1e3)
    busy = sum(map(sum, times.values()))
    span = (max(event["ts"] + event["dur"] for event in found) - min(event["ts"] for event in found)) / 1e3
    print(
        f"== {title}: {1e3 * seconds:.1f} ms for the caller; device busy for {busy:.1f} of {span:.1f} ms from the "
        f"first to the last of {len(found)} kernels and copies"
    )
    idle = []
    end = None
    for event in sorted(found, key=lambda event: event["ts"]):
        if end is not None and event["ts"] - end[0] > 30:
            idle.append((event["ts"] - end[0], end[1], event["name"]))
        if end is None or event["ts"] + event["dur"] > end[0]:
            end = event["ts"] + event["dur"], event["name"]
    for length, before, after in sorted(idle, reverse=True)[:6]:
        print(f"   idle for {length / 1e3:6.2f} ms between {before[:50]} and {after[:50]}")
    for name, each in sorted(times.items(), key=lambda item: -sum(item[1]))[:lines]:
        print(f"{sum(each):9.3f} ms {len(each):5d} × {1e3 * sum(each) / len(each):8.1f} µs  {name[:110]}")
    sys.stdout.flush()


def step(it: rows.Setting, kind: str, lines: int) -> None:
    folder = shapes.write(it.folder / "llama-7b-4", it.models["llama-7b-4"], "cpu" if it.cpu else "cuda")
    pairs = json.loads(it.step_pairs().read_text())
    given = {"folder": str(folder), "template": texts.TEXT_ONLY, "provider": it.provider, "precision": it.precision}
    policy = ours.policy(given)
    if kind == "logps":
        return report(kind, lambda: policy.logps_batch(pairs), lines)
    trainer = libdama.Trainer(
        policy, None, libdama.AdaptiveBeta("dpo", beta=0.1), trainable=ours.trainable(kind),
        **ours.keywords(libdama.Trainer, given), learning_rate=1e-6, tokens_per_run=4096,
    )  # fmt: skip
    seeds = [0.01] * len(pairs), [-0.01] * len(pairs)
    report(f"{kind}, forward", lambda: trainer.forward(pairs), lines)
    report(f"{kind}, backward", lambda: trainer.backward(*seeds), lines, warm_ups=0)
    trainer.zero_grad()
    metrics = []
    report(f"{kind}, step", lambda: metrics.append(trainer.step(pairs)), lines // 2)
    print("phases:", {name: f"{1e3 * value:.1f} ms" for name, value in metrics[-1].seconds.items()})


def text(it: rows.Setting, count: int, lines: int) -> None:
    folder = shapes.write(it.folder / "llava-1.4b", it.models["llava-1.4b"], "cpu" if it.cpu else "cuda")
    policy = ours.policy(
        {"folder": str(folder), "template": texts.WITH_IMAGE, "provider": it.provider, "precision": it.precision}
    )
    prompts, images = ["What is there in the image?"] * count, it.images(count)
    report(f"text, {count} prompts", lambda: policy.generate(prompts, images, max_tokens=32), lines)
    for tokens in (1, 32):
        start = time.perf_counter()
        policy.generate(prompts, images, max_tokens=tokens)
        print(f"{tokens} tokens without the profiler: {1e3 * (time.perf_counter() - start):.1f} ms")


def clip(it: rows.Setting, name: str, lines: int) -> None:
    folder = shapes.write(it.folder / name, it.models[name], "cpu" if it.cpu else "cuda")
    data, count = it.scored(256), 0
    scorer = libdama.Scorer(folder, **ours.keywords(libdama.Scorer, {"provider": it.provider}))

    def run() -> None:
        nonlocal count
        count += 1
        libdama.score_dataset(scorer, data, it.folder / f"{name}-{count}.jsonl")

    report(name, run, lines)
    start = time.perf_counter()
    run()
    print(f"without the profiler: {1e3 * (time.perf_counter() - start):.1f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="+", metavar="ROW")
    parser.add_argument("--provider", default="cuda")
    parser.add_argument("--precision")
    parser.add_argument("--traces", type=Path, help="a folder for the profiler's traces")
    parser.add_argument("--lines", type=int, default=30, help="kernels of a run")
    options = parser.parse_args()
    if options.traces is not None:
        options.traces.mkdir(parents=True, exist_ok=True)
        TRACES.append(options.traces)
    memory = "/dev/shm" if Path("/dev/shm").is_dir() else None
    folder = Path(tempfile.mkdtemp(prefix="dama-device-time-", dir=memory))
    it = rows.Setting(options.provider, options.precision, folder, options.provider == "cpu", {"compile": False})
    try:
        for row in options.rows:
            if row.startswith("text:"):
                text(it, int(row.split(":")[1]), options.lines)
            elif row.startswith("clip-"):
                clip(it, row, options.lines)
            else:
                step(it, row, options.lines)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
