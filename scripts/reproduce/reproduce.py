#!/usr/bin/env python3
"""The paper's tables in the embedded world: every method of rows.py on the same preference pairs, with the same grid of
β and learning rate, chosen on validation scenes and reported on test scenes, over several seeds.

    reproduce.py --build build --out build/reproduce [--seeds 5] [--jobs 1] [--noise random-0.05] [--rows dpo,dama]

settings.py lists the kinds and shares of wrong labels, and the rows that are run under each.

All steps use the built command line. A run is a folder in OUT/runs, or in OUT/noise/NAME/runs; it is complete when it has
result.json. After an interruption at any moment the same command resumes, and several processes can work on one OUT at
the same time. At the end the script writes results.csv, tables.md and report.html from all complete runs.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import random
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from document import write_documents
from results import write_results
from rows import BETAS, CHOOSING_SEED, RATES, Row
from settings import SETTINGS, Setting, row_named
from tables import run_name

# After tables, which adds its folder to sys.path.
import report
from why import area_under_curve, describe_pairs

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
    smoothing: Optional[float] = None

    @property
    def name(self) -> str:
        return self.names[0]

    @property
    def names(self) -> list[str]:
        """That of the run, and that of the same run of the row's twin."""
        rows = [self.row.name, *([self.row.twin] if self.row.twin else [])]
        return [run_name(row, self.beta, self.rate, self.seed, self.smoothing) for row in rows]


#: β, learning rate and label smoothing.
Point = tuple[float, float, Optional[float]]


