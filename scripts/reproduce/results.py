"""Writes the results of reproduce.py: results.csv (a line for each run), tables.md, report.html."""

from __future__ import annotations

import csv
from html import escape
from pathlib import Path

from tables import FIGURES, HEAD, Results, chosen, markdown, tables

# After tables, which adds its folder to sys.path.
import report

COLUMNS = ["row", "split", "beta", "rate", "seed", *FIGURES, "gap_ratio", "alpha_model_low", "alpha_model_high",
           "beta_low", "beta_high", "margin", "seconds"]  # fmt: skip

#: The methods whose training is drawn; the first two with their easy and hard pairs, as in the paper's Figure 1.
DRAWN = [("DAMA", "dama"), ("DPO", "dpo"), ("D2PO", "d2po"), ("MDPO", "mdpo")]


def write_results(out: Path) -> None:
    results = Results(out)
    if not results.runs:
        return
    with (out / "results.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(results.runs)
    sections = tables(results)
    texts = [f"**{title}**\n\n{markdown([HEAD, *lines])}" for title, lines in sections]
    grid = chosen(results)
    if len(grid) > 1:
        title = "Responses free of hallucination on validation scenes; each row uses its best setting"
        texts.append(f"**{title}**\n\n{markdown(grid)}")
    (out / "tables.md").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
    (out / "report.html").write_text(page_of(results, sections, grid), encoding="utf-8")
    print(f"{out / 'results.csv'}  {out / 'tables.md'}  {out / 'report.html'}")


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


def page_of(results: Results, sections: list[tuple[str, list[list[str]]]], grid: list[list[str]]) -> str:
    body = [f"<h2>{escape(title)}</h2>{html_table([HEAD, *lines])}" for title, lines in sections]
    if len(grid) > 1:
        body.append(f"<h2>Choice of β and learning rate on validation scenes</h2>{html_table(grid)}")
    runs = drawn(results)
    if runs:
        body.append("<h2>Training, first seed</h2>" + report.training_figures(runs, results.out / "pairs" / "scores.jsonl"))
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
