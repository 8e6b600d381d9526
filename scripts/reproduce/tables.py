"""Tables of the results of reproduce.py."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Optional

from rows import BETAS, RATES, RIVALS, RIVALS_TABLE, ROWS, TABLES
from settings import SETTINGS, Setting, row_named

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "report"))
import report

FIGURES = ["response_level", "mention_level", "coverage", "mean_words"]


def mean(values: Sequence[Optional[float]]) -> float:
    found = [value for value in values if value is not None]
    return statistics.fmean(found) if found else math.nan


def describe_training(lines: list[dict[str, Any]], beta: float) -> dict[str, float]:
    """The course of β and of the gaps in a run.

    The last quarter of the steps represents its end, because a batch has few pairs of each third.
    """
    end = lines[-max(1, len(lines) // 4) :]
    easy, hard = mean([line["gap_easy"] for line in end]), mean([line["gap_hard"] for line in end])
    middle = mean([line.get("gap_middle") for line in end])
    alphas = sorted(line["alpha_model"] for line in lines)
    return {
        "gap_ratio": easy / hard if hard > 0 else math.nan,
        "gap_easy": easy,
        "gap_middle": middle,
        "gap_hard": hard,
        # The middle 90 % of the steps.
        "alpha_model_low": alphas[len(alphas) // 20],
        "alpha_model_high": alphas[-1 - len(alphas) // 20],
        "beta_low": mean([line["beta_min"] for line in lines]) / beta,
        "beta_high": mean([line["beta_max"] for line in lines]) / beta,
        "margin": mean([line["margin_mean"] for line in end]),
    }


class Results:
    """Every complete run of a setting, and the scenes for which its response was free of hallucination.

    `known` are runs of an earlier results.csv, which count where OUT does not have them; their scenes are unknown. A row
    with fewer than `seeds` reported runs counts as not run.
    """

    def __init__(self, out: Path, setting: Setting = SETTINGS[0], known: Sequence[dict[str, Any]] = (), seeds: int = 1):
        self.seeds = seeds
        self.out, self.setting, self.place = out, setting, setting.folder(out)
        self.runs: list[dict[str, Any]] = []
        self.free: dict[tuple[str, int], dict[str, float]] = {}
        for path in sorted(self.place.glob("runs/*/*/result.json")):
            run = json.loads(path.read_text(encoding="utf-8"))
            run.update(noise=setting.noise, share=setting.share)
            run.update(describe_training(report.read_lines(path.parent / "metrics.jsonl"), run["beta"]))
            self.runs.append(run)
            if run["split"] == "test":
                details = report.read_lines(path.parent / "test-details.jsonl")
                self.free[run["row"], run["seed"]] = {str(d["idx"]): float(is_free(d)) for d in details}
        mine = {self.folder(run) for run in self.runs}
        earlier = [run for run in known if (run["noise"], run["share"]) == (setting.noise, setting.share)]
        earlier = [run for run in earlier if self.folder(run) not in mine]
        #: Whether the scenes of all runs are known.
        self.is_whole = not earlier
        self.runs += earlier

    def folder(self, run: dict[str, Any]) -> Path:
        name = run_name(run["row"], run["beta"], run["rate"], run["seed"], run.get("smoothing"))
        return self.place / "runs" / name

    def reported(self, row: str) -> list[dict[str, Any]]:
        found, tests = row_named(row), [run for run in self.runs if run["split"] == "test"]
        twin = {run["seed"]: run for run in tests if run["row"] == found.twin and (run["beta"], run["rate"]) == found.fixed}
        runs = {**twin, **{run["seed"]: run for run in tests if run["row"] == row}}
        return [runs[seed] for seed in sorted(runs)] if len(runs) >= self.seeds else []

    def scenes(self, row: str) -> dict[int, dict[str, float]]:
        """For each seed and scene whether the response was free of hallucination, as far as it is known."""
        return {run["seed"]: self.free[run["row"], run["seed"]] for run in self.reported(row)
                if (run["row"], run["seed"]) in self.free}  # fmt: skip

    def by_seeds(self, row: str, base: str) -> Optional[tuple[float, float, float]]:
        """Mean difference of the response-level rate, its 95 % margin, and p: a paired t test of the runs of equal seed."""
        rates = [{run["seed"]: run["response_level"] for run in self.reported(name)} for name in (row, base)]
        changes = [rates[0][seed] - rates[1][seed] for seed in rates[0] if seed in rates[1]]
        if row == base or len(changes) < 2:
            return None
        return paired(changes)

    def against(self, row: str, base: str) -> Optional[tuple[float, float, float, float]]:
        """Mean difference of the response-level rate, its 95 % margin, p by scenes, p by seeds.

        By scenes: a scene's difference is the mean over the seeds, so that the scenes are independent of each other; the
        t statistic of a thousand scenes is close to normal. By seeds: a paired t test of the runs of equal seed.
        """
        mine, other = self.scenes(row), self.scenes(base)
        seeds = [seed for seed in mine if seed in other]
        if row == base or len(seeds) < 2:
            return None
        scenes = set.intersection(*(set(found[seed]) for seed in seeds for found in (mine, other)))
        changes = [mean([mine[seed][k] - other[seed][k] for seed in seeds]) for k in sorted(scenes)]
        error = statistics.stdev(changes) / math.sqrt(len(changes))
        center = statistics.fmean(changes)
        by_seed = [mean(list(mine[seed].values())) - mean(list(other[seed].values())) for seed in seeds]
        p_scenes = math.erfc(abs(center / error) / math.sqrt(2)) if error > 0 else math.nan
        return center, 1.96 * error, p_scenes, paired(by_seed)[2]


def run_name(row: str, beta: float, rate: float, seed: int, smoothing: Optional[float] = None) -> str:
    extra = "" if smoothing is None else f"-smoothing{smoothing:g}"
    return f"{row}/beta{beta:g}-rate{rate:g}{extra}-seed{seed}"


def is_free(detail: dict[str, Any]) -> bool:
    """Whether a response is free of hallucination, as the judge counts."""
    return bool(detail["false"] == 0)


def paired(changes: Sequence[float]) -> tuple[float, float, float]:
    """Mean of paired differences, its 95 % margin, and p: a t test."""
    center, error = statistics.fmean(changes), statistics.stdev(changes) / math.sqrt(len(changes))
    p = student_p(center / error, len(changes) - 1) if error > 0 else math.nan
    return center, student_point(0.05, len(changes) - 1) * error, p


def student_p(t: float, degrees: int) -> float:
    """Two-sided p of Student's t, by integrating its density."""
    scale = math.gamma((degrees + 1) / 2) / (math.sqrt(degrees * math.pi) * math.gamma(degrees / 2))
    steps = 20_000
    width = min(abs(t), 1e3) / steps
    heights = [math.pow(1 + (i * width) ** 2 / degrees, -(degrees + 1) / 2) for i in range(steps + 1)]
    inside = scale * width * (sum(heights) - (heights[0] + heights[-1]) / 2)
    return max(0.0, 1 - 2 * inside)


