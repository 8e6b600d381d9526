"""Tests the figures of scripts/reproduce on runs whose results are known."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts" / "reproduce"))

import results as pages
from document import write_documents
from reproduce import Benchmark, choosing, reporting
from noise import axis_table, why_row
from rows import AXIS, BETAS, COMMON, RATES, RIVALS, RIVALS_TABLE, ROWS, SMOOTHING, TABLES
from settings import SETTINGS
from tables import Results, chosen, describe_training, run_name, student_p, student_point
from why import area_under_curve, describe_pairs


def line(step: int, easy: float, hard: float | None, alpha: float) -> dict[str, object]:
    return {"step": step, "gap_easy": easy, "gap_hard": hard, "alpha_model": alpha, "beta_mean": 0.1, "beta_min": 0.05,
            "beta_max": 0.2, "margin_mean": 1.0, "loss": 0.5, "accuracy": 0.5}  # fmt: skip


def add(
    out: Path, row: str, seed: int, free: list[bool], split: str = "test", beta: float = 0.5, rate: float = 6e-5
) -> None:
    folder = out / "runs" / run_name(row, beta, rate, seed)
    folder.mkdir(parents=True)
    level = sum(free) / len(free)
    result = {"row": row, "beta": beta, "rate": rate, "seed": seed, "split": split, "response_level": level,
              "mention_level": 0.9, "coverage": 0.8, "mean_words": 20.0, "seconds": 1.0}  # fmt: skip
    (folder / "result.json").write_text(json.dumps(result))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line(s, 2, 1, 1.0)) + "\n" for s in range(1, 9)))
    details = [{"idx": i, "false": 0 if ok else 2, "mentions": []} for i, ok in enumerate(free)]
    (folder / f"{split}-details.jsonl").write_text("".join(json.dumps(d) + "\n" for d in details))


# Two-sided points of Student's t, from the table; with one degree of freedom p = 1 − 2/π · atan t.
@pytest.mark.parametrize(("t", "degrees", "p"), [(2.776445, 4, 0.05), (4.604095, 4, 0.01), (1, 1, 0.5), (0, 3, 1.0)])
def test_student(t: float, degrees: int, p: float) -> None:
    assert student_p(t, degrees) == pytest.approx(p, abs=1e-6)
    assert student_p(-t, degrees) == pytest.approx(p, abs=1e-6)


def test_a_method_against_dpo(tmp_path: Path) -> None:
    add(tmp_path, "dpo", 1, [True, False, False, False])
    add(tmp_path, "dpo", 2, [True, False, True, False])
    add(tmp_path, "dama", 1, [True, True, False, False])
    add(tmp_path, "dama", 2, [True, True, True, True])
    found = Results(tmp_path).against("dama", "dpo")
    assert found is not None
    center, margin, p_scenes, p_seeds = found
    # Scene by scene, over both seeds: 0, 1, 0, 1/2.
    assert center == pytest.approx(0.375)
    error = math.sqrt(((0.375**2) * 2 + 0.625**2 + 0.125**2) / 3) / 2
    assert margin == pytest.approx(1.96 * error)
    assert p_scenes == pytest.approx(math.erfc(0.375 / error / math.sqrt(2)))
    # Seed by seed: 1/4 and 1/2, so t = 0.375 / 0.125 = 3 with one degree of freedom.
    assert p_seeds == pytest.approx(1 - 2 / math.pi * math.atan(3), abs=1e-6)


def test_what_beta_did() -> None:
    lines = [line(s, 1.0, 1.0, 0.5 + s / 100) for s in range(1, 16)] + [line(s, 4.0, 2.0, 1.0) for s in range(16, 20)]
    lines.append(line(20, 4.0, None, 3.0))
    found = describe_training(lines, 0.1)
    assert found["gap_ratio"] == pytest.approx(2.0)
    assert found["beta_low"] == pytest.approx(0.5) and found["beta_high"] == pytest.approx(2.0)
    # Of twenty steps the smallest and the largest value are left out.
    assert found["alpha_model_low"] == pytest.approx(0.52) and found["alpha_model_high"] == pytest.approx(1.0)


def test_the_best_of_the_grid_is_chosen_and_the_rest_is_missing(tmp_path: Path) -> None:
    benchmark, row = Benchmark(tmp_path, tmp_path), ROWS[0]
    assert len(choosing(row)) == len(BETAS) * len(RATES) and benchmark.best(row) is None
    for job in choosing(row):
        folder = tmp_path / "runs" / job.name
        folder.mkdir(parents=True)
        level = 0.9 if (job.beta, job.rate) == (BETAS[1], RATES[0]) else 0.5
        (folder / "result.json").write_text(json.dumps({"response_level": level, "mention_level": 0.5}))
    assert benchmark.best(row) == (BETAS[1], RATES[0], None)
    assert [job.seed for job in reporting(row, (BETAS[1], RATES[0], None), 5)] == [1, 2, 3, 4, 5]
    fixed = next(row for row in ROWS if row.fixed)
    assert choosing(fixed) == [] and fixed.fixed and benchmark.best(fixed) == (*fixed.fixed, None)
    smoothed = next(row for row in RIVALS if row.smoothing)
    assert len({job.name for job in choosing(smoothed)}) == len(BETAS) * len(RATES) * len(SMOOTHING)


def test_the_tables_name_rows_that_there_are(tmp_path: Path) -> None:
    names = {row.name for row in ROWS}
    assert all(set(table) <= names for _, table in TABLES) and {row.base for row in ROWS} <= names
    assert {name for _, table in TABLES for name in table} == names
    rivals = {row.name for row in RIVALS}
    assert not rivals & names and rivals <= set(RIVALS_TABLE[1]) <= names | rivals
    same = {row.name for row in COMMON}
    assert all(set(AXIS) | same <= set(setting.rows) <= names | rivals | same for setting in SETTINGS)
    assert {row.twin for row in COMMON} == set(AXIS) and {row.base for row in COMMON} <= same
    assert len({setting.name for setting in SETTINGS}) == len(SETTINGS)


def test_a_run_that_another_row_has_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = next(row for row in COMMON if row.twin == "dama")
    assert row.fixed
    benchmark, jobs = Benchmark(tmp_path, tmp_path), reporting(row, (*row.fixed, None), 2)
    add(tmp_path, "dama", 1, [True, False])
    add(tmp_path, "dama", 2, [True, True], beta=0.1)
    trained: list[str] = []
    monkeypatch.setattr(benchmark, "train", lambda job, folder: trained.append(job.name) or sys.exit())
    assert benchmark.run(jobs[0]) and not trained
    with pytest.raises(SystemExit):
        benchmark.run(jobs[1])
    assert trained == [jobs[1].name], "at another β the run is another one"
    results = Results(tmp_path)
    assert [run["response_level"] for run in results.reported(row.name)] == [0.5]
    assert results.scenes(row.name) == {1: {"0": 1.0, "1": 0.0}}
    assert [run["beta"] for run in results.reported("dama")] == [0.5, 0.1]
    add(tmp_path, row.name, 1, [False, False])
    assert [run["response_level"] for run in Results(tmp_path).reported(row.name)] == [0.0], "its own run comes first"


def test_runs_of_an_earlier_file_fill_the_gaps(tmp_path: Path) -> None:
    add(tmp_path, "dpo", 1, [True, False])
    known = [{"noise": "random", "share": 0.05, "row": "dpo", "split": "test", "beta": 0.5, "rate": 6e-5, "seed": seed,
              "response_level": level} for seed, level in ((1, 0.0), (2, 1.0))]  # fmt: skip
    results = Results(tmp_path, known=[*known, {**known[1], "share": 0.25, "seed": 3}])
    assert [run["response_level"] for run in results.reported("dpo")] == [0.5, 1.0] and not results.is_whole
    assert Results(tmp_path, known=known[:1]).is_whole


def test_files_are_written(tmp_path: Path) -> None:
    for seed in (1, 2):
        add(tmp_path, "dpo", seed, [True, False])
        add(tmp_path, "dama", seed, [True, seed == 1])
    add(tmp_path, "dama", 0, [True, True], split="validation")
    (tmp_path / "base").mkdir()
    base = {"response_level": 0.25, "mention_level": 0.5, "coverage": 0.5, "mean_words": 9.0}
    (tmp_path / "base" / "test.json").write_text(json.dumps(base))
    (tmp_path / "pairs").mkdir()
    (tmp_path / "pairs" / "scores.jsonl").write_text('{"delta": 0.25}\n{"delta": -0.5}\n')
    pages.write_results(tmp_path)
    text = (tmp_path / "tables.md").read_text()
    assert "| DAMA (preset paper) | 0.5, 6e-05 | 75.0 ± 35.4 |" in text and "| base policy | – | 25.0 |" in text
    assert "+25.0" in text and "| **100.0** |" in text
    assert chosen(Results(tmp_path))[1] == ["DAMA (preset paper)", "**100.0**"]
    rows = (tmp_path / "results.csv").read_text().splitlines()
    assert len(rows) == 6 and rows[0].startswith("noise,share,row,split,beta,rate,smoothing,seed,response_level")
    assert rows[1].startswith("random,0.05,dama,validation,0.5,6e-05,,0,1.0")
    assert "| 5 % |" in text and (tmp_path / "noise.svg").read_text().startswith("<svg xmlns")
    html = (tmp_path / "report.html").read_text()
    assert html.count("<svg") >= 6 and "http" not in html.replace("http-equiv", "").replace("http://www.w3.org", "")


def test_how_well_values_find_wrong_labels() -> None:
    values, wrong = [0.1, 0.4, 0.2, 0.4, -0.3, 0.9], [True, False, False, True, True, False]
    # All pairs of a wrong and a right label, one by one.
    wins = [
        1.0 if a < b else 0.5 if a == b else 0.0
        for a, is_wrong in zip(values, wrong) if is_wrong
        for b, other in zip(values, wrong) if not other
    ]  # fmt: skip
    assert area_under_curve(values, wrong) == pytest.approx(sum(wins) / len(wins))
    assert area_under_curve([1, 1, 1], [True, False, False]) == 0.5
    assert area_under_curve([1, 2], [False, False]) is None


def test_what_became_of_wrong_pairs(tmp_path: Path) -> None:
    def entry(kept: list[bool], margin: float) -> dict[str, object]:
        return {"id": [1, "b"], "kept": kept, "beta": [0.1, 0.3], "margin": [2.0, margin],
                "weight": [0.03 if kept[0] else 0, 0.01 if kept[1] else 0]}  # fmt: skip

    lines = [entry([True, True], 0.0), entry([True, False], 1.0), entry([True, True], 3.0), entry([False, True], 4.0)]
    found = describe_pairs(lines, {"1": False, "b": True}, beta=0.2)
    assert found["share_wrong"] == [1, 0, 1, 1] and found["share_right"] == [1, 1, 1, 0]
    assert found["beta_right"] == [0.5, 0.5, 0.5, None] and found["beta_wrong"] == pytest.approx([1.5, None, 1.5, 1.5])
    assert found["weight_wrong"] == pytest.approx([0.25, 0, 0.25, 1])
    assert found["margin_wrong"] == [0, 1, 3, 4] and found["margin_right"] == [2, 2, 2, 2]

    setting = SETTINGS[1]
    folder = setting.folder(tmp_path)
    add(folder, "dpo", 1, [True, False])
    add(folder, "dpo", 2, [True, True])
    results = Results(tmp_path, setting)
    assert results.reported("dpo") and why_row(results, "dpo") is None
    (results.folder(results.reported("dpo")[0]) / "why.json").write_text(json.dumps(found))
    assert why_row(results, "dpo") == [
        "DPO", "75.0 / 75.0", "0.50 / 1.50", "25.0 → 100.0", "2.00 / 4.00",
    ]  # fmt: skip
    assert axis_table([results])[1] == ["25 %", "75.0 ± 35.4", "–", "–", "–", "–", "–", "–"]


def test_a_difference_by_seeds(tmp_path: Path) -> None:
    for seed, (dpo, dama) in enumerate([(1, 2), (2, 2), (1, 4)], start=1):
        add(tmp_path, "dpo", seed, [index < dpo for index in range(4)])
        add(tmp_path, "dama", seed, [index < dama for index in range(4)])
    found = Results(tmp_path).by_seeds("dama", "dpo")
    assert found is not None
    center, margin, p = found
    # Changes of 1/4, 0 and 3/4: mean 1/3, variance 7/48. With two degrees of freedom t has a closed form:
    # p = 1 − t / √(2 + t²), and 4.302653 is its point of 5 %, from the table.
    error = math.sqrt(7 / 48 / 3)
    assert center == pytest.approx(1 / 3)
    assert margin == pytest.approx(4.302653 * error, rel=1e-6)
    t = center / error
    assert p == pytest.approx(1 - t / math.sqrt(2 + t * t), abs=1e-6)
    assert Results(tmp_path, seeds=4).by_seeds("dama", "dpo") is None, "a row needs all its seeds"
    assert student_point(0.05, 4) == pytest.approx(2.776445, rel=1e-5)


def test_documents_are_filled(tmp_path: Path) -> None:
    docs, setting = tmp_path / "docs", SETTINGS[1]
    docs.mkdir()
    folder = setting.folder(tmp_path)
    for seed in (1, 2):
        add(folder, "dpo", seed, [True, False])
        add(folder, "dama", seed, [True, seed == 1])
    add(folder, "mdpo", 1, [True, True])
    for beta in BETAS:
        for rate in RATES:
            add(folder, "dpo", 0, [True, beta == BETAS[1] and rate == RATES[1]], "validation", beta, rate)
    add(folder, "dama", 0, [True, True], "validation")
    (tmp_path / "base").mkdir()
    base = {"response_level": 0.25, "mention_level": 0.5, "coverage": 0.5, "mean_words": 9.0}
    (tmp_path / "base" / "test.json").write_text(json.dumps(base))
    labels = {"pairs": 40, "wrong": 10, "delta_below_0": 16, "wrong_of_delta_below_0": 8, "auc_of_delta": 0.9,
              "alpha_right": 1.1, "alpha_wrong": 0.8}  # fmt: skip
    for other in SETTINGS[1:]:
        other.folder(tmp_path).mkdir(parents=True, exist_ok=True)
        (other.folder(tmp_path) / "labels.json").write_text(json.dumps(labels))
    # Runs of version 0.1, whose folders are not here.
    (docs / "results.csv").write_text(
        "row,split,beta,rate,seed,response_level,mention_level\n"
        + "".join(f"{row},test,0.5,6e-05,{seed},{rate},0.9\n" for row, seed, rate in
                  [("dpo", 1, 0.5), ("dpo", 2, 0.25), ("dama", 1, 0.75), ("dama", 2, 0.75)]))  # fmt: skip
    names = ["axis", "labels", "runs", "random-0.25 methods", "random-0.25 grid",
             "random-0.05 methods", "random-0.35 why",
             "random-0.25 combining"]  # fmt: skip
    text = "".join(f"<!-- table {name} -->\n\nNot yet run.\n\n<!-- end -->\n" for name in names)
    (docs / "results.md").write_text(text)
    write_documents(tmp_path, docs, seeds=2)
    assert (docs / "results.md").read_text().split("<!-- end -->")[1].endswith("Not yet run.\n\n"), "5 % lacks its labels"
    (tmp_path / "labels.json").write_text(json.dumps(labels))
    for _ in range(2):  # Now the file is its own known runs.
        write_documents(tmp_path, docs, seeds=2)
        parts = dict(zip(names, (docs / "results.md").read_text().split("<!-- end -->")))
        # 5 %: changes of 1/4 and 1/2, so t = 3 with one degree of freedom, whose point of 5 % is 12.706.
        assert "| 5 % | 37.5 ± 17.7 | – | – | 75.0 ± 0.0 | – | +37.5 ± 158.8 | 0.2 |" in parts["axis"]
        assert "| 25 % | 50.0 ± 0.0 | – | – | 75.0 ± 35.4 | – | +25.0 ± 317.7 | 0.5 |" in parts["axis"]
        assert "| 25 % | 40 | 10 | 40.0 % | 50.0 % | 80.0 % | 26.7 % | 0.900 | 1.10 / 0.80 |" in parts["labels"]
        assert "| 25 % | 32 | 5 | 5 |" in parts["runs"] and "| 5 % | 25 | 0 | 4 |" in parts["runs"]
        # MDPO has one seed of two, and the grid of DAMA one run of four.
        assert "| DPO | 0.5, 6e-05 | 50.0 ± 0.0 |" in parts["random-0.25 methods"]
        assert "MDPO" not in parts["random-0.25 methods"]
        assert "| base policy | – | 25.0 |" in parts["random-0.25 methods"]
        assert "| DPO | 50.0 | 50.0 | 50.0 | **100.0** |" in parts["random-0.25 grid"]
        assert "DAMA" not in parts["random-0.25 grid"]
        # Of five rows one is complete.
        for name in ("random-0.05 methods", "random-0.35 why", "random-0.25 combining"):
            assert "Not yet run." in parts[name], name
        lines = (docs / "results.csv").read_text().splitlines()
        assert len(lines) == 1 + 4 + 10 and sum(line.startswith("random,0.05,") for line in lines) == 4
    assert (docs / "noise.svg").read_text().startswith("<svg xmlns")