class Benchmark:
    """The runs under one setting. Scenes, sampled answers and the base's figures are those of all settings."""

    def __init__(self, build: Path, out: Path, setting: Setting = SETTINGS[0]):
        self.bin, self.out, self.setting = build / "bin", out, setting
        self.place = setting.folder(out)

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
        """Makes scenes, the policy's answers, the base's figures, pairs, hardness of both kinds, and the reference."""
        self.prepare_scenes()
        self.prepare_pairs()

    def prepare_scenes(self) -> None:
        out = self.out
        with exclusive(out / "data.lock"):
            if (out / "base" / "test.json").exists():
                return
            say("scenes and sampled answers")
            for name, (split, seed, count) in SCENES.items():
                if not (out / name / "truth.jsonl").exists():
                    self.call("shapes-world", "scenes", "--split", split, "--seed", seed, "--count", count,
                              "--out", out / name)  # fmt: skip
            scenes = out / "preference"
            self.generate(POLICY, scenes / "questions.jsonl", scenes / "answers.jsonl", "--samples", 5,
                          "--temperature", 1, "--seed", 1)  # fmt: skip
            (out / "base").mkdir(exist_ok=True)
            for split in ("validation", "test"):
                answers = out / split / "base.jsonl"
                self.generate(POLICY, out / split / "questions.jsonl", answers)
                self.judge(split, answers, out / "base")

    def prepare_pairs(self) -> None:
        with exclusive(self.place / "pairs.lock"):
            if (self.place / "labels.json").exists():
                return
            say(f"pairs with {self.setting.label}: hardness, reference")
            scenes, pairs = self.out / "preference", self.place / "pairs"
            self.call("shapes-world", "sample-pairs", "--scenes", scenes, "--responses", scenes / "answers.jsonl",
                      "--out", pairs, "--seed", 1, "--noise", self.setting.noise, "--flips", self.setting.share,
                      "--summary", self.place / "pairs.json")  # fmt: skip
            rows = ["--data", pairs / "pairs.jsonl", "--image-root", scenes, "--threads", 1, "--quiet"]
            for name, delta in (("scores", "probabilities"), ("ratios", "scores")):
                self.call("dama", "score", "--model", CLIP, *rows, "--out", pairs / f"{name}.jsonl", "--delta", delta)
            self.call("dama", "reference", "--model", POLICY, *rows, "--out", pairs / "reference.jsonl")
            self.write_variants(pairs)

    def write_variants(self, pairs: Path) -> None:
        """Writes the pairs and scores that are not those of `sample-pairs` and `dama score`, and how well δ knows."""
        rows, scores = report.read_lines(pairs / "pairs.jsonl"), report.read_lines(pairs / "scores.jsonl")
        delta = {str(score["id"]): float(score["delta"]) for score in scores}
        agreeing = [row for row in rows if delta[str(row["idx"])] >= 0]
        turned = [row if delta[str(row["idx"])] >= 0 else {**row, "chosen": row["rejected"], "rejected": row["chosen"]}
                  for row in rows]  # fmt: skip
        others = scores.copy()
        random.Random(1).shuffle(others)
        permuted = [{**score, "delta": other["delta"], "alpha_data": other["alpha_data"]}
                    for score, other in zip(scores, others)]  # fmt: skip
        for name, lines in (("agreeing", agreeing), ("turned", turned), ("permuted", permuted)):
            write(pairs / f"{name}.jsonl", "\n".join(json.dumps(line, ensure_ascii=False) for line in lines))
        wrong = self.wrong_labels()
        alpha = {str(score["id"]): float(score["alpha_data"]) for score in scores}
        keys = sorted(wrong)
        labels: dict[str, Any] = {
            "pairs": len(keys), "wrong": sum(wrong.values()),
            "delta_below_0": sum(value < 0 for value in delta.values()),
            "wrong_of_delta_below_0": sum(wrong[key] for key in keys if delta[key] < 0),
            "auc_of_delta": area_under_curve([delta[key] for key in keys], [wrong[key] for key in keys]),
            "alpha_right": mean_of([alpha[key] for key in keys if not wrong[key]]),
            "alpha_wrong": mean_of([alpha[key] for key in keys if wrong[key]]),
        }  # fmt: skip
        write(self.place / "labels.json", json.dumps(labels))

    def reference(self, row: Row) -> Path:
        """The reference's log-probabilities of a row's pairs; they belong to chosen and rejected as they stand there."""
        pairs = self.place / "pairs"
        if row.pairs != "turned":
            return pairs / "reference.jsonl"
        path = pairs / "turned.reference.jsonl"
        with exclusive(self.place / "pairs.lock"):
            self.call("dama", "reference", "--model", POLICY, "--data", pairs / "turned.jsonl", "--image-root",
                      self.out / "preference", "--threads", 1, "--quiet", "--out", path)  # fmt: skip
        return path

    def wrong_labels(self) -> dict[str, bool]:
        """Whether the label of each pair is wrong."""
        truth = report.read_lines(self.place / "pairs" / "truth.jsonl")
        return {str(line["idx"]): bool(line["flipped"]) for line in truth}

    # ------------------------------------------------------------------------------------------------------------------
    # Runs

    def run(self, job: Job) -> bool:
        """Trains, answers, judges. Returns False if another process holds the run."""
        if self.result(job):
            return True
        folder = self.place / "runs" / job.name
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
            # The pairs of turned labels are not those whose truth is known.
            if job.split == "test" and job.row.pairs != "turned":
                lines = report.read_lines(folder / "run" / "pairs.jsonl")
                write(folder / "why.json", json.dumps(describe_pairs(lines, self.wrong_labels(), job.beta)))
            figures = json.loads((folder / f"{job.split}.json").read_text(encoding="utf-8"))
            result = {"row": job.row.name, "beta": job.beta, "rate": job.rate, "seed": job.seed, "split": job.split,
                      "noise": self.setting.noise, "share": self.setting.share, "smoothing": job.smoothing, **figures, "seconds": round(time.monotonic() - began, 1)}  # fmt: skip
            write(folder / "result.json", json.dumps(result, ensure_ascii=False))
            # Weights are large, and the same command can make them again.
            shutil.rmtree(folder / "run")
        return True

    def train(self, job: Job, folder: Path) -> None:
        pairs = self.place / "pairs"
        data = "pairs" if job.row.pairs == "all" else job.row.pairs
        smoothing = {} if job.smoothing is None else {"label_smoothing": job.smoothing}
        configuration: dict[str, Any] = {
            "model": POLICY, "data": str(pairs / f"{data}.jsonl"), "image_root": str(self.out / "preference"),
            "scores": str(pairs / f"{job.row.hardness}.jsonl"), "reference": str(self.reference(job.row)),
            "out": str(folder / "run"), "method": {**job.row.method, "beta": job.beta, **smoothing},
            "optimizer": {"learning_rate": job.rate}, "schedule": {"kind": "cosine", "warmup_ratio": 0.1},
            "batch_size": 16, "epochs": 1, "seed": job.seed, "threads": 1, "tensorboard": False, "log_pairs": True,
            "checkpoint": {"every": 1000}, "export": {"dtype": "float16"},
        }  # fmt: skip
        # JSON is YAML.
        write(folder / "dama.yaml", json.dumps(configuration, indent=1, ensure_ascii=False))
        self.call("dama", "train", "--config", folder / "dama.yaml", "--quiet")

    def result(self, job: Job) -> Optional[dict[str, Any]]:
        """That of the run, or of the same run of the row's twin."""
        for name in job.names:
            path = self.place / "runs" / name / "result.json"
            if path.exists():
                found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
                return found
        return None

    def best(self, row: Row) -> Optional[Point]:
        """The point of the grid with the best response-level rate on validation scenes; `None` while runs are missing."""
        if row.fixed:
            return (*row.fixed, None)
        found = []
        for job in choosing(row):
            result = self.result(job)
            if result is None:
                return None
            figures = (result["response_level"], result["mention_level"], job.beta, job.rate, job.smoothing or 0.0)
            found.append((figures, (job.beta, job.rate, job.smoothing)))
        return max(found)[1]


