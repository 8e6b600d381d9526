"""The methods over the share of wrong labels, and what each did with the pairs whose labels are wrong."""

from __future__ import annotations

import json
import statistics
import sys
from pathlib import Path
from typing import Any, Optional

from rows import AXIS, WHY
from settings import row_named
from tables import Results, difference, mean, spread

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "report"))
from charts import Line, line_chart
from report import RUN_COLORS

WHY_HEAD = ["", "kept, right / wrong (%)", "β_i / β, right / wrong", "wrong pairs' part of the gradient (%)",
            "margin at the end, right / wrong"]  # fmt: skip


def axis_table(found: list[Results], ending: str = "") -> list[list[str]]:
    """A line for each setting: responses free of hallucination by method, and DAMA against DPO by seeds.

    ``ending`` is that of the names of rows at a fixed setting.
    """
    names = [name + ending for name in AXIS]
    head = ["wrong labels", *(row_named(name).label for name in names), "DAMA against DPO", "p by seeds"]
    lines = []
    for results in in_order(found):
        cells = [rates(results, name) for name in names]
        if not any(cells):
            continue
        versus = results.by_seeds("dama" + ending, "dpo" + ending)
        lines.append([
            results.setting.short_label,
            *(spread(cell, 100) if cell else "–" for cell in cells),
            difference(versus),
            f"{versus[2]:.2g}" if versus else "–",
        ])  # fmt: skip
    return [head, *lines]


def in_order(found: list[Results]) -> list[Results]:
    """By kind of noise, then by share."""
    return sorted(found, key=lambda results: (results.setting.noise != "random", results.setting.share))


def rates(results: Results, name: str) -> list[float]:
    return [float(run["response_level"]) for run in results.reported(name)]


def axis_chart(found: list[Results]) -> str:
    """Responses free of hallucination over the share of labels that are wrong at random; bands of ± one deviation."""
    random = sorted((r for r in found if r.setting.noise == "random"), key=lambda results: results.setting.share)
    lines = []
    for name, color in zip(AXIS, RUN_COLORS):
        known = [(100 * r.setting.share, rates(r, name)) for r in random if rates(r, name)]
        middle = [100 * statistics.fmean(values) for _, values in known]
        width = [100 * statistics.stdev(values) if len(values) > 1 else 0.0 for _, values in known]
        band = ([m - w for m, w in zip(middle, width)], [m + w for m, w in zip(middle, width)])
        if known:
            shares = [share for share, _ in known]
            lines.append(Line(row_named(name).label, shares, middle, color, band=band, points=True))
    return line_chart(
        "Responses free of hallucination over the share of wrong labels",
        "Test scenes; mean and standard deviation over the seeds; settings chosen for each method at each share.",
        lines, "% free of hallucination", x_label="wrong labels, %")  # fmt: skip


def why_tables(results: Results) -> list[tuple[str, list[list[str]]]]:
    """What happens to wrong pairs, by method, in a table whose title says how well δ finds them."""
    lines = [line for line in (why_row(results, name) for name in WHY) if line]
    if not lines:
        return []
    return [("What becomes of wrong pairs. " + labels_text(results), lines)]


LABELS_HEAD = ["wrong labels", "pairs", "wrong", "δ below 0", "of these wrong", "wrong labels below 0",
               "right labels below 0", "AUC of δ", "α_D, right / wrong"]  # fmt: skip


def labels_table(found: list[Results]) -> list[list[str]]:
    """How well δ finds wrong labels, a line for each setting whose pairs exist."""
    lines = []
    for results in in_order(found):
        path = results.place / "labels.json"
        if not path.exists():
            continue
        labels: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        pairs, wrong, below = labels["pairs"], labels["wrong"], labels["delta_below_0"]
        both = labels["wrong_of_delta_below_0"]
        auc, alphas = labels["auc_of_delta"], [labels["alpha_right"], labels["alpha_wrong"]]
        lines.append([
            results.setting.short_label, f"{pairs:,}", f"{wrong:,}", percent(below, pairs), percent(both, below),
            percent(both, wrong), percent(below - both, pairs - wrong), "–" if auc is None else f"{auc:.3f}",
            " / ".join("–" if value is None else f"{value:.2f}" for value in alphas),
        ])  # fmt: skip
    return [LABELS_HEAD, *lines] if lines else []


def percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "–"


def labels_text(results: Results) -> str:
    labels: dict[str, Any] = json.loads((results.place / "labels.json").read_text(encoding="utf-8"))
    parts = [f"{labels['wrong']} of {labels['pairs']} labels are wrong"]
    if labels["wrong"]:
        found = labels["wrong_of_delta_below_0"]
        parts.append(f"δ finds them with an AUC of {labels['auc_of_delta']:.3f}")
        parts.append(f"{labels['delta_below_0']} pairs have δ < 0, {found} of them wrong")
        parts.append(f"mean α_D {labels['alpha_right']:.3f} of right pairs, {labels['alpha_wrong']:.3f} of wrong ones")
    return "; ".join(parts)


def why_row(results: Results, name: str) -> Optional[list[str]]:
    """Means over the seeds; the gradient's part in the first and in the last quarter of the steps."""
    runs = []
    for run in results.reported(name):
        path = results.folder(run) / "why.json"
        if path.exists():
            runs.append(json.loads(path.read_text(encoding="utf-8")))
    if not runs:
        return None

    def figure(key: str, quarters: slice = slice(None)) -> float:
        return mean([value for run in runs for value in run[key][quarters]])

    def both(key: str, scale: float, digits: int, quarters: slice = slice(None)) -> str:
        sides = [scale * figure(f"{key}_{side}", quarters) for side in ("right", "wrong")]
        return " / ".join(f"{value:.{digits}f}" for value in sides).replace("-", "\N{MINUS SIGN}")

    last = slice(3, 4)
    return [
        row_named(name).label, both("share", 100, 1), both("beta", 1, 2),
        f"{100 * figure('weight_wrong', slice(0, 1)):.1f} → {100 * figure('weight_wrong', last):.1f}",
        both("margin", 1, 2, last),
    ]  # fmt: skip
