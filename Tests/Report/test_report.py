"""Tests the report page with files written by hand."""

import html.parser
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "report"
sys.path.insert(0, str(SCRIPTS))

import charts  # noqa: E402
import report  # noqa: E402


def test_ticks_are_round_and_inside():
    for low, high in [(0, 1), (-1, 1), (0.0481, 0.0529), (3, 3), (-250, 1e4)]:
        found = charts.ticks(low, high)
        assert 2 <= len(found) <= 8
        steps = {round(b - a, 9) for a, b in zip(found, found[1:])}
        assert len(steps) == 1
        digits = steps.pop() / 10 ** math.floor(math.log10(found[1] - found[0]) + 1e-9)
        assert min(abs(digits - m) for m in (1, 2, 2.5, 5)) < 1e-6
        if high > low:
            assert low <= found[0] and found[-1] <= high


def test_moving_mean_passes_over_what_is_missing():
    assert charts.moving_mean([1, None, 3, 5, None, None, None], 2) == [1, 1, 3, 4, 5, None, None]


def detail(idx, *truths, objects=2):
    mentions = [
        {"sentence": f"Claim {n} <about> {idx}.", "true": true, "fault": "" if true else "color"}
        for n, true in enumerate(truths)
    ]
    return {
        "idx": idx, "mentions": mentions, "false": truths.count(False), "covered": truths.count(True),
        "objects": objects,
    }  # fmt: skip


def write_policy(folder, details):
    folder.mkdir()
    mentions = [m["true"] for d in details for m in d["mentions"]]
    judge = {
        "responses": len(details), "response_level": sum(d["false"] == 0 for d in details) / len(details),
        "mention_level": sum(mentions) / len(mentions),
        "coverage": sum(d["covered"] / d["objects"] for d in details) / len(details), "mean_words": 12.5,
        "mentions": len(mentions), "malformed": 0, "empty": 0, "false_by_kind": {"color": mentions.count(False)},
    }  # fmt: skip
    (folder / "judge.json").write_text(json.dumps(judge))
    (folder / "details.jsonl").write_text("\n".join(map(json.dumps, details)))


@pytest.fixture
def files(tmp_path):
    write_policy(tmp_path / "base", [detail(0, True), detail(1, False), detail(2, False, True), detail(3, False)])
    write_policy(tmp_path / "aligned", [detail(0, True), detail(1, True), detail(2, True, True), detail(3, False)])
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "x.jpg").write_bytes(b"\xff\xd8picture\xff\xd9")
    rows = [{"idx": n, "image": "images/x.jpg", "question": "What?"} for n in range(4)]
    (tmp_path / "questions.jsonl").write_text("\n".join(map(json.dumps, rows)))
    steps = [
        {
            "step": n + 1, "loss": 0.7 - n / 100, "accuracy": 0.5 + n / 50, "alpha_model": 1, "beta_mean": 0.1,
            "beta_min": 0.09, "beta_max": 0.12, "gap_easy": n / 10, "gap_hard": None if n % 3 else n / 20,
        }
        for n in range(20)
    ]  # fmt: skip
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, steps)))
    (tmp_path / "scores.jsonl").write_text("\n".join(json.dumps({"id": n, "delta": n / 10 - 1}) for n in range(21)))
    (tmp_path / "comparison.json").write_text(json.dumps(COMPARISON))
    return tmp_path


def estimate(value, low, high):
    return {"value": value, "low": low, "high": high, "undefined": 0}


