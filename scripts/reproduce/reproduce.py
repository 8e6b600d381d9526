#!/usr/bin/env python3
"""The paper's tables in the embedded world: every method of rows.py on the same preference pairs, with the same grid of
β and learning rate, chosen on validation scenes and reported on test scenes, over several seeds.

    reproduce.py --build build --out build/reproduce [--seeds 5] [--jobs 1] [--rows dpo,dama]

All steps use the built command line. A run is a folder in OUT/runs; it is complete when it has result.json. After an
interruption at any moment the same command resumes, and several processes can work on one OUT at the same time. At the
end the script writes results.csv, tables.md and report.html from all complete runs.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from results import write_results
from rows import BETAS, CHOOSING_SEED, RATES, ROWS, Row
from tables import run_name

POLICY, CLIP = "models/shapes-llava", "models/shapes-clip"
#: (split, seed, scenes); no two splits share a layout.
SCENES = {"preference": ("preference", 21, 2200), "validation": ("validation", 22, 500), "test": ("test", 23, 1000)}


@dataclass
class Job:
    """A training run and the split on which it is judged."""

    row: Row
    beta: float
    rate: float
    seed: int
    split: str

    @property
    def name(self) -> str:
        return run_name(self.row.name, self.beta, self.rate, self.seed)


class Benchmark:
    def __init__(self, build: Path, out: Path):
        self.bin, self.out = build / "bin", out

    def call(self, program: str, *arguments: object) -> None:
        command = [str(self.bin / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{' '.join(command)}\n{done.stderr.strip()}")

    def generate(self, model: object, questions: Path, responses: Path, *more: object) -> None:
        self.call("dama", "generate", "--model", model, "--data", questions, "--out", responses, "--max-tokens", 110,
                  "--batch", 32, "--threads", 1, "--quiet", *more)  # fmt: skip

    def judge(self, split: str, responses: Path, folder: Path) -> None:
        self.call("shapes-world", "judge", "--truth", self.out / split / "truth.jsonl", "--responses", responses,
                  "--out", folder / f"{split}.json", "--details", folder / f"{split}-details.jsonl")  # fmt: skip

    # ------------------------------------------------------------------------------------------------------------------
    # Data

    def prepare(self) -> None:
        """Makes scenes, the policy's answers, pairs, hardness of both kinds, the reference and the base's figures."""
        out = self.out
        with exclusive(out / "data.lock"):
            if (out / "base" / "test.json").exists():
                return
            say("scenes, sampled answers, pairs, hardness, reference")
            for name, (split, seed, count) in SCENES.items():
                if not (out / name / "truth.jsonl").exists():
                    self.call("shapes-world", "scenes", "--split", split, "--seed", seed, "--count", count,
                              "--out", out / name)  # fmt: skip
            scenes, pairs = out / "preference", out / "pairs"
            self.generate(POLICY, scenes / "questions.jsonl", scenes / "answers.jsonl", "--samples", 5,
                          "--temperature", 1, "--seed", 1)  # fmt: skip
            self.call("shapes-world", "sample-pairs", "--scenes", scenes, "--responses", scenes / "answers.jsonl",
                      "--out", pairs, "--seed", 1, "--summary", out / "pairs.json")  # fmt: skip
            rows = ["--data", pairs / "pairs.jsonl", "--image-root", scenes, "--threads", 1, "--quiet"]
            for name, delta in (("scores", "probabilities"), ("ratios", "scores")):
                self.call("dama", "score", "--model", CLIP, *rows, "--out", pairs / f"{name}.jsonl", "--delta", delta)
            self.call("dama", "reference", "--model", POLICY, *rows, "--out", pairs / "reference.jsonl")
            (out / "base").mkdir(exist_ok=True)
            for split in ("validation", "test"):
                answers = out / split / "base.jsonl"
                self.generate(POLICY, out / split / "questions.jsonl", answers)
                self.judge(split, answers, out / "base")

    # ------------------------------------------------------------------------------------------------------------------
    # Runs

    def run(self, job: Job) -> bool:
        """Trains, answers, judges. Returns False if another process holds the run."""
        folder = self.out / "runs" / job.name
        if (folder / "result.json").exists():
            return True
        folder.mkdir(parents=True, exist_ok=True)
        with exclusive(folder / "lock", wait=False) as mine:
            if not mine:
                return False
            if (folder / "result.json").exists():
                return True
            began = time.monotonic()
            self.train(job, folder)
            answers = folder / "answers.jsonl"
            self.generate(folder / "run" / "model", self.out / job.split / "questions.jsonl", answers, "--restart")
            self.judge(job.split, answers, folder)
            shutil.copy(folder / "run" / "metrics.jsonl", folder / "metrics.jsonl")
            figures = json.loads((folder / f"{job.split}.json").read_text(encoding="utf-8"))
            result = {"row": job.row.name, "beta": job.beta, "rate": job.rate, "seed": job.seed, "split": job.split,
                      **figures, "seconds": round(time.monotonic() - began, 1)}  # fmt: skip
            write(folder / "result.json", json.dumps(result, ensure_ascii=False))
            # Weights are large, and the same command can make them again.
            shutil.rmtree(folder / "run")
        return True

    def train(self, job: Job, folder: Path) -> None:
        pairs = self.out / "pairs"
        configuration: dict[str, Any] = {
            "model": POLICY, "data": str(pairs / "pairs.jsonl"), "image_root": str(self.out / "preference"),
            "scores": str(pairs / f"{job.row.hardness}.jsonl"), "reference": str(pairs / "reference.jsonl"),
            "out": str(folder / "run"), "method": {**job.row.method, "beta": job.beta},
            "optimizer": {"learning_rate": job.rate}, "schedule": {"kind": "cosine", "warmup_ratio": 0.1},
            "batch_size": 16, "epochs": 1, "seed": job.seed, "threads": 1, "tensorboard": False,
            "checkpoint": {"every": 1000}, "export": {"dtype": "float16"},
        }  # fmt: skip
        # JSON is YAML.
        write(folder / "dama.yaml", json.dumps(configuration, indent=1, ensure_ascii=False))
        self.call("dama", "train", "--config", folder / "dama.yaml", "--quiet")

    def result(self, job: Job) -> Optional[dict[str, Any]]:
        path = self.out / "runs" / job.name / "result.json"
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def best(self, row: Row) -> Optional[tuple[float, float]]:
        """β and learning rate with the best response-level rate on validation scenes; `None` while runs are missing."""
        if row.fixed:
            return row.fixed
        found = []
        for job in choosing(row):
            result = self.result(job)
            if result is None:
                return None
            found.append((result["response_level"], result["mention_level"], job.beta, job.rate))
        return max(found)[2:]


def choosing(row: Row) -> list[Job]:
    grid = [] if row.fixed else [(beta, rate) for beta in BETAS for rate in RATES]
    return [Job(row, beta, rate, CHOOSING_SEED, "validation") for beta, rate in grid]


def reporting(row: Row, choice: tuple[float, float], seeds: int) -> list[Job]:
    return [Job(row, *choice, seed, "test") for seed in range(1, seeds + 1)]


# ----------------------------------------------------------------------------------------------------------------------
# Working through them


class exclusive:
    """A file lock, released when the process ends, for whatever reason."""

    def __init__(self, path: Path, wait: bool = True):
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file, self.wait = path.open("w"), wait

    def __enter__(self) -> bool:
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | (0 if self.wait else fcntl.LOCK_NB))
            return True
        except BlockingIOError:
            return False

    def __exit__(self, *_: object) -> None:
        self.file.close()


def write(path: Path, text: str) -> None:
    temporary = path.with_suffix(f".tmp{os.getpid()}")
    temporary.write_text(text + "\n", encoding="utf-8")
    temporary.replace(path)


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


def work(benchmark: Benchmark, jobs: list[Job], parallel: int, what: str) -> None:
    """Runs the incomplete jobs, several at a time, and prints how long the rest will take."""
    open_jobs = [job for job in jobs if benchmark.result(job) is None]
    began, done = time.monotonic(), 0

    def one(job: Job) -> None:
        nonlocal done
        mine = benchmark.run(job)
        done += 1
        rate = (time.monotonic() - began) / done
        result = benchmark.result(job)
        figure = f"{100 * result['response_level']:.1f} %" if result else "run by another process" if not mine else "?"
        say(f"{what} {done}/{len(open_jobs)}  {job.name}: {figure}  {rate * (len(open_jobs) - done) / 60:.0f} min left")

    with ThreadPoolExecutor(parallel) as pool:
        for future in [pool.submit(one, job) for job in open_jobs]:
            future.result()
    # Wait for the runs of other processes, and take them over if such a process is killed.
    while any(benchmark.result(job) is None for job in jobs):
        time.sleep(5)
        for job in jobs:
            if benchmark.result(job) is None:
                benchmark.run(job)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", type=Path, default=Path("build"))
    parser.add_argument("--out", type=Path, default=Path("build/reproduce"))
    parser.add_argument("--seeds", type=int, default=5, help="reported runs of each row")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="parallel runs, with one thread each")
    parser.add_argument("--rows", help="row names from rows.py, separated by commas (default: all)")
    parser.add_argument("--tables", action="store_true", help="only write the tables of the complete runs")
    arguments = parser.parse_args()
    names = arguments.rows.split(",") if arguments.rows else [row.name for row in ROWS]
    unknown = set(names) - {row.name for row in ROWS}
    if unknown:
        parser.error(f"unknown rows {', '.join(sorted(unknown))}; the rows are {', '.join(row.name for row in ROWS)}")
    rows = [row for row in ROWS if row.name in names]
    benchmark = Benchmark(arguments.build, arguments.out)
    if not arguments.tables:
        benchmark.prepare()
        work(benchmark, [job for row in rows for job in choosing(row)], arguments.jobs, "choosing")
        jobs = []
        for seed in range(arguments.seeds):
            for row in rows:
                choice = benchmark.best(row)
                if choice is not None:
                    jobs.append(reporting(row, choice, arguments.seeds)[seed])
        work(benchmark, jobs, arguments.jobs, "reporting")
    write_results(arguments.out)


if __name__ == "__main__":
    main()
