"""libdama.plot: what is drawn is what numpy counts. Skipped where matplotlib is missing (`make test-stacks`)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import libdama
from libdama import data, plot

os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"
LLAVA = ROOT / "models" / "shapes-llava"


@pytest.fixture
def pyplot():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    import matplotlib.pyplot

    yield matplotlib.pyplot
    matplotlib.pyplot.close("all")


@pytest.fixture
def delta():
    return np.random.default_rng(3).uniform(-0.9, 1, 500)


def heights(ax):
    return [[bar.get_height() for bar in container] for container in ax.containers]


def texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_without_matplotlib_the_error_names_the_package(monkeypatch, delta):
    import sys

    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib, which is not installed: pip install 'libdama\[plot\]'"):
        plot.delta_histogram(delta)


def test_hardness_is_counted_below_and_above_0(pyplot, delta):
    figure, given = pyplot.subplots()
    ax = plot.delta_histogram(delta, ax=given, bins=20)
    assert ax is given and len(figure.axes) == 1
    edges = np.linspace(-1, 1, 21)
    below, above = heights(ax)
    assert below == np.histogram(delta[delta < 0], edges)[0].tolist()
    assert above == np.histogram(delta[delta >= 0], edges)[0].tolist()
    assert texts(ax)[:2] == [f"δ < 0: {(delta < 0).sum()} pairs", f"δ ≥ 0: {(delta >= 0).sum()} pairs"]
    assert ax.lines[0].get_xdata()[0] == pytest.approx(delta.mean())
    # The ratio of Table 2 is not within [−1, 1]; no pair is lost.
    assert sum(map(sum, heights(plot.delta_histogram([0.5, 1.7, 2.4])))) == 3
    figure.savefig(os.devnull, format="png")


def test_alpha_is_eq_7(pyplot, delta):
    ax = plot.alpha_histogram(delta, bins=10)
    sigmoid = 1 / (1 + np.exp(-delta))
    alpha = sigmoid / (1 / (1 + np.exp(-delta.mean())))
    assert heights(ax)[0] == np.histogram(alpha, 10)[0].tolist()
    assert plot.alpha_histogram([{"delta": 0.1, "alpha_data": 2.0}], bins=1).get_title() == "α_D from 2.000 to 2.000"


def test_label_noise_is_the_share_below_0(pyplot):
    delta = [-0.5, -0.1, 0.0, 0.2, 0.9]
    ax = plot.label_noise(delta)
    np.testing.assert_allclose(ax.lines[0].get_ydata(), [0.2, 0.4, 0.6, 0.8, 1])
    assert ax.get_title() == "δ < 0 in 40.0% of 5 pairs" and "40.0%" in texts(ax)
    # e = (s − q) / (1 − 2q) = (0.4 − 0.1) / 0.8
    assert plot.label_noise(delta, clean_below=0.1).get_title().endswith("37.5% of the labels swapped")
    with pytest.raises(ValueError, match="clean_below is 0.5"):
        plot.label_noise(delta, clean_below=0.5)


def test_every_form_of_scores_is_read(pyplot, tmp_path):
    scorer = libdama.Scorer(MODEL)
    result = libdama.score_dataset(scorer, SHAPES / "pairs.jsonl", tmp_path / "s.jsonl", image_root=SHAPES / "images")
    lines = [json.loads(line) for line in result.output.read_text("utf-8").splitlines()]
    rows = [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]
    found = data.score(rows, scorer, image_root=SHAPES / "images")
    expected = np.histogram([line["delta"] for line in lines], np.linspace(-1, 1, 41))[0]
    for source in (result, result.output, str(result.output), lines, found, found.delta, found.delta.tolist()):
        ax = plot.delta_histogram(source)
        assert np.add(*heights(ax)).tolist() == expected.tolist()
    bad = data.score([*rows, {"chosen": "a"}], scorer, image_root=SHAPES / "images", on_error="null")
    assert plot.delta_histogram(bad).get_title() == "Hardness of 12 pairs"
    with pytest.raises(ValueError, match="hold no delta"):
        plot.delta_histogram([np.nan])


def test_parquet_and_datasets_are_read(pyplot, tmp_path):
    pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    datasets = pytest.importorskip("datasets", reason="datasets is not installed")
    import pyarrow.parquet

    columns = ("delta", "alpha_data")
    rows = [dict(zip(columns, values)) for values in ((0.25, 1.5), (None, None), (-0.25, 1.0))]
    pyarrow.parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "s.parquet")
    for source in (tmp_path / "s.parquet", pa.Table.from_pylist(rows), datasets.Dataset.from_list(rows)):
        assert plot.label_noise(source).get_title() == "δ < 0 in 50.0% of 2 pairs"
        assert plot.alpha_histogram(source).get_title() == "α_D from 1.000 to 1.500"


def test_beta_of_a_training(pyplot, tmp_path):
    out = tmp_path / "out"
    libdama.train({
        "model": LLAVA, "data": SHAPES / "pairs.jsonl", "image_root": SHAPES / "images", "out": out, "log_pairs": True,
        "batch_size": 4, "epochs": 2, "method": {"keep": 3}, "trainable": "projector", "export": {"format": "none"},
    })  # fmt: skip
    lines = [json.loads(line) for line in (out / "pairs.jsonl").read_text("utf-8").splitlines()]
    ax = plot.beta_over_steps(out / "pairs.jsonl", base=0.1)
    kept, left = (collection.get_offsets() for collection in ax.collections)
    assert len(kept) == sum(sum(line["kept"]) for line in lines) == 18 and len(left) == 6
    means = [np.mean([b for b, k in zip(line["beta"], line["kept"]) if k]) for line in lines]
    np.testing.assert_allclose(ax.lines[0].get_ydata(), means, rtol=1e-12)
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), range(1, 7))
    ax = plot.beta_by_pair(lines)
    by_pair = {}
    for line in lines:
        for name, beta, is_kept in zip(line["id"], line["beta"], line["kept"]):
            by_pair.setdefault(name, []).append((beta, is_kept))
    expected = sorted(np.mean([beta for beta, _ in seen]) for seen in by_pair.values())
    drawn = sorted(value for line in ax.lines for value in line.get_ydata())
    np.testing.assert_allclose(drawn, expected, rtol=1e-12)
    ax = plot.metric(out / "metrics.jsonl", ["loss", "beta_mean"])
    logged = [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]
    assert list(ax.lines[1].get_ydata()) == [line["beta_mean"] for line in logged]
    assert texts(ax) == ["loss", "beta_mean"]
    with pytest.raises(ValueError, match="no line has the metric 'los'; they have .*loss"):
        plot.metric(logged, "los")


def test_beta_of_a_loop(pyplot):
    controller = libdama.AdaptiveBeta(keep=2)
    steps = [controller.step([-1.0, -2 - i, -3], [-3.0, -1, -2], [-2.0] * 3, [-2.0] * 3) for i in range(2)]
    ax = plot.beta_over_steps(steps)
    assert len(ax.collections[0].get_offsets()) == 4 and len(ax.collections[1].get_offsets()) == 2
    records = [{"id": ["a", "b"], "beta": [0.25, None], "kept": [True, False]},
               {"id": ["a", "b"], "beta": [0.75, 0.5], "kept": [False, False]}]  # fmt: skip
    line = plot.beta_over_steps(records).lines[0].get_ydata()
    assert line[0] == 0.25 and np.isnan(line[1]), "a step that kept no pair has no mean"
    ax = plot.beta_by_pair(records)
    assert sorted(value for line in ax.lines for value in line.get_ydata()) == [0.5, 0.5]
    assert texts(ax) == ["kept: 1 pairs", "left out: 1 pairs"]
    with pytest.raises(ValueError, match="record 1 has no beta and kept"):
        plot.beta_over_steps([{"loss": 1}])
    ax = plot.metric([{"batch": 1, "eval": {"loss": 0.5}}, {"batch": 2}], "eval/loss")
    assert ax.lines[0].get_xydata().tolist() == [[1, 0.5]]
