"""Scoring in shards: the time of one worker and of two at once, what bounds more, and what follows for 64.

    make build
    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/python/bin/python Benchmarks/shards.py

Rows of the embedded world with sentences that do not repeat, scored by its CLIP with one thread in one process, then as
two shards in two processes at once, then merged. Each process reports the seconds of its phases: `scan` (reading the
whole dataset for its hash, the same in every shard), `compute` (its rows), `write`. On a busy machine the processor
time is what can be compared; both are printed.

The model of n workers: T(n) = scan + (largest share of parts) · compute + merge. The parts are of `cache_rows` rows, so
that a share is a whole number of them. Nothing else is shared: no process waits for another before the merge.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / "examples" / "data" / "shapes"


def make_rows(path: Path, count: int) -> None:
    pairs = [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]
    with path.open("w", encoding="utf-8") as file:
        for index in range(count):
            row = dict(pairs[index % len(pairs)], idx=index)
            for name in ("chosen", "rejected"):
                row[name] += f" There are {index} rings in it."
            file.write(json.dumps(row) + "\n")


def work(arguments: argparse.Namespace) -> None:
    """One worker: prints its phases' seconds and its processor time."""
    import libdama

    scorer = libdama.Scorer(ROOT / "models" / "shapes-clip", threads=1)
    scorer.embed_texts(["warm up"])
    begin, used, last = time.perf_counter(), time.process_time(), {}

    def watch(progress: libdama.Progress) -> None:
        last[progress.phase] = time.perf_counter() - begin

    libdama.score_dataset(
        scorer, arguments.data, arguments.out, image_root=SHAPES / "images", shard=arguments.shard,
        shards=arguments.shards, cache_rows=arguments.cache_rows, workers=1, progress=watch,
    )  # fmt: skip
    end = time.perf_counter() - begin
    scan = last.get("scanning", 0.0)
    compute = last.get("computing", scan) - scan
    print(json.dumps({"scan": scan, "compute": compute, "write": end - scan - compute, "seconds": end,
                      "processor": time.process_time() - used,
                      "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}))  # fmt: skip


def start(data: Path, out: Path, shard: int, shards: int, cache_rows: int) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, "--data", data, "--out", out, "--shard", shard, "--shards", shards,
               "--cache-rows", cache_rows]  # fmt: skip
    return subprocess.Popen([str(it) for it in command], stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, float]:
    text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a worker failed with {process.returncode}")
    found: dict[str, float] = json.loads(text)
    return found


def show(name: str, found: dict[str, float]) -> None:
    print(f"{name:14}" + "".join(f"  {key} {value:8.2f}" for key, value in found.items()))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--cache-rows", type=int, default=64)
    parser.add_argument("--row-ms", type=float, default=100, help="of a larger model, for the simulation")
    parser.add_argument("--data")
    parser.add_argument("--out")
    parser.add_argument("--shard", type=int, default=0)
    parser.add_argument("--shards", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.data:
        work(arguments)
        return
    import libdama

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = folder / "pairs.jsonl"
        make_rows(data, arguments.rows)
        print(f"{arguments.rows} rows, {data.stat().st_size / 1e6:.1f} MB, load {os.getloadavg()[0]:.1f}; seconds, MiB")
        one = result(start(data, folder / "one.jsonl", 0, 0, arguments.cache_rows))
        show("1 worker", one)
        begin = time.perf_counter()
        both = [start(data, folder / "two.jsonl", shard, 2, arguments.cache_rows) for shard in range(2)]
        two = [result(process) for process in both]
        wall = time.perf_counter() - begin
        for shard, found in enumerate(two):
            show(f"shard {shard} of 2", found)
        begin, used = time.perf_counter(), time.process_time()
        libdama.merge_scores(folder / "two.jsonl")
        merge, merge_processor = time.perf_counter() - begin, time.process_time() - used
        assert (folder / "one.jsonl").read_bytes() == (folder / "two.jsonl").read_bytes()
        print(f"merge           seconds {merge:.2f}  processor {merge_processor:.2f}; the bytes are equal")
        largest = max(found["processor"] for found in two)
        clock = one["seconds"] / max(found["seconds"] for found in two)
        print(f"speed-up of 2 by processor time {one['processor'] / largest:.2f}, by the clock {clock:.2f}")
        print(f"both, with the start of their processes: {wall:.2f} s")
        measured = 1e3 * one["processor"] / arguments.rows
        for row in (measured, arguments.row_ms):
            simulate(row / 1e3, one["scan"] / arguments.rows, merge_processor / arguments.rows)


def simulate(row: float, scan: float, merge: float) -> None:
    """Prints T(n) for RLAIF-V's rows from the seconds of a row, of its scan and of its merge."""
    rows = 83_132
    print(f"RLAIF-V's {rows} rows at {1e3 * row:.1f} ms a row, scan {scan * rows:.1f} s, merge {merge * rows:.1f} s:")
    whole = (scan + row) * rows
    for workers in (1, 2, 4, 8, 16, 32, 64):
        shown = []
        for size in (4096, 1024, 256):
            share = min(rows, math.ceil(math.ceil(rows / size) / workers) * size)
            seconds = scan * rows + share * row + (merge * rows if workers > 1 else 0)
            shown.append(f"cache_rows {size}: {seconds:7.1f} s, {whole / seconds / workers:4.0%}")
        print(f"  {workers:2} workers  " + "  ".join(shown))


if __name__ == "__main__":
    main()