def choosing(row: Row) -> list[Job]:
    if row.fixed:
        return []
    return [Job(row, beta, rate, CHOOSING_SEED, "validation", smoothing)
            for smoothing in row.smoothing or (None,) for beta in BETAS for rate in RATES]  # fmt: skip


def reporting(row: Row, choice: Point, seeds: int) -> list[Job]:
    beta, rate, smoothing = choice
    return [Job(row, beta, rate, seed, "test", smoothing) for seed in range(1, seeds + 1)]


def mean_of(values: list[float]) -> Optional[float]:
    return sum(values) / len(values) if values else None


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
    parser.add_argument("--noise", help="names from settings.py, separated by commas (default: all)")
    parser.add_argument("--rows", help="row names from rows.py, separated by commas (default: all of a setting)")
    parser.add_argument("--pairs", action="store_true", help="only make pairs, and measure how well δ finds wrong labels")
    parser.add_argument("--docs", type=Path, help="fill the tables of the documents in this folder, too")
    parser.add_argument("--tables", action="store_true", help="only write the tables of the complete runs")
    arguments = parser.parse_args()
    noise = chosen(parser, "--noise", arguments.noise, [setting.name for setting in SETTINGS])
    names = chosen(parser, "--rows", arguments.rows, list(dict.fromkeys(name for s in SETTINGS for name in s.rows)))
    for setting in SETTINGS:
        if setting.name not in noise or arguments.tables:
            continue
        rows = [row_named(name) for name in setting.rows if name in names]
        benchmark = Benchmark(arguments.build, arguments.out, setting)
        benchmark.prepare()
        if arguments.pairs:
            continue
        say(f"{setting.label}: {', '.join(row.name for row in rows)}")
        work(benchmark, [job for row in rows for job in choosing(row)], arguments.jobs, "choosing")
        jobs = []
        for seed in range(arguments.seeds):
            for row in rows:
                choice = benchmark.best(row)
                if choice is not None:
                    jobs.append(reporting(row, choice, arguments.seeds)[seed])
        work(benchmark, jobs, arguments.jobs, "reporting")
    write_results(arguments.out)
    if arguments.docs:
        write_documents(arguments.out, arguments.docs, arguments.seeds)


def chosen(parser: argparse.ArgumentParser, option: str, given: Optional[str], known: list[str]) -> list[str]:
    names = given.split(",") if given else known
    unknown = set(names) - set(known)
    if unknown:
        parser.error(f"{option}: unknown {', '.join(sorted(unknown))}; expected some of {', '.join(known)}")
    return names


if __name__ == "__main__":
    main()