# As `dama evaluate compare --json` writes it.
COMPARISON = {
    "benchmark": "pope", "questions": 20, "pass_name": "right", "confidence": 0.9, "resamples": 500, "seed": 0,
    "discrepancies": [{"setting": "judge", "values": ["x", "<y>"]}],
    "results": [
        {"name": "base", "runs": 1, "answered": 20, "left_out": 0, "left_out_ids": []},
        {"name": "<b>", "runs": 1, "answered": 23, "left_out": 3, "left_out_ids": ["1", "2", "3"]},
    ],
    "metrics": [
        {"name": "f1", "values": [estimate(0.5, 0.4, 0.6), estimate(0.75, 0.7, 0.8)],
         "differences": [None, estimate(0.25, 0.1, 0.5)]},
        {"name": "recall", "values": [estimate(None, None, None)] * 2, "differences": [None, estimate(None, None, None)]},
    ],
    "mcnemar": [{"result": "<b>", "both": 8, "only_first": 2, "only_other": 6, "neither": 4, "p": 0.2890625}],
}  # fmt: skip


def test_a_comparison_has_intervals_and_bars():
    text = report.comparison.table(COMPARISON)
    assert "<td>f1</td><td>base</td><td>0.500</td><td>0.400 to 0.600</td><td></td><td></td><td></td></tr>" in text
    assert "<td></td><td>&lt;b&gt;</td><td>0.750</td><td>0.700 to 0.800</td><td>+0.250</td><td>+0.100 to +0.500</td>" in text
    # The scale ends at 0.5, 92 units from the line of 0; the interval does not hold 0.
    assert f'<path stroke="{report.comparison.APART}" stroke-width="2" d="M118.4 8H192.0"/>' in text
    assert text.count("<svg") == 1 and text.count("undefined") == 3
    assert "right: only base 2, only &lt;b&gt; 6; McNemar&#x27;s exact test p = 0.29." in text
    assert "3 questions of &lt;b&gt; are left out." in text and "different judge: base x, &lt;b&gt; &lt;y&gt;." in text


def test_changes_are_paired(files):
    policies = [report.Policy(name, files / name) for name in ("base", "aligned")]
    faithful = report.outcomes(policies)[0]
    assert faithful.values == [25, 75]
    # The four scenes change by 0, 1, 1, 0: standard deviation 1/√3, of the mean 1/√12.
    assert faithful.margin == pytest.approx(100 * 1.96 / math.sqrt(12))
    assert faithful.kind == ""
    assert [question["idx"] for question, _, _ in report.examples(policies, files)] == [1, 2]


def test_page_is_one_file_that_holds_everything(files):
    page = files / "report.html"
    command = [
        sys.executable, str(SCRIPTS / "report.py"), "--out", str(page), "--policy", f"base={files / 'base'}",
        "--policy", f"DAMA={files / 'aligned'}", "--metrics", f"DAMA={files / 'metrics.jsonl'}",
        "--metrics", f"DPO={files / 'metrics.jsonl'}", "--scores", str(files / "scores.jsonl"), "--scenes", str(files),
        "--comparison", str(files / "comparison.json"),
    ]  # fmt: skip
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    assert "Responses free of hallucination (%)     25.0     75.0" in printed
    assert "base (1 false, 0 of 2 objects): [Claim 0 <about> 1.]" in printed
    text = page.read_text(encoding="utf-8")

    class Reader(html.parser.HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.counts = [], {}

        def handle_starttag(self, tag, attributes):
            self.counts[tag] = self.counts.get(tag, 0) + 1
            for name, value in attributes:
                # The page loads nothing from outside.
                assert name not in ("href", "src") or value.startswith("data:"), value
            if tag not in ("meta", "img", "line", "path", "rect", "polygon"):
                self.open.append(tag)

        def handle_endtag(self, tag):
            if tag in self.open:
                assert self.open.pop() == tag

    reader = Reader()
    reader.feed(text)
    assert reader.open == []
    assert reader.counts["figure"] == 6
    assert reader.counts["img"] == 2
    assert "<h2>Evaluation: pope</h2>" in text
    # One in the explanation, and two false mentions of base.
    assert reader.counts["mark"] == 3
    assert "url(" not in text and "Claim 0 &lt;about&gt; 1." in text and "nan" not in text.lower()
