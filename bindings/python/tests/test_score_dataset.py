import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import libdama

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(MODEL)


@pytest.fixture
def job(scorer, tmp_path):
    """Scores the pairs of the examples into ``tmp_path``; keywords override."""

    def run(model=scorer, data=SHAPES / "pairs.jsonl", output=tmp_path / "scores.jsonl", **keywords):
        keywords.setdefault("image_root", SHAPES / "images")
        return libdama.score_dataset(model, data, output, **keywords)

    return run


def rows(path):
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_equals_the_scorer_and_the_equations(scorer, job):
    result = job()
    found = rows(result.output)
    assert (result.rows, result.rows_scored, result.rows_rejected, result.was_complete) == (12, 12, 0, False)
    deltas = []
    for pair, row in zip(rows(SHAPES / "pairs.jsonl"), found):
        assert row["id"] == pair["idx"]
        for name in "chosen", "rejected":
            # Every word is in a sub-sentence, in order.
            assert " ".join(item["text"] for item in row[name]).split() == pair[name].split()
        items = row["chosen"] + row["rejected"]
        scores = scorer.score(SHAPES / "images" / pair["image"], [item["text"] for item in items])
        # The same embeddings from batches of another shape, in single precision; logits are of size 20.
        np.testing.assert_allclose([item["score"] for item in items], scores, atol=1e-4)
        logits = np.array([item["score"] for item in items], np.float64)
        p = np.exp(logits - logits.max())
        p /= p.sum()
        np.testing.assert_allclose([item["probability"] for item in items], p, atol=1e-6)
        deltas.append(2 * p[: len(row["chosen"])].sum() - 1)
        assert row["delta"] == pytest.approx(deltas[-1], abs=1e-6)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    assert result.mean_delta == result.mean_delta_used == pytest.approx(np.mean(deltas), abs=1e-6)
    expected = sigmoid(np.array(deltas)) / sigmoid(np.mean(deltas))
    np.testing.assert_allclose([row["alpha_data"] for row in found], expected, atol=1e-6)
    assert result.summary["delta"]["quantiles"]["0.25"] == pytest.approx(np.quantile(deltas, 0.25), abs=1e-6)
    counts, edges = np.histogram([row["delta"] for row in found], bins=40, range=(-1, 1))
    assert result.summary["delta"]["histogram"]["counts"] == counts.tolist()
    np.testing.assert_allclose(result.summary["delta"]["histogram"]["edges"], edges, atol=1e-12)


def test_the_report_draws_what_numpy_counts(job, tmp_path):
    page = tmp_path / "page.html"
    found = rows(job(report=page).output)
    html = page.read_text("utf-8")
    deltas, alphas = (np.array([row[name] for row in found]) for name in ("delta", "alpha_data"))
    edges = np.linspace(-1, 1, 41)
    sigmoid = lambda x: 1 / (1 + np.exp(-x))  # noqa: E731
    # Eq. (7) makes the edges of δ those of α_D; the outermost ones have room for the last bit.
    alpha_edges = sigmoid(edges) / sigmoid(deltas.mean())
    alpha_edges[[0, -1]] += -1e-9, 1e-9
    for chart, (values, bins) in zip(html.split("<svg ")[1:], [(deltas, edges), (alphas, alpha_edges)]):
        counts = [int(count) for count in re.findall(r"<title>[^<]*: (\d+)</title>", chart)]
        assert counts == [count for count in np.histogram(values, bins)[0] if count]
    below = int((deltas < 0).sum())
    assert f"δ is below 0 in {below} of {len(deltas)} pairs" in html
    median = np.median(deltas)
    cells = f"{median:.3f}".replace("-", "−"), f"{sigmoid(median) / sigmoid(deltas.mean()):.3f}"
    assert "<td>50 %</td><td>{}</td><td>{}</td>".format(*cells) in html
    page.write_text("mine")
    with pytest.raises(ValueError, match="page.html exists and is not replaced"):
        job(report=page, restart=True)


def test_a_finished_job_is_not_done_again(job):
    first = job(model=str(MODEL))
    again = job()
    assert again.was_complete and again.mean_delta == first.mean_delta
    with pytest.raises(ValueError, match="mean_delta null instead of 0.5"):
        job(mean_delta=0.5)
    assert job(mean_delta=0.5, restart=True).mean_delta_used == 0.5


def test_options_reach_the_job(job, tmp_path):
    lines = (SHAPES / "pairs.jsonl").read_text().replace('"chosen"', '"good"').splitlines()
    data = tmp_path / "pairs.json"
    data.write_text("[" + ",\n".join(lines[:3] + ["{}"]) + "]")
    result = job(data=data, fields={"chosen": "good"}, delta="scores", workers=1, block_rows=2, cache_bytes=0)
    assert (result.rows_scored, result.rows_rejected) == (3, 1)
    assert rows(result.rejects)[0]["line"] == 4
    assert all(row["delta"] == pytest.approx(
        sum(item["score"] for item in row["chosen"]) / sum(item["score"] for item in row["rejected"]), rel=1e-5)
        for row in rows(result.output))  # fmt: skip
    with pytest.raises(libdama.DamaError, match="more than the 0 allowed"):
        job(data=data, output=tmp_path / "other.jsonl", fields={"chosen": "good"}, max_rejected=0)


def test_progress_is_told(job):
    seen = []
    job(progress=seen.append, block_rows=3)
    assert {it.phase for it in seen} == {"scanning", "computing", "writing"}
    assert seen[-1].rows_done == seen[-1].rows_total == 12
    assert [it.rows_done for it in seen] == sorted(it.rows_done for it in seen)


