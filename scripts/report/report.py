#!/usr/bin/env python3
"""Writes one HTML file about an alignment in the embedded world: the policy's responses before and after, and the
course of the training. The script needs only the standard library, and the page needs no other file.

    report.py --out report.html --policy base=DIR --policy aligned=DIR --metrics DAMA=metrics.jsonl
        [--metrics DPO=metrics.jsonl] [--scores scores.jsonl] [--scenes DIR] [--comparison comparison.json]
        [--title TEXT] [--note TEXT]

A policy's DIR holds the output of `shapes-world judge --out judge.json --details details.jsonl`, the scenes' DIR the
output of `shapes-world scenes`. A comparison is what `dama evaluate compare --json` writes; it may be repeated.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any, Optional

import comparison
from charts import Line, Number, histogram, line_chart

BASE, ALIGNED = "#8a93a0", "#1f6fb2"
EASY, HARD = "#d1731f", "#5b3e96"
RUN_COLORS = ["#1f6fb2", "#d1731f", "#3b8f5a", "#a03a6b", "#7a6a2f"]


def read_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


class Policy:
    """The judge's figures and details of one policy."""

    def __init__(self, name: str, folder: Path):
        self.name = name
        self.judge: dict[str, Any] = json.loads((folder / "judge.json").read_text(encoding="utf-8"))
        self.details = {str(line["idx"]): line for line in read_lines(folder / "details.jsonl")}