def student_point(p: float, degrees: int) -> float:
    """The t whose two-sided p is this, by bisection."""
    low, high = 0.0, 1e3
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (middle, high) if student_p(middle, degrees) > p else (low, middle)
    return (low + high) / 2


# ----------------------------------------------------------------------------------------------------------------------
# Tables

HEAD = ["", "β, rate", "responses", "mentions", "coverage", "words", "against DPO", "p scenes / seeds", "easy : hard gap",
        "α_M", "β_i / β"]  # fmt: skip


def spread(values: list[float], scale: float = 1, digits: int = 1) -> str:
    text = f"{scale * statistics.fmean(values):.{digits}f}".replace("-", "\N{MINUS SIGN}")
    return text + (f" ± {scale * statistics.stdev(values):.{digits}f}" if len(values) > 1 else "")


def difference(versus: Optional[tuple[float, ...]]) -> str:
    """A difference of rates in points, with its margin."""
    if versus is None:
        return "–"
    return f"{100 * versus[0]:+.1f} ± {100 * versus[1]:.1f}".replace("-", "\N{MINUS SIGN}")


def table_row(results: Results, name: str) -> Optional[list[str]]:
    runs = results.reported(name)
    if not runs:
        return None
    row = row_named(name)
    versus = results.against(name, row.base)
    ratios = [run["gap_ratio"] for run in runs if math.isfinite(run["gap_ratio"])]
    return [
        row.label, point_text(runs[0], ", "),
        spread([r["response_level"] for r in runs], 100), spread([r["mention_level"] for r in runs], 100),
        spread([r["coverage"] for r in runs], 100), spread([r["mean_words"] for r in runs]),
        difference(versus),
        f"{versus[2]:.2g} / {versus[3]:.2g}" if versus else "–",
        spread(ratios, digits=2) if ratios else "–",
        "–" if row.method["preset"] in ("dpo", "d2po")
        else f"{mean([r['alpha_model_low'] for r in runs]):.2f} … {mean([r['alpha_model_high'] for r in runs]):.2f}",
        f"{mean([r['beta_low'] for r in runs]):.2f} … {mean([r['beta_high'] for r in runs]):.2f}",
    ]  # fmt: skip


