"""libdama.data with Parquet and datasets: skipped where these are not installed (`make test-stacks`)."""

import io
import json
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import libdama
from libdama import data

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
pq = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
datasets = pytest.importorskip("datasets", reason="datasets is not installed")
pytest.importorskip("PIL", reason="Pillow is not installed")

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"
LLAVA = ROOT / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    datasets.config.HF_DATASETS_CACHE = tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(MODEL)


def pairs():
    return [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def expected(tmp_path_factory, scorer):
    """δ and α_D of the native job without a cache, whose batches libdata.data forms too."""
    output = tmp_path_factory.mktemp("job") / "scores.jsonl"
    libdama.score_dataset(scorer, SHAPES / "pairs.jsonl", output, image_root=SHAPES / "images", cache_bytes=0)
    rows = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    return [row["delta"] for row in rows], [row["alpha_data"] for row in rows]


@pytest.fixture
def parquet(tmp_path):
    """The examples' pairs in RLAIF-V's columns on the hub, in two files."""
    features = datasets.Features({
        "ds_name": datasets.Value("string"), "image": datasets.Image(), "text": datasets.Value("string"),
        "origin_dataset": datasets.Value("string"), "idx": datasets.Value("int64"),
        "image_path": datasets.Value("string"),
    })  # fmt: skip
    rows = [{
        "ds_name": "shapes", "image": {"bytes": (SHAPES / "images" / row["image"]).read_bytes(), "path": row["image"]},
        "text": json.dumps({name: row[name] for name in ("question", "chosen", "rejected")}),
        "origin_dataset": "shapes", "idx": row["idx"], "image_path": row["image"],
    } for row in pairs()]  # fmt: skip
    for part, some in enumerate((rows[:7], rows[7:])):
        datasets.Dataset.from_list(some, features=features).to_parquet(tmp_path / f"part-{part}.parquet")
    return tmp_path / "part-*.parquet"


@pytest.fixture
def dataset(parquet):
    return datasets.load_dataset("parquet", data_files=str(parquet), split="train")


def trl_rows():
    return [{
        "images": [{"bytes": (SHAPES / "images" / row["image"]).read_bytes(), "path": None}],
        "prompt": [{"role": "user", "content": [
            {"type": "image", "text": None}, {"type": "text", "text": row["question"]}]}],
        "chosen": [{"role": "assistant", "content": [{"type": "text", "text": row["chosen"]}]}],
        "rejected": [{"role": "assistant", "content": [{"type": "text", "text": row["rejected"]}]}],
    } for row in pairs()]  # fmt: skip


# ----------------------------------------------------------------------------------------------------------------------
# Reading


def test_parquet_in_the_columns_of_rlaif_v(parquet):
    for form in ("auto", "rlaif_v"):
        found = list(data.read(str(parquet), form))
        assert [row.id for row in found] == list(range(12)) and [row.index for row in found] == list(range(12))
        for row, pair in zip(found, pairs()):
            assert (row.chosen, row.rejected) == (pair["chosen"], pair["rejected"])
            assert row.messages == [{"role": "user", "content": pair["question"]}]
            assert row.images == [(SHAPES / "images" / pair["image"]).read_bytes()]
            assert "ds_name" not in row.fields, "columns that no form reads are not loaded"


def test_parquet_in_the_columns_of_trl(tmp_path):
    pq.write_table(pa.Table.from_pylist(trl_rows()), tmp_path / "trl.parquet")
    for source in (tmp_path / "trl.parquet", pa.Table.from_pylist(trl_rows())):
        for row, pair in zip(data.read(source, "trl"), pairs(), strict=True):
            assert (row.chosen, row.rejected) == (pair["chosen"], pair["rejected"])
            parts = [{"type": "image"}, {"type": "text", "text": pair["question"]}]
            assert row.messages == [{"role": "user", "content": parts}]
            assert row.images == [(SHAPES / "images" / pair["image"]).read_bytes()]


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    (tmp_path / "x.parquet").write_text("no parquet")
    with pytest.raises(libdama.DamaError, match="x.parquet is not a Parquet file"):
        list(data.read(tmp_path / "x.parquet"))
    with pytest.raises(libdama.DamaError, match="cannot open"):
        list(data.read(tmp_path / "none.parquet"))


# ----------------------------------------------------------------------------------------------------------------------
# Scoring


def test_a_dataset_gets_the_columns(dataset, scorer, expected):
    scored = data.score(dataset, scorer)
    assert isinstance(scored, datasets.Dataset) and scored.column_names == [*dataset.column_names, "delta", "alpha_data"]
    assert (list(scored["delta"]), list(scored["alpha_data"])) == expected
    # The dataset keeps its own images, decoded when they are read.
    assert scored[0]["image"].size == dataset[0]["image"].size
    # Again, over the columns that are there by now.
    assert list(data.score(scored, scorer, mean_delta=0.5)["delta"]) == expected[0]


def test_an_iterable_dataset_gets_the_columns(dataset, scorer, expected):
    stream = dataset.to_iterable_dataset()
    scored = data.score(stream, scorer)
    assert isinstance(scored, datasets.IterableDataset)
    rows = list(scored)
    assert ([row["delta"] for row in rows], [row["alpha_data"] for row in rows]) == expected
    # With δ̄ nothing is iterated before the result is.
    lazy = data.score(stream, scorer, mean_delta=0.25)
    rows = list(lazy)
    assert [row["delta"] for row in rows] == expected[0]
    np.testing.assert_allclose(
        [row["alpha_data"] for row in rows], (1 + np.exp(-0.25)) / (1 + np.exp(-np.array(expected[0]))), rtol=1e-14
    )


def test_files_become_a_dataset(parquet, scorer, expected):
    scored = data.score(str(parquet), scorer)
    assert (list(scored["delta"]), list(scored["alpha_data"])) == expected
    lines = data.score(SHAPES / "pairs.jsonl", scorer, image_root=SHAPES / "images")
    assert list(lines["delta"]) == expected[0] and lines.column_names[-2:] == ["delta", "alpha_data"]


def test_parquet_to_parquet(parquet, scorer, expected, tmp_path):
    found = data.score(str(parquet), scorer, tmp_path / "scored.parquet")
    assert found.output == tmp_path / "scored.parquet"
    table = pq.read_table(found.output)
    given = pa.concat_tables([pq.read_table(path) for path in sorted(tmp_path.glob("part-*.parquet"))])
    assert table.select(given.column_names).equals(given)
    assert (table["delta"].to_pylist(), table["alpha_data"].to_pylist()) == expected
    # datasets knows the new columns, and that image is one of images.
    loaded = datasets.load_dataset("parquet", data_files=str(found.output), split="train")
    assert loaded.features["delta"].dtype == "float64" and isinstance(loaded.features["image"], datasets.Image)
    # TRL's list of images, and rows that the streams of other names have.
    assert list(data.score(pa.Table.from_pylist(trl_rows()), scorer).delta) == expected[0]


def test_pillow_images_are_the_files(dataset, scorer, expected):
    rows = [{**row, "image": row["image"]} for row in dataset]
    assert type(rows[0]["image"]).__module__.startswith("PIL")
    assert data.score(rows, scorer).delta.tolist() == expected[0]


def test_transparent_and_turned_pillow_images(scorer):
    from PIL import Image

    generator = np.random.default_rng(1)
    pixels = generator.integers(0, 256, (30, 40, 4), np.uint8)
    for mode, form, options in [("RGBA", "PNG", {}), ("LA", "PNG", {}), ("L", "PNG", {}), ("RGB", "PNG", {}),
                                ("P", "PNG", {}), ("RGB", "JPEG", {"orientation": 6})]:  # fmt: skip
        picture = Image.fromarray(pixels, "RGBA").convert(mode)
        buffer = io.BytesIO()
        exif = Image.Exif()
        if options:
            exif[0x0112] = options["orientation"]
        picture.save(buffer, form, exif=exif)
        file = buffer.getvalue()
        sentences = ["a red ring", "two stars"]
        np.testing.assert_array_equal(
            scorer.score(Image.open(io.BytesIO(file)), sentences), scorer.score(file, sentences), f"{mode} {form}"
        )


def test_a_bad_row_in_parquet(parquet, scorer, tmp_path):
    table = pq.read_table(tmp_path / "part-0.parquet").to_pylist()
    table[2]["text"] = '{"question": "Q", "chosen": "a"}'
    pq.write_table(pa.Table.from_pylist(table), tmp_path / "bad.parquet")
    with pytest.raises(data.BadRow, match="row 2: the field 'rejected' is missing"):
        data.score(tmp_path / "bad.parquet", scorer, tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()
    data.score(tmp_path / "bad.parquet", scorer, tmp_path / "out.parquet", on_error="null")
    assert pq.read_table(tmp_path / "out.parquet")["delta"].null_count == 1


# ----------------------------------------------------------------------------------------------------------------------
# datasets' cache, workers


def test_map_with_a_hash_that_follows_model_and_options(dataset, tmp_path, expected):
    from datasets.fingerprint import Hasher

    shutil.copytree(MODEL, tmp_path / "model")
    hardness = data.Hardness(tmp_path / "model")
    plain = dataset.cast_column("image", datasets.Image(decode=False))
    mapped = plain.map(hardness, batched=True, batch_size=32)
    assert list(mapped["delta"]) == expected[0]
    first = Hasher.hash(hardness)
    assert Hasher.hash(data.Hardness(tmp_path / "model")) == Hasher.hash(pickle.loads(pickle.dumps(hardness))) == first
    # Another process has the same hash: the cache is found again.
    program = (f"from datasets.fingerprint import Hasher; from libdama import data; "
               f"print(Hasher.hash(data.Hardness({str(tmp_path / 'model')!r})))")  # fmt: skip
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == first
    assert Hasher.hash(data.Hardness(tmp_path / "model", delta="scores")) != first
    assert Hasher.hash(data.Hardness(libdama.Scorer(tmp_path / "model", long_texts="cut"))) != first
    again = plain.map(data.Hardness(tmp_path / "model"), batched=True, batch_size=32)
    assert again.cache_files == mapped.cache_files
    weights = tmp_path / "model" / "model.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    assert Hasher.hash(hardness) != first


def test_spawned_workers(dataset, scorer, expected):
    scored = data.score(dataset, scorer, num_proc=2, batch_size=32)
    assert list(scored["delta"]) == expected[0]


# ----------------------------------------------------------------------------------------------------------------------
# python -m libdama


def test_the_module_takes_parquet(parquet, expected, tmp_path):
    files = sorted(tmp_path.glob("part-*.parquet"))
    done = subprocess.run(
        [sys.executable, "-m", "libdama", "score", "--model", MODEL, "--data", *files, "--out", tmp_path / "o.parquet"],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0 and "scored 12 of 12 rows" in done.stdout, done.stderr
    assert pq.read_table(tmp_path / "o.parquet")["alpha_data"].to_pylist() == expected[1]
    image = {"bytes": (LLAVA / "image.png").read_bytes()}
    rows = [{"image": image, "question": "what", "chosen": "red", "rejected": "a"}]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "p.parquet")
    done = subprocess.run(
        [sys.executable, "-m", "libdama", "reference", "--model", LLAVA / "default", "--data", tmp_path / "p.parquet",
         "--out", tmp_path / "r.parquet"], capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logps = libdama.Policy(LLAVA / "default").logps(LLAVA / "image.png", "what", "red", "a")
    found = pq.read_table(tmp_path / "r.parquet")["ref_chosen_logps"].to_pylist()
    assert found == [pytest.approx(logps.chosen.sum, abs=1e-4)]


def run(*arguments):
    return subprocess.run([sys.executable, "-m", "libdama", *map(str, arguments)], capture_output=True, text=True)


def test_the_module_generates_into_parquet(tmp_path):
    image = {"bytes": (LLAVA / "image.png").read_bytes(), "path": None}
    features = datasets.Features(image=datasets.Image(), question=datasets.Value("string"))
    rows = [{"image": image, "question": question} for question in ("what", "where")]
    datasets.Dataset.from_list(rows, features=features).to_parquet(tmp_path / "q.parquet")
    command = ["generate", "--model", LLAVA / "default", "--data", tmp_path / "q.parquet",
               "--out", tmp_path / "a.parquet", "--max-tokens", 5]  # fmt: skip
    done = run(*command)
    assert done.returncode == 0 and done.stdout == "2 of 2 rows\n", done.stderr
    policy = libdama.Policy(LLAVA / "default")
    texts = [policy.generate(row["question"], LLAVA / "image.png", max_tokens=5).text for row in rows]
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == ["image", "question", "response", "finish"] and table["response"].to_pylist() == texts
    # Several samples are lists, and datasets reads them beside the images.
    done = run(*command, "--samples", 2, "--temperature", 1, "--seed", 3)
    assert done.returncode == 0, done.stderr
    loaded = datasets.load_dataset("parquet", data_files=str(tmp_path / "a.parquet"), split="train")
    assert [len(texts) for texts in loaded["response"]] == [2, 2]
    assert isinstance(loaded.features["image"], datasets.Image)
    found = data.generate(str(tmp_path / "q.parquet"), policy, max_tokens=5, samples=2, temperature=1.0, seed=3)
    assert isinstance(found, datasets.Dataset) and list(found["response"]) == list(loaded["response"])


def test_parquet_resumes_after_control_c(parquet, expected, tmp_path):
    """Ctrl-C ends the command with 130, and the same command goes on where it was."""
    rows = pa.concat_tables([pq.read_table(path) for path in sorted(tmp_path.glob("part-*.parquet"))])
    pq.write_table(pa.concat_tables([rows] * 40), tmp_path / "many.parquet")
    command = [sys.executable, "-m", "libdama", "score", "--model", MODEL, "--data", tmp_path / "many.parquet", "--out",
               tmp_path / "o.parquet"]  # fmt: skip
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    unfinished = tmp_path / "o.parquet.unfinished"
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not (unfinished.exists() and unfinished.read_bytes().count(b"\n") > 1):
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, complaints = process.communicate(timeout=60)
    assert process.returncode == 130 and "run the same command again to resume" in complaints, complaints
    done = unfinished.read_bytes().count(b"\n") - 1
    assert 1 <= done < 15 and not (tmp_path / "o.parquet").exists()
    again = subprocess.run(command, capture_output=True, text=True)
    assert again.returncode == 0 and "scored 480 of 480 rows" in again.stdout, again.stderr
    whole = data.score(str(tmp_path / "many.parquet"), MODEL)
    assert pq.read_table(tmp_path / "o.parquet")["delta"].to_pylist() == list(whole["delta"])
    assert not unfinished.exists()