def test_an_exception_in_progress_stops_the_job_which_goes_on(job, tmp_path):
    whole = job(output=tmp_path / "whole.jsonl", block_rows=3)

    class Enough(Exception):
        pass

    def stop(it):
        if it.phase == "computing" and it.rows_done >= 6:
            raise Enough("said the callback")

    with pytest.raises(Enough, match="said the callback"):
        job(progress=stop, block_rows=3)
    resumed = []
    result = job(progress=lambda it: resumed.append(it.rows_resumed), block_rows=3)
    assert max(resumed) == 6
    assert result.output.read_bytes() == whole.output.read_bytes()
    assert result.summary == whole.summary


@pytest.mark.parametrize("listens", [True, False])
def test_ctrl_c_stops_cleanly(tmp_path, listens):
    lines = (SHAPES / "pairs.jsonl").read_text().splitlines()
    # Many rows without common sentences, so that the job takes long enough.
    data = tmp_path / "pairs.jsonl"
    with data.open("w") as file:
        for index in range(2000):
            pair = json.loads(lines[index % len(lines)])
            pair.update(chosen=f"There are {index} rings.", rejected=f"There are no {index} rings.")
            file.write(json.dumps(pair) + "\n")
    program = textwrap.dedent(
        f"""
        import sys, libdama
        listen = (lambda it: None) if {listens} else None
        print("begun", flush=True)
        try:
            libdama.score_dataset({str(MODEL)!r}, {str(data)!r}, {str(tmp_path / "scores.jsonl")!r},
                               image_root={str(SHAPES / "images")!r}, block_rows=4, progress=listen)
        except KeyboardInterrupt:
            print("stopped", flush=True)
            sys.exit(5)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout.readline() == "begun\n"
    journal = tmp_path / "scores.partial" / "journal"
    while process.poll() is None and not (journal.exists() and journal.stat().st_size > 3000):
        pass
    process.send_signal(signal.SIGINT)
    assert process.stdout.read() == "stopped\n"
    assert process.wait() == 5


def test_bad_arguments_are_named(job, tmp_path):
    with pytest.raises(ValueError, match="delta is 'median'"):
        job(delta="median")
    with pytest.raises(ValueError, match="workers is -1"):
        job(workers=-1)
    with pytest.raises(ValueError, match="block_rows"):
        job(block_rows=-1)
    with pytest.raises(ValueError, match="block_rows is 0"):
        job(block_rows=0)
    with pytest.raises(ValueError, match="max_rejected"):
        job(max_rejected=-1)
    with pytest.raises(ValueError, match="mean_delta"):
        job(mean_delta=float("nan"))
    with pytest.raises(TypeError, match="unknown option 'cache_size'; expected one of block_rows, cache_bytes"):
        job(cache_size=1)
    with pytest.raises(ValueError, match='unknown field "answer"'):
        job(fields={"answer": "x"})
    with pytest.raises(OSError, match="cannot open"):
        job(data=tmp_path / "none.jsonl")
    with pytest.raises(OSError, match="image root"):
        job(image_root=tmp_path / "none")
    with pytest.raises(OSError, match="cannot make the folder"):
        job(output=tmp_path / "none" / "scores.jsonl")


def test_a_linked_folder_of_images_is_followed_where_asked_for(job, tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (root / "linked").symlink_to(SHAPES / "images", target_is_directory=True)
    pairs = [{**pair, "image": f"linked/{pair['image']}"} for pair in rows(SHAPES / "pairs.jsonl")]
    data = tmp_path / "linked.jsonl"
    data.write_text("".join(json.dumps(pair) + "\n" for pair in pairs), "utf-8")
    with pytest.raises(libdama.DamaError, match="leads out of"):
        job(data=data, output=tmp_path / "refused.jsonl", image_root=root)
    followed = job(data=data, output=tmp_path / "followed.jsonl", image_root=root, follow_links=True)
    assert rows(followed.output) == rows(job().output)


def test_shards_and_their_merge_are_one_job(scorer, tmp_path):
    def score(output, **options):
        return libdama.score_dataset(scorer, SHAPES / "pairs.jsonl", tmp_path / output, image_root=SHAPES / "images",
                                     block_rows=2, cache_rows=4, **options)  # fmt: skip

    whole = score("whole.jsonl")
    for index in range(2):
        part = score("parts.jsonl", shard=index, shards=2)
        assert part.output == tmp_path / f"parts.shard-{index}-of-2.jsonl" and part.output.exists()
    assert rows(part.output)[0]["alpha_data"] is None
    seen = []
    merged = libdama.merge_scores(tmp_path / "parts.jsonl", progress=seen.append)
    assert merged.output.read_bytes() == whole.output.read_bytes() and seen[-1].rows_done == 12
    assert (merged.mean_delta, merged.summary) == (whole.mean_delta, whole.summary)
    named = [tmp_path / f"parts.shard-{index}-of-2.jsonl" for index in (1, 0)]
    assert libdama.merge_scores(tmp_path / "named.jsonl", named).output.read_bytes() == whole.output.read_bytes()
    with pytest.raises(libdama.DamaError, match="missing: 0"):
        libdama.merge_scores(tmp_path / "other.jsonl", named[:1])
    with pytest.raises(libdama.DamaError, match="one path"):
        libdama.merge_scores(tmp_path / "other.jsonl", named[0])
