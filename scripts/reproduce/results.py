"""Writes the results of reproduce.py: results.csv (a line for each run), tables.md, noise.svg, report.html."""

from __future__ import annotations

import csv
import re
from html import escape, unescape
from pathlib import Path
from typing import Any

from noise import WHY_HEAD, axis_chart, axis_table, why_tables
from rows import METHODS
from settings import SETTINGS
from tables import FIGURES, HEAD, Results, chosen, markdown, tables, thirds

# After tables, which adds its folder to sys.path.
import report

COLUMNS = ["noise", "share", "row", "split", "beta", "rate", "smoothing", "seed", *FIGURES, "gap_ratio", "gap_easy", "gap_middle", "gap_hard", "alpha_model_low", "alpha_model_high",
           "beta_low", "beta_high", "margin", "seconds"]  # fmt: skip

#: The methods whose training is drawn; the first two with their easy and hard pairs, as in the paper's Figure 1.
DRAWN = [("DAMA", "dama"), ("DPO", "dpo"), ("D2PO", "d2po"), ("MDPO", "mdpo")]


#: The columns of results.csv that hold text.
TEXTS = {"noise", "row", "split"}


def read_runs(path: Path) -> list[dict[str, Any]]:
    """The runs of a results.csv. Those of version 0.1 have no columns for the kind and the share of wrong labels."""
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    runs = []
    for line in lines:
        run: dict[str, Any] = {"noise": SETTINGS[0].noise, "share": SETTINGS[0].share}
        run.update((key, value if key in TEXTS else float(value)) for key, value in line.items() if value != "")
        run["seed"] = int(run["seed"])
        runs.append(run)
    return runs