def point_text(run: dict[str, Any], between: str, names: tuple[str, str, str] = ("", "", "ε ")) -> str:
    """The point of the grid: β, learning rate and, for losses that have it, label smoothing."""
    parts = [(names[0], run["beta"]), (names[1], run["rate"]), (names[2], run.get("smoothing"))]
    return between.join(f"{name}{value:g}" for name, value in parts if value is not None)


def base_row(out: Path) -> list[str]:
    base = json.loads((out / "base" / "test.json").read_text(encoding="utf-8"))
    percent = [f"{100 * base[key]:.1f}" for key in FIGURES[:3]]
    return ["base policy", "–", *percent, f"{base['mean_words']:.1f}", *["–"] * 5]


def tables(results: Results) -> list[tuple[str, list[list[str]]]]:
    found = []
    for title, names in [*TABLES, RIVALS_TABLE] if results.setting.share == 0.25 else TABLES:
        lines = [line for line in (table_row(results, name) for name in names) if line]
        if lines:
            found.append((title, [base_row(results.out), *lines]))
    return found


THIRDS_HEAD = ["", "β, rate", "easy third", "middle third", "hard third", "easy : hard"]


def thirds(results: Results, names: Sequence[str]) -> list[list[str]]:
    """The reward gap of each third of the pairs by δ at the end of training, the paper's Figure 1."""
    lines = []
    for name in names:
        runs = results.reported(name)
        values = [[run.get(f"gap_{key}", math.nan) for run in runs] for key in ("easy", "middle", "hard", "ratio")]
        if runs and all(map(math.isfinite, values[0])):
            texts = [spread(found, digits=2) if all(map(math.isfinite, found)) else "–" for found in values]
            lines.append([row_named(name).label, point_text(runs[0], ", "), *texts])
    return [THIRDS_HEAD, *lines] if lines else []


def chosen(results: Results, only_complete: bool = False) -> list[list[str]]:
    """Validation rates of the grid, a line for each row; or for each row whose grid is complete."""
    runs = [run for run in results.runs if run["split"] == "validation"]
    if only_complete:
        sizes = {row.name: len(BETAS) * len(RATES) * max(1, len(row.smoothing)) for row in ROWS + RIVALS}
        counts = Counter(run["row"] for run in runs)
        runs = [run for run in runs if counts[run["row"]] >= sizes[run["row"]]]

    def point(run: dict[str, Any]) -> tuple[float, float, float]:
        return run.get("smoothing") or 0.0, run["beta"], run["rate"]

    heads = {point(run): point_text(run, ", ", ("β ", "rate ", "ε ")) for run in runs}
    grid = sorted(heads)
    lines = [["", *(heads[at] for at in grid)]]
    for row in ROWS + RIVALS:
        cells = {point(run): run for run in runs if run["row"] == row.name}
        if cells:
            best = max(cells.values(), key=lambda r: (r["response_level"], r["mention_level"]))
            texts = [
                "–" if at not in cells
                else f"**{100 * cells[at]['response_level']:.1f}**" if cells[at] is best
                else f"{100 * cells[at]['response_level']:.1f}"
                for at in grid
            ]  # fmt: skip
            lines.append([row.label, *texts])
    return lines


def markdown(lines: list[list[str]]) -> str:
    head, *body = lines
    rule = "|" + "---|" * len(head)
    return "\n".join([f"| {' | '.join(head)} |", rule, *(f"| {' | '.join(line)} |" for line in body)])
