"""libdama.ray on a local Ray: skipped where Ray is not installed (`make test-stacks`)."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import libdama
from libdama import data

ray = pytest.importorskip("ray", reason="Ray is not installed")
pytest.importorskip("ray.data", reason="Ray Data is not installed")
pytest.importorskip("pyarrow", reason="pyarrow is not installed")

import libdama.ray  # noqa: E402

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    paths = [str(ROOT / "bindings" / "python"), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {name: os.environ[name] for name in ("DAMA_LIBRARY", "DAMA_ONNXRUNTIME") if name in os.environ}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, object_store_memory=100 << 20,
             _temp_dir=str(tmp_path_factory.mktemp("ray")),
             runtime_env={"env_vars": {**environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}})  # fmt: skip
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(MODEL)


def rows():
    found = []
    for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines():
        row = json.loads(line)
        found.append({**row, "image": {"bytes": (SHAPES / "images" / row["image"]).read_bytes(), "path": row["image"]}})
    return found


def test_two_actors_and_the_second_pass(cluster, scorer, tmp_path):
    expected = data.score(rows(), scorer)
    scored = libdama.ray.score(ray.data.from_items(rows(), override_num_blocks=4), str(MODEL), concurrency=2, num_cpus=1,
                               batch_size=3)  # fmt: skip
    found = sorted(scored.take_all(), key=lambda row: row["idx"])
    # Other batches, other last bits.
    np.testing.assert_allclose([row["delta"] for row in found], expected.delta, atol=1e-5)
    np.testing.assert_allclose([row["alpha_data"] for row in found], expected.alpha_data, atol=1e-5)
    assert found[0]["image"]["bytes"] == rows()[0]["image"]["bytes"], "the other columns stay"
    # A given δ̄, and Parquet in and out.
    import pyarrow
    import pyarrow.parquet

    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows()), tmp_path / "in.parquet")
    source = ray.data.read_parquet(str(tmp_path / "in.parquet"))
    given = libdama.ray.score(source, str(MODEL), num_cpus=1, mean_delta=0.5)
    given.write_parquet(str(tmp_path / "out"))
    table = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    for row in table:
        assert row["alpha_data"] == pytest.approx((1 + np.exp(-0.5)) / (1 + np.exp(-row["delta"])), rel=1e-12)


def test_bad_rows_and_arguments(cluster):
    some = rows()[:3]
    some[1]["chosen"] = " "
    dataset = ray.data.from_items(some, override_num_blocks=1)
    with pytest.raises(Exception, match="chosen is empty"):
        libdama.ray.score(dataset, str(MODEL), num_cpus=1).take_all()
    found = libdama.ray.score(dataset, str(MODEL), num_cpus=1, on_error="null").take_all()
    assert [np.isnan(row["delta"]) for row in found] == [False, True, False]
    assert [np.isnan(row["alpha_data"]) for row in found] == [False, True, False]
    good = [row["delta"] for row in found if not np.isnan(row["delta"])]
    mean = np.mean(good)
    assert found[0]["alpha_data"] == pytest.approx((1 + np.exp(-mean)) / (1 + np.exp(-good[0])), rel=1e-12)
    with pytest.raises(libdama.DamaError, match="no row has a delta"):
        libdama.ray.alpha_data(ray.data.from_items([{"delta": float("nan")}]))
    with pytest.raises(libdama.DamaError, match="mean_delta is inf"):
        libdama.ray.alpha_data(dataset, float("inf"))
