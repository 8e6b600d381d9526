"""Training on ranks: the steps of one process with one thread, and of two ranks with one thread each over gloo.

    make build && scripts/bootstrap torch
    DAMA_LIBRARY=build/lib/libdama.so PYTHONPATH=bindings/python .deps/torch/bin/python Benchmarks/ranks.py

The embedded LLaVA, all weights trained, batches of 16 pairs with reference log-probabilities. A figure is the median over
the steps; "sums" is the time inside the sums, which includes waiting for the other rank. On a busy machine the processor
time is what can be compared.
"""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Optional

ROOT = Path(__file__).resolve().parents[1]
SHAPES = ROOT / "examples" / "data" / "shapes"
STEPS, BATCH = 9, 16


def batch() -> list[dict[str, Any]]:
    rows = [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]
    found = []
    for index in range(BATCH):
        row = rows[index % len(rows)]
        found.append({"image": SHAPES / "images" / row["image"], "prompt": row["question"], "chosen": row["chosen"],
                      "rejected": row["rejected"], "reference_chosen": -20.0, "reference_rejected": -21.0})  # fmt: skip
    return found


def work() -> None:
    """One rank, or one process without ranks: prints its figures."""
    import libdama

    group: Optional[libdama.Ranks] = None
    sums = [0.0, 0.0]
    if "RANK" in os.environ:
        import torch
        import torch.distributed as dist

        torch.set_num_threads(1)
        dist.init_process_group("gloo")

        def total(numbers: Any) -> None:
            begin = time.perf_counter()
            dist.all_reduce(torch.from_numpy(numbers))
            sums[0] += time.perf_counter() - begin
            sums[1] += numbers.nbytes

        group = libdama.Ranks(dist.get_rank(), dist.get_world_size(), total)
    policy = libdama.Policy(ROOT / "models" / "shapes-llava", threads=1)
    trainer = libdama.Trainer(policy, threads=1, ranks=group)
    pairs = batch()
    own = pairs if group is None else pairs[group.rank :: group.count]
    trainer.step(own)
    walls, used, spent = [], [], []
    for _ in range(STEPS):
        begin, processor, before = time.perf_counter(), time.process_time(), sums[0]
        trainer.step(own)
        walls.append(time.perf_counter() - begin)
        used.append(time.process_time() - processor)
        spent.append(sums[0] - before)
    print(json.dumps({"clock": statistics.median(walls), "processor": statistics.median(used),
                      "sums": statistics.median(spent), "MB": sums[1] / (STEPS + 1) / 1e6}))  # fmt: skip


def start(rank: Optional[int], port: int) -> subprocess.Popen[str]:
    environment = dict(os.environ)
    if rank is not None:
        environment.update(RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    return subprocess.Popen([sys.executable, __file__, "work"], stdout=subprocess.PIPE, text=True, env=environment)


def result(process: subprocess.Popen[str]) -> dict[str, float]:
    text, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a rank failed with {process.returncode}")
    found: dict[str, float] = json.loads(text.splitlines()[-1])
    return found


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    print(f"a step of {BATCH} pairs, load {os.getloadavg()[0]:.1f}; seconds")
    one = result(start(None, port))
    both = [start(rank, port) for rank in range(2)]
    two = [result(process) for process in both]
    for name, found in [("1 process", one), ("rank 0 of 2", two[0]), ("rank 1 of 2", two[1])]:
        print(f"{name:12}" + "".join(f"  {key} {value:7.3f}" for key, value in found.items()))
    slowest = {key: max(found[key] for found in two) for key in ("clock", "processor")}
    print(f"speed-up by processor time {one['processor'] / slowest['processor']:.2f}, "
          f"by the clock {one['clock'] / slowest['clock']:.2f}")  # fmt: skip


if __name__ == "__main__":
    work() if sys.argv[1:] == ["work"] else main()