class Run:
    """The metrics of one training run."""

    def __init__(self, name: str, path: Path):
        self.name = name
        self.lines = read_lines(path)
        self.steps = [float(line["step"]) for line in self.lines]
        # A tenth of the run: enough to smooth the differences between batches.
        self.window = max(1, len(self.lines) // 10)

    def __getitem__(self, key: str) -> list[Number]:
        return [line.get(key) for line in self.lines]


# ----------------------------------------------------------------------------------------------------------------------
# Before and after


def difference(base: Policy, aligned: Policy, value: Any) -> Optional[tuple[float, float]]:
    """Mean of a figure's paired difference over the scenes that both describe, with its standard error."""
    pairs = [(value(base.details[key]), value(aligned.details[key])) for key in base.details if key in aligned.details]
    changes = [b - a for a, b in pairs]
    if len(changes) < 2:
        return None
    mean = sum(changes) / len(changes)
    variance = sum((c - mean) ** 2 for c in changes) / (len(changes) - 1)
    return mean, math.sqrt(variance / len(changes))


@dataclass
class Outcome:
    """A figure of every policy, and its change from the first to the last."""

    label: str
    unit: str
    values: list[float]
    # Half the 95 % interval of the change, if the figure is a mean over scenes.
    margin: Optional[float]

    @property
    def change(self) -> float:
        return self.values[-1] - self.values[0]

    @property
    def change_text(self) -> str:
        text = f"{self.change:+.1f}".replace("-", "\N{MINUS SIGN}")
        return text if self.margin is None else f"{text} ± {self.margin:.1f}"

    @property
    def kind(self) -> str:
        if self.margin is None or abs(self.change) <= self.margin:
            return ""
        return "better" if self.change > 0 else "worse"


def outcomes(policies: list[Policy]) -> list[Outcome]:
    rows: list[tuple[str, str, float, str, Any]] = [
        ("Responses free of hallucination", "response_level", 100, "%", lambda d: float(d["false"] == 0)),
        ("Mentions that are true", "mention_level", 100, "%", None),
        ("Objects rightly mentioned", "coverage", 100, "%", lambda d: d["covered"] / max(1, d["objects"])),
        ("Words in a response", "mean_words", 1, "", None),
    ]
    found = []
    for label, key, scale, unit, paired in rows:
        change = difference(policies[0], policies[-1], paired) if paired else None
        margin = 1.96 * change[1] * scale if change else None
        found.append(Outcome(label, unit, [policy.judge[key] * scale for policy in policies], margin))
    return found


def outcome_table(policies: list[Policy]) -> str:
    html = ["<table><thead><tr><th></th>"]
    html += [f"<th>{escape(policy.name)}</th>" for policy in policies]
    html.append("<th>change</th><th></th></tr></thead><tbody>")
    for row in outcomes(policies):
        html.append(f"<tr><td>{row.label}</td>")
        html += [f"<td>{value:.1f}{row.unit and chr(0x202F) + row.unit}</td>" for value in row.values]
        largest = 100 if row.unit else max(row.values) or 1
        bars = "".join(
            f'<div style="width:{100 * value / largest:.1f}%;background:{color}"></div>'
            for value, color in zip(row.values, colors(len(row.values)))
        )
        html.append(f'<td class="{row.kind}">{row.change_text}</td><td class="bars">{bars}</td></tr>')
    html.append(
        f"</tbody></table><p><small>{policies[0].judge['responses']} scenes, the same for all, whose layouts occur in "
        "no training data. ± is the 95 % interval of the paired difference, for figures that are means over scenes. "
        "Coverage and length are shown beside the rates because saying less is the easy way to be right.</small></p>"
    )
    return "".join(html)


def outcome_text(policies: list[Policy]) -> str:
    """The table for a terminal."""
    lines = [f"{'':34}" + "".join(f"{policy.name:>9}" for policy in policies) + f"{'change':>15}"]
    for row in outcomes(policies):
        label = row.label + (f" ({row.unit})" if row.unit else "")
        lines.append(f"{label:34}" + "".join(f"{value:9.1f}" for value in row.values) + f"{row.change_text:>15}")
    return "\n".join(lines)


def colors(count: int) -> list[str]:
    return [BASE] + RUN_COLORS[: count - 1]


def faults_table(policies: list[Policy]) -> str:
    kinds = list(policies[0].judge["false_by_kind"])
    html = ["<table><thead><tr><th>False mentions by kind of error</th>"]
    html += [f"<th>{escape(kind)}</th>" for kind in kinds]
    html.append("<th>malformed</th><th>all mentions</th></tr></thead><tbody>")
    for policy in policies:
        html.append(f"<tr><td>{escape(policy.name)}</td>")
        html += [f"<td>{policy.judge['false_by_kind'][kind]}</td>" for kind in kinds]
        html.append(f"<td>{policy.judge['malformed']}</td><td>{policy.judge['mentions']}</td></tr>")
    return "".join(html) + "</tbody></table>"


# ----------------------------------------------------------------------------------------------------------------------
# The training


def training_figures(runs: list[Run], scores: Optional[Path]) -> str:
    figures: list[str] = []
    main = runs[0]
    if scores:
        deltas = [line["delta"] for line in read_lines(scores)]
        figures.append(
            histogram(
                "Hardness of the pairs",
                "δ, Eq. (6): CLIP's probability of the chosen response's sentences minus that of the rejected one's. "
                "Near 1 the pair is easy; below 0 CLIP prefers the rejected response.",
                deltas, -1, 1, 40, ALIGNED,
            )
        )  # fmt: skip
    figures.append(
        line_chart(
            "β of the pairs",
            f"{escape(main.name)}: mean β of each step, Eq. (17), and the range within the batch. Dotted: the mean "
            "over the run.",
            [Line("", main.steps, main["beta_mean"], ALIGNED, band=(main["beta_min"], main["beta_max"]))],
            "β", marks=mean_of(main["beta_mean"]),
        )
    )  # fmt: skip
    figures.append(
        line_chart(
            "Responsiveness of the model",
            "α<sub>M</sub>, Eq. (13): above 1 the model separates the batch's pairs better than its running mean, and "
            "β grows.",
            of_each(runs, "alpha_model"),
            "α of the model", marks=[1],
        )
    )  # fmt: skip
    gaps: list[Line] = []
    for index, run in enumerate(runs[:2]):
        gaps.append(Line(f"{run.name}, easy third", run.steps, run["gap_easy"], EASY, index > 0, run.window))
        gaps.append(Line(f"{run.name}, hard third", run.steps, run["gap_hard"], HARD, index > 0, run.window))
    figures.append(
        line_chart(
            "Reward gap of easy and hard pairs",
            "β · (log-ratio of the chosen response − log-ratio of the rejected one) with the base β, mean over the "
            "easy and the hard third of the pairs by δ, as in the paper's Figure 1. Moving mean over a tenth of the "
            "steps.",
            gaps, "reward gap", marks=[0],
        )
    )  # fmt: skip
    figures.append(
        line_chart(
            "Loss",
            "Mean over the kept pairs of each step. Dotted: log 2, the loss of a policy that equals its reference.",
            of_each(runs, "loss"),
            "loss", marks=[math.log(2)],
        )
    )  # fmt: skip
    figures.append(
        line_chart(
            "Accuracy",
            "Share of a step's pairs for which the policy favours the chosen response more than its reference does.",
            of_each(runs, "accuracy"),
            "accuracy", marks=[0.5],
        )
    )  # fmt: skip
    return f'<div class="grid-of-figures">{"".join(figures)}</div>'


def of_each(runs: list[Run], key: str) -> list[Line]:
    return [Line(run.name, run.steps, run[key], color, smooth=run.window) for run, color in zip(runs, RUN_COLORS)]


def mean_of(values: list[Number]) -> list[float]:
    known = [value for value in values if value is not None]
    return [sum(known) / len(known)] if known else []


# ----------------------------------------------------------------------------------------------------------------------
# Examples


def examples(policies: list[Policy], scenes: Path, count: int = 3) -> list[tuple[dict[str, Any], Any, Any]]:
    """The first scenes for which the first and the last policy make different numbers of false mentions."""
    found: list[tuple[dict[str, Any], Any, Any]] = []
    for question in read_lines(scenes / "questions.jsonl"):
        before, after = (policy.details.get(str(question["idx"])) for policy in (policies[0], policies[-1]))
        if before and after and before["false"] != after["false"] and len(found) < count:
            found.append((question, before, after))
    return found


def examples_page(policies: list[Policy], scenes: Path) -> str:
    html: list[str] = []
    for question, *sides in examples(policies, scenes):
        image = base64.b64encode((scenes / question["image"]).read_bytes()).decode("ascii")
        texts = "".join(
            f'<div><span class="tag">{escape(policy.name)}: {verdict(side)}</span><p>{description(side)}</p></div>'
            for policy, side in zip((policies[0], policies[-1]), sides)
        )
        name = escape(str(question["idx"]))
        html.append(f'<div class="example"><img alt="scene {name}" src="data:image/jpeg;base64,{image}">{texts}</div>')
    return "".join(html)


def examples_text(policies: list[Policy], scenes: Path) -> str:
    """The examples for a terminal, with false sentences in brackets."""
    lines: list[str] = []
    for question, *sides in examples(policies, scenes):
        lines.append(f"\n{scenes / question['image']}")
        for policy, side in zip((policies[0], policies[-1]), sides):
            said = " ".join(m["sentence"] if m["true"] else f"[{m['sentence']}]" for m in side["mentions"])
            lines.append(f"  {policy.name} ({verdict(side)}): {said}")
    return "\n".join(lines)


def verdict(side: Any) -> str:
    count = side["false"]
    found = "nothing false" if count == 0 else f"{count} false"
    return f"{found}, {side['covered']} of {side['objects']} objects"


def description(side: Any) -> str:
    parts = []
    for mention in side["mentions"]:
        text = escape(mention["sentence"])
        parts.append(text if mention["true"] else f"<mark>{text}&nbsp;<small>{escape(mention['fault'])}</small></mark>")
    return " ".join(parts) or "<i>nothing</i>"


# ----------------------------------------------------------------------------------------------------------------------


def evaluation(path: Path) -> str:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return f"<h2>Evaluation: {escape(found['benchmark'])}</h2>{comparison.table(found)}"


def page(title: str, body: str, style: str = "") -> str:
    """A self-contained HTML page; ``style`` follows the common style of all pages."""
    common = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{common}{style}</style></head><body><main>{body}</main></body></html>\n"
    )