def write_csv(path: Path, runs: list[dict[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(runs)


FIGURE_1_TITLE = "Figure 1: the reward gap of easy and hard pairs, in the last quarter of the steps"
FIGURE_1 = [row.name + ending for ending in ("", "-paper-beta") for row in METHODS]
GRID_TITLE = "Responses free of hallucination on validation scenes; each row uses its best setting"


def write_results(out: Path) -> None:
    found = [results for results in (Results(out, setting) for setting in SETTINGS) if results.runs]
    if not found:
        return
    runs = [run for results in found for run in results.runs]
    write_csv(out / "results.csv", runs)
    pages = [Page(results) for results in found]
    texts = [f"## {title}\n\n{markdown(table)}" for title, table in axis_tables(found)]
    for page in pages:
        texts.append(f"## {page.results.setting.label}")
        texts += [f"**{title}**\n\n{markdown(table)}" for title, table in page.tables]
    (out / "tables.md").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    (out / "noise.svg").write_text(standalone(axis_chart(found)), encoding="utf-8")
    (out / "report.html").write_text(page_of(pages), encoding="utf-8")
    print("  ".join(str(out / name) for name in ("results.csv", "tables.md", "noise.svg", "report.html")))


def axis_tables(found: list[Results]) -> list[tuple[str, list[list[str]]]]:
    """The methods under every setting: with settings chosen for each, and with the same for all."""
    titles = {"": "Wrong labels", "-common-beta": "Wrong labels, β 0.5 and learning rate 6e-5 for all"}
    return [(title, axis_table(found, ending)) for ending, title in titles.items()]


class Page:
    """The tables of one setting."""

    def __init__(self, results: Results):
        self.results = results
        self.tables: list[tuple[str, list[list[str]]]] = [(title, [HEAD, *lines]) for title, lines in tables(results)]
        gaps = thirds(results, FIGURE_1)
        if gaps:
            self.tables.append((FIGURE_1_TITLE, gaps))
        grid = chosen(results)
        if len(grid) > 1:
            self.tables.append((GRID_TITLE, grid))
        for title, lines in why_tables(results):
            self.tables.append((title, [WHY_HEAD, *lines]))


#: The width of a chart of report.py, and where a legend above it begins.
CHART_WIDTH, LEGEND_START = 460, 52


def standalone(html: str) -> str:
    """The picture of a figure as a file of its own, with its legend and the colours that the page gives it."""
    keys = re.findall(r'stroke="(#\w+)" stroke-width="2.2"/></svg>([^<]*)</span>', html)
    legend, place, rows = "", LEGEND_START, 0
    for color, label in keys:
        length = 46 + 7 * len(unescape(label))
        if place > LEGEND_START and place + length > CHART_WIDTH:
            place, rows = LEGEND_START, rows + 1
        y = 18 * rows - 12
        legend += (f'<line x1="{place}" x2="{place + 18}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2.2"/>'
                   f'<text class="label" x="{place + 23}" y="{y + 4}">{label}</text>')  # fmt: skip
        place += length
    top = 26 + 18 * rows
    legend = f'<g transform="translate(0 {-18 * rows})">{legend}</g>'
    start, end = html.index('<svg viewBox="0 0'), html.rindex("</svg>") + len("</svg>")
    style = ("<style>text{font:11px sans-serif;fill:#444}.label{font-size:12px}.grid{stroke:#ddd}"
             f".axis{{stroke:#888}}</style><rect y='{-top}' width='100%' height='100%' fill='white'/>")  # fmt: skip
    svg = html[start:end].replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)
    svg = svg.replace('viewBox="0 0 460 250"', f'viewBox="0 {-top} {CHART_WIDTH} {250 + top}"', 1)
    return svg.replace(">", f">{style}{legend}", 1) + "\n"


def html_table(lines: list[list[str]]) -> str:
    head, *body = lines
    rows = ["<thead><tr>" + "".join(f"<th>{escape(cell)}</th>" for cell in head) + "</tr></thead><tbody>"]
    for line in body:
        cells = [f"<b>{escape(c.strip('*'))}</b>" if c.startswith("**") else escape(c) for c in line]
        rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
    return f"<div class='wide'><table>{''.join(rows)}</tbody></table></div>"


def drawn(results: Results) -> list[report.Run]:
    """The first reported run of each method that is drawn."""
    runs = []
    for label, name in DRAWN:
        reported = results.reported(name)
        if reported:
            runs.append(report.Run(label, results.folder(reported[0]) / "metrics.jsonl"))
    return runs


def page_of(pages: list[Page]) -> str:
    found = [page.results for page in pages]
    body = [f"<h2>{escape(title)}</h2>{html_table(table)}" for title, table in axis_tables(found)]
    body.append(f"<div class=charts>{axis_chart(found)}</div>")
    for page in pages:
        body.append(f"<h2>{escape(page.results.setting.label)}</h2>")
        body += [f"<h3>{escape(title)}</h3>{html_table(table)}" for title, table in page.tables]
        runs = drawn(page.results)
        if runs:
            scores = page.results.place / "pairs" / "scores.jsonl"
            body.append("<h3>Training, first seed</h3>" + report.training_figures(runs, scores))
    title = "The paper's tables in a world of shapes"
    lead = (
        '<p class="lead">Responses free of hallucination, mentions that are true and objects covered in per cent, mean ± '
        "standard deviation over the seeds. Against DPO: difference of the responses free of hallucination in points, "
        "with its 95 % interval over the scenes. Gap: mean reward gap of the easy third of the pairs divided by that "
        "of the hard third, in the last quarter of the steps. α<sub>M</sub>: range of the middle nine tenths of the "
        "steps. β<sub>i</sub>/β: smallest and largest value of a batch, averaged over the steps.</p>"
    )
    footer = (
        "<footer>Written by scripts/reproduce from the files of <code>dama</code> and <code>shapes-world</code>.</footer>"
    )
    style = " main { max-width: 1180px } .wide { overflow-x: auto } .wide table { font-size: 13.5px }"
    return report.page(title, f"<h1>{title}</h1>{lead}{''.join(body)}{footer}", style)
