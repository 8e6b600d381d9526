"""Fills the tables of the documents from the complete runs of reproduce.py.

A table stands between two comments: <!-- table NAME --> and <!-- end -->. One that the runs in OUT do not give keeps
its text. A row needs all its seeds, and a table of the paper all its rows, except for that of the methods. The table of
labels needs the pairs of all settings: `--pairs`.
"""

from __future__ import annotations

import re
from pathlib import Path

from noise import WHY_HEAD, axis_chart, in_order, labels_table, why_tables
from results import FIGURE_1, axis_tables, read_runs, standalone, write_csv
from rows import RIVALS_TABLE, TABLES
from settings import SETTINGS
from tables import HEAD, Results, base_row, chosen, markdown, table_row, thirds

DOCUMENTS = ["results.md", "choosing.md"]

#: Short names of the paper's tables in the marks of the documents.
NAMES = {"methods": 0, "hardness": 1, "filters": 2, "combining": 3, "paper-beta": 4, "controls": 5}

MARK = re.compile(r"(<!-- table ([^\n]*?) -->\n\n).*?(\n\n<!-- end -->)", re.DOTALL)


def write_documents(out: Path, docs: Path, seeds: int) -> None:
    """Writes results.csv and noise.svg of all known runs, and the tables of the documents, in the folder `docs`."""
    known = read_runs(docs / "results.csv")
    every = [Results(out, setting, known) for setting in SETTINGS]
    write_csv(docs / "results.csv", [run for results in every for run in results.runs])
    found = [Results(out, setting, known, seeds) for setting in SETTINGS]
    (docs / "noise.svg").write_text(standalone(axis_chart(found)), encoding="utf-8")
    made = all_tables(found, every)
    for name in DOCUMENTS:
        path = docs / name
        if path.exists():
            text = path.read_text(encoding="utf-8")
            path.write_text(MARK.sub(lambda mark: filled(mark, made), text), encoding="utf-8")
            print(path)


def filled(mark: re.Match[str], made: dict[str, list[list[str]]]) -> str:
    table = made.get(mark[2])
    return mark[1] + markdown(table) + mark[3] if table and len(table) > 1 else mark[0]


def all_tables(found: list[Results], every: list[Results]) -> dict[str, list[list[str]]]:
    """The tables that the runs give, by name."""
    made = dict(zip(("axis", "common"), (table for _, table in axis_tables(found))), runs=runs_table(every))
    labels = labels_table(found)
    if len(labels) == 1 + len(found):
        made["labels"] = labels
    for results in found:
        name = results.setting.name
        if results.free and results.is_whole:
            titles = {key: TABLES[index][1] for key, index in NAMES.items()}
            for key, rows in {**titles, "rivals": RIVALS_TABLE[1]}.items():
                lines = [line for line in (table_row(results, row) for row in rows) if line]
                if lines and (key == "methods" or len(lines) == len(rows)):
                    made[f"{name} {key}"] = [HEAD, base_row(results.out), *lines]
            for _, lines in why_tables(results):
                made[f"{name} why"] = [WHY_HEAD, *lines]
            made[f"{name} thirds"] = thirds(results, FIGURE_1)
        if results.runs:
            made[f"{name} grid"] = chosen(results, only_complete=True)
    return made


def runs_table(every: list[Results]) -> list[list[str]]:
    """How many runs of each setting are complete."""
    lines = []
    for results in in_order(every):
        counts = [sum(run["split"] == split for run in results.runs) for split in ("validation", "test")]
        command = f"`make reproduce NOISE={results.setting.name}`"
        lines.append([results.setting.short_label, str(len(results.setting.rows)), *map(str, counts), command])
    return [["wrong labels", "methods", "runs that choose", "runs that report", "command"], *lines]