def named(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator or not name or not path:
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATH")
    return name, Path(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--policy", type=named, action="append", required=True, metavar="NAME=DIR")
    parser.add_argument("--metrics", type=named, action="append", required=True, metavar="NAME=FILE")
    parser.add_argument("--scores", type=Path)
    parser.add_argument("--scenes", type=Path)
    parser.add_argument("--comparison", type=Path, action="append", default=[])
    parser.add_argument("--title", default="Data- and model-aware alignment in a world of shapes")
    parser.add_argument("--note", default="", help="a paragraph under the title")
    arguments = parser.parse_args()
    policies = [Policy(name, path) for name, path in arguments.policy]
    runs = [Run(name, path) for name, path in arguments.metrics]
    shown = examples_page(policies, arguments.scenes) if arguments.scenes else ""
    sections = [
        f"<h1>{escape(arguments.title)}</h1>",
        f'<p class="lead">{escape(arguments.note)}</p>' if arguments.note else "",
        "<h2>Before and after</h2>", outcome_table(policies), faults_table(policies),
        *(evaluation(path) for path in arguments.comparison),
        "<h2>Training</h2>", training_figures(runs, arguments.scores),
        f"<h2>Responses</h2><p>The first scenes for which the two policies make different numbers of false mentions. "
        f"False sentences are <mark>marked</mark>, with the kind of error.</p>{shown}" if shown else "",
        "<footer>Written by scripts/report from the files of <code>dama</code> and <code>shapes-world</code>.</footer>",
    ]  # fmt: skip
    arguments.out.write_text(page(arguments.title, "".join(sections)), encoding="utf-8")
    print(outcome_text(policies))
    if arguments.scenes:
        print(examples_text(policies, arguments.scenes))
    print(f"\n{arguments.out}")


if __name__ == "__main__":
    main()
