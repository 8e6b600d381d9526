"""libdama.data on JSON and rows in memory, which need no other package. test_data_stacks.py has Parquet and datasets."""

import base64
import copy
import io
import json
import os
import pickle
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import libdama
from libdama import data

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"
LLAVA = ROOT / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(MODEL)


@pytest.fixture(scope="module")
def job(tmp_path_factory, scorer):
    """The native job's rows for the pairs of the examples."""
    output = tmp_path_factory.mktemp("job") / "scores.jsonl"
    result = libdama.score_dataset(
        scorer, SHAPES / "pairs.jsonl", output, image_root=SHAPES / "images", cache_bytes=0
    )
    return result, [json.loads(line) for line in output.read_text("utf-8").splitlines()]


def pairs():
    rows = [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]
    return [{**row, "image": str(SHAPES / "images" / row["image"])} for row in rows]


# ----------------------------------------------------------------------------------------------------------------------
# Forms

# The rows, prompts and names of Tests/DamaJobTests/RowFormatTests.swift, which follow the formats' documentation.
FORMS = [
    ("rlaif_v", {"ds_name": "x", "image": {"bytes": b"img", "path": "a.jpg"}, "idx": 3,
                 "text": '{"question":"Q","chosen":"good","rejected":"bad"}'}, ["user: Q"]),
    ("rlaif_v", {"idx": 3, "question": "Q", "chosen": "good", "rejected": "bad", "image_path": "a.jpg"}, ["user: Q"]),
    ("llava", {"id": "3", "image": "a.jpg", "conversations": [
        {"from": "human", "value": "<image>\nQ"}, {"from": "gpt", "value": "good"}],
        "chosen": "good", "rejected": "bad"}, ["user: <image>\nQ"]),
    ("trl", {"images": ["a.jpg"], "prompt": "Q", "chosen": "good", "rejected": "bad"}, ["user: Q"]),
    ("trl", {"images": [{"bytes": b"img", "path": None}],
             "prompt": [{"role": "system", "content": "S"}, {"role": "user", "content": [
                 {"type": "image", "text": None}, {"type": "text", "text": "Q"}]}],
             "chosen": [{"role": "assistant", "content": [{"type": "text", "text": "good"}]}],
             "rejected": [{"role": "assistant", "content": "bad"}]}, ["system: S", "user: <image>Q"]),
    ("trl", {"images": ["a.jpg"],
             "chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
             "rejected": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}]}, ["user: Q"]),
    ("sharegpt", {"conversations": [
        {"from": "human", "value": "<image>Q"}, {"from": "gpt", "value": "A"}, {"from": "human", "value": "R"}],
        "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "bad"}, "system": "S",
        "images": ["a.jpg"]}, ["system: S", "user: <image>Q", "assistant: A", "user: R"]),
    ("sharegpt", {"instruction": "I", "input": "J", "chosen": "good", "rejected": "bad", "history": [["Q", "A"]],
                  "system": "S", "images": ["a.jpg"]}, ["system: S", "user: Q", "assistant: A", "user: I\nJ"]),
    ("sharegpt", {"instruction": "I", "input": "", "chosen": "good", "rejected": "bad", "image": "a.jpg"}, ["user: I"]),
    ("sharegpt", {"messages": [
        {"role": "system", "content": "S"}, {"role": "user", "content": "<image>Q"},
        {"role": "assistant", "content": "good"}], "rejected_response": "bad", "images": ["a.jpg"],
        "system": "other"}, ["system: S", "user: <image>Q"]),
    ("sharegpt", {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "good"}],
                  "rejected_messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "bad"}],
                  "images": [{"bytes": b"img", "path": "a.jpg"}]}, ["user: Q"]),
]  # fmt: skip


def texts(messages):
    def text(content):
        return content if isinstance(content, str) else "".join(
            "<image>" if part["type"] == "image" else part["text"] for part in content)

    return [f"{message['role']}: {text(message['content'])}" for message in messages]


@pytest.mark.parametrize("form, row, prompt", FORMS)
def test_every_form_is_read_by_name_and_by_itself(form, row, prompt):
    for name in (form, "auto"):
        # Arrow gives a row all columns of its file.
        for given in (row, {**dict.fromkeys(["system", "history", "messages", "question", "text"]), **row}):
            (found,) = data.read([given], name)
            assert (texts(found.messages), found.chosen, found.rejected) == (prompt, "good", "bad")
            assert found.images in (["a.jpg"], [b"img"])
            assert found.id == row.get("idx", row.get("id", 0)) and found.fields is given


@pytest.mark.parametrize("row, form, message", [
    ({"prompt": "Q", "chosen": "a", "rejected": "b"}, "llava", "'llava' needs the field 'conversations'"),
    ({"question": "Q", "images": ["a"]}, "rlaif_v", "needs the field 'image' or 'image_path'"),
    ({"question": "Q", "rejected": "b"}, "auto", "the field 'chosen' is missing"),
    ({"question": "Q", "chosen": " \n", "rejected": "b"}, "auto", "chosen is empty"),
    ({"question": "Q", "chosen": 3, "rejected": "b"}, "auto", "chosen is int"),
    ({"messages": [{"role": "user", "content": "Q"}], "rejected_response": "b"}, "sharegpt", "does not end with"),
    ({"prompt": [{"role": "robot", "content": "Q"}], "chosen": "a", "rejected": "b"}, "auto", "the role 'robot'"),
    ({"prompt": [{"role": "assistant", "content": "Q"}], "chosen": "a", "rejected": "b"}, "auto", "has the messages"),
    ({"idx": [1], "chosen": "a", "rejected": "b"}, "auto", "the id is list"),
    ({"image": 3, "chosen": "a", "rejected": "b"}, "auto", "an image is int"),
    ({"image": {"path": None}, "chosen": "a", "rejected": "b"}, "auto", "neither bytes nor a path"),
    ({"image": "https://x/y.jpg", "chosen": "a", "rejected": "b"}, "auto", "is a URL"),
    ({"image": {"base64": "%%%"}, "chosen": "a", "rejected": "b"}, "auto", "not base64"),
    ({"chosen": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "a"}],
      "rejected": [{"role": "user", "content": "R"}, {"role": "assistant", "content": "b"}]}, "auto", "different messages"),
    ("text", "auto", "a row is str"),
])  # fmt: skip
def test_a_bad_row_is_named(row, form, message):
    with pytest.raises(data.BadRow, match="row 1: ") as error:
        list(data.read([{"image": "a", "chosen": "a", "rejected": "b", "question": "Q", "conversations": [
            {"from": "human", "value": "Q"}]}, row], form))  # fmt: skip
    assert message in str(error.value) and error.value.index == 1
    assert pickle.loads(pickle.dumps(error.value)).index == 1
    assert [it.index for it in data.read([row, {"image": "a", "chosen": "a", "rejected": "b"}], on_error="skip")
            if it.index] == [1]  # fmt: skip


def test_bad_arguments_are_named(scorer, tmp_path):
    with pytest.raises(libdama.DamaError, match="format is 'trlx'; expected one of auto"):
        list(data.read([], "trlx"))
    with pytest.raises(libdama.DamaError, match="unknown field 'answer'"):
        list(data.read([], fields={"answer": "x"}))
    with pytest.raises(libdama.DamaError, match="no file matches"):
        list(data.read(str(tmp_path / "*.parquet")))
    with pytest.raises(libdama.DamaError, match="cannot open"):
        list(data.read(tmp_path / "none.jsonl"))
    with pytest.raises(libdama.DamaError, match="expected a file named"):
        list(data.read(tmp_path / "rows.csv"))
    with pytest.raises(libdama.DamaError, match="the source is int"):
        list(data.read(3))
    with pytest.raises(libdama.DamaError, match="holds no rows"):
        data.score([], scorer)
    with pytest.raises(libdama.DamaError, match="an output is for sources that are files"):
        data.score(pairs(), scorer, tmp_path / "out.jsonl")
    with pytest.raises(libdama.DamaError, match="must be named"):
        data.score(SHAPES / "pairs.jsonl", scorer, tmp_path / "out.parquet")
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"a": 1}\n{broken\n')
    with pytest.raises(libdama.DamaError, match="line 2 is not JSON"):
        list(data.read(broken, on_error="skip"))
    with pytest.raises(libdama.DamaError, match="one of the inputs"):
        data.score(broken, scorer, broken)


def test_paths_stay_in_the_root(tmp_path):
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out.png").write_bytes(b"x")
    (root / "in.png").write_bytes(b"x")
    (root / "link.png").symlink_to(tmp_path / "out.png")

    def read(path, **options):
        return next(data.read([{"image": path, "chosen": "a", "rejected": "b"}], image_root=root, **options)).images[0]

    assert Path(read("in.png")).samefile(root / "in.png") and Path(read(str(root / "in.png"))).samefile(root / "in.png")
    for path in ("../out.png", str(tmp_path / "out.png"), "link.png"):
        with pytest.raises(data.BadRow, match="leads out of"):
            read(path)
    assert Path(read("link.png", follow_links=True)).samefile(tmp_path / "out.png")
    with pytest.raises(data.BadRow, match="does not exist"):
        read("none.png")


# ----------------------------------------------------------------------------------------------------------------------
# Scores


def test_rows_in_memory_are_scored_as_by_the_job(scorer, job):
    result, expected = job
    found = data.score(pairs(), scorer)
    # The batches are those of the job without a cache, so all bits are equal.
    assert found.delta.tolist() == [row["delta"] for row in expected]
    assert found.alpha_data.tolist() == [row["alpha_data"] for row in expected]
    assert (found.mean_delta, found.errors, len(found)) == (result.mean_delta, {}, 12)
    given = data.score(pairs(), MODEL, mean_delta=0.5)
    np.testing.assert_allclose(
        given.alpha_data, (1 + np.exp(-0.5)) / (1 + np.exp(-found.delta)), rtol=1e-14
    )
    assert given.mean_delta_used == 0.5


def test_images_in_every_form_have_the_same_score(scorer):
    row = pairs()[0]
    file = Path(row["image"]).read_bytes()
    expected = scorer.hardness(row["image"], row["chosen"], row["rejected"]).delta
    forms = [row["image"], Path(row["image"]), file, bytearray(file), {"bytes": file, "path": "none.jpg"},
             {"bytes": None, "path": row["image"]}, base64.b64encode(file).decode(),
             "data:image/jpeg;base64," + base64.b64encode(file).decode(), [file]]  # fmt: skip
    try:
        from PIL import Image
    except ImportError:
        pass
    else:
        picture = Image.open(io.BytesIO(file))
        forms += [picture, np.asarray(picture.convert("RGB"))]
    for form in forms:
        found = data.score([{**row, "image": form}], scorer)
        assert found.delta[0] == expected, type(form)


def test_a_bad_row_is_null_where_asked_for(scorer):
    rows = pairs()[:4]
    rows[1] = {**rows[1], "image": b"no image"}
    rows[2] = {**rows[2], "image": [rows[2]["image"]] * 2}
    with pytest.raises(data.BadRow, match="row 1: "):
        data.score(rows, scorer)
    found = data.score(rows, scorer, on_error="null")
    assert set(found.errors) == {1, 2} and "2 images" in found.errors[2]
    good = data.score([rows[0], rows[3]], scorer)
    assert found.columns()["delta"] == [good.delta[0], None, None, good.delta[1]]
    assert found.columns()["alpha_data"] == [good.alpha_data[0], None, None, good.alpha_data[1]]
    with pytest.raises(libdama.DamaError, match="all 1 rows are bad; the first: .*2 images"):
        data.score([rows[2]], scorer, on_error="null")


def test_json_to_json(scorer, job, tmp_path):
    _, expected = job
    seen = []
    found = data.score(SHAPES / "pairs.jsonl", scorer, tmp_path / "out.jsonl", image_root=SHAPES / "images",
                       batch_size=5, progress=seen.append)  # fmt: skip
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text("utf-8").splitlines()]
    assert found.output == tmp_path / "out.jsonl" and seen == [5, 10, 12]
    for row, pair, score in zip(rows, pairs(), expected):
        assert {**row, "image": pair["image"]} == {**pair, "delta": row["delta"], "alpha_data": row["alpha_data"]}
        # Other batches, other last bits.
        assert row["delta"] == pytest.approx(score["delta"], abs=1e-5)
    array = tmp_path / "rows.json"
    array.write_text(json.dumps([{**pair, "good": pair.pop("chosen")} for pair in pairs()]))
    again = data.score(array, scorer, tmp_path / "again.jsonl", image_root=SHAPES / "images", fields={"chosen": "good"})
    assert again.delta.tolist() == [score["delta"] for score in expected]
    made = ["again.jsonl", "again.jsonl.finished", "out.jsonl", "out.jsonl.finished", "rows.json"]
    assert sorted(it.name for it in tmp_path.iterdir()) == made


def test_hardness_batch_has_the_details(scorer):
    row = pairs()[0]
    alone = scorer.hardness(row["image"], row["chosen"], row["rejected"])
    found = scorer.hardness_batch([(row["image"], row["chosen"], row["rejected"]), (b"x", "a", "b")])
    assert found[0] == alone and isinstance(found[1], libdama.DamaError)
    with pytest.raises(libdama.DamaError, match="delta is 'median'"):
        scorer.hardness_batch([], delta="median")
    assert scorer.hardness_batch([]) == []


# ----------------------------------------------------------------------------------------------------------------------
# Other processes


def run(program, **environment):
    return subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, timeout=300,
                          env={**os.environ, **environment})  # fmt: skip


def test_models_pickle_by_path_and_options(scorer, tmp_path, monkeypatch):
    monkeypatch.chdir(MODEL.parent)
    tokens = libdama.Scorer("shapes-clip", long_texts="cut", threads=1)
    monkeypatch.chdir(tmp_path)
    again = pickle.loads(pickle.dumps(tokens))
    assert again is not tokens and again.score(SHAPES / "images" / "00000.jpg", ["a " * 200]).shape == (1,)
    # A process opens a model once, as long as somebody uses it.
    assert pickle.loads(pickle.dumps(tokens)) is again and copy.deepcopy(tokens) is again
    assert pickle.loads(pickle.dumps(scorer)) is not again
    policy = libdama.Policy(LLAVA / "default", max_length=100)
    other = pickle.loads(pickle.dumps(policy))
    assert type(other) is libdama.Policy and other.max_length == policy.max_length == 100


def test_a_pickle_knows_the_files_of_its_model(tmp_path):
    import shutil

    shutil.copytree(MODEL, tmp_path / "model")
    scorer = libdama.Scorer(tmp_path / "model")
    first = pickle.dumps(scorer)
    assert pickle.dumps(scorer) == first and pickle.dumps(libdama.Scorer(tmp_path / "model")) == first
    assert pickle.dumps(libdama.Scorer(tmp_path / "model", long_texts="cut")) != first
    os.utime(tmp_path / "model" / "model.safetensors", (1, 1))
    assert pickle.dumps(scorer) != first


def test_spawned_workers_score(scorer, job):
    _, expected = job
    found = data.score(pairs(), scorer, num_proc=2, batch_size=32)
    assert found.delta.tolist() == [row["delta"] for row in expected]
    rows = pairs()
    rows[5] = {**rows[5], "chosen": ""}
    with pytest.raises(data.BadRow, match="row 5: "):
        data.score(rows, scorer, num_proc=2, batch_size=3)


def test_a_forked_child_has_a_clear_exception():
    done = run(f"""
        import os, sys, libdama
        from libdama import data
        scorer = libdama.Scorer({str(MODEL)!r})
        scorer.embed_texts(["a ring"])
        child = os.fork()
        if child == 0:
            try:
                data.score([{{"image": {pairs()[0]["image"]!r}, "chosen": "a ring", "rejected": "a star"}}], scorer)
            except libdama.DamaError as error:
                print(type(error).__name__, error, flush=True)
                os._exit(5)
            os._exit(7)
        _, status = os.waitpid(child, 0)
        print(os.WEXITSTATUS(status))
    """)
    assert done.returncode == 0, done.stderr
    assert "fork" in done.stdout and done.stdout.splitlines()[-1] == "5", done.stdout


# ----------------------------------------------------------------------------------------------------------------------
# python -m libdama


def command(*arguments):
    return subprocess.run([sys.executable, "-m", "libdama", *map(str, arguments)], capture_output=True, text=True,
                          timeout=300)  # fmt: skip


def test_the_module_scores_and_merges(job, tmp_path):
    _, expected = job
    common = ["--model", MODEL, "--data", SHAPES / "pairs.jsonl", "--image-root", SHAPES / "images",
              "--set", "cache_bytes=0"]  # fmt: skip
    done = command("score", *common, "--out", tmp_path / "a.jsonl")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("scored 12 of 12 rows")
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == expected
    assert command("score", *common, "--out", tmp_path / "b.jsonl", "--shard", "0/1").returncode == 0
    assert command("merge", "--out", tmp_path / "b.jsonl").returncode == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()
    for arguments, message in [
        (["score", *common, "--out", tmp_path / "c.jsonl", "--shard", "4"], "--shard: expected i/n"),
        (["score", *common, "--out", tmp_path / "c.jsonl", "--set", "cache_size=1"], "unknown option 'cache_size'"),
        (["score", "--model", tmp_path, "--data", "x.jsonl", "--out", "y.jsonl"], "config.json"),
        (["merge", "--out", tmp_path / "none.jsonl"], "there are no shards"),
        (["train", "--config", tmp_path / "none.yaml"], "none.yaml"),
    ]:
        failed = command(*arguments)
        assert failed.returncode == 1 and message in failed.stderr and "Traceback" not in failed.stderr, failed.stderr
    assert "score" in command("--help").stdout and command("--version").stdout.startswith("libdama ")


def test_the_module_generates_and_computes_a_reference(tmp_path):
    rows = [{"idx": i, "image": "image.png", "question": "what", "chosen": "red", "rejected": "blue"} for i in range(2)]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    common = ["--model", LLAVA / "default", "--data", tmp_path / "pairs.jsonl", "--image-root", LLAVA]
    done = command("generate", *common, "--out", tmp_path / "answers.jsonl", "--set", "max_tokens=2")
    assert done.returncode == 0 and done.stdout.startswith("2 of 2 rows"), done.stderr
    texts = [json.loads(line)["response"] for line in (tmp_path / "answers.jsonl").read_text("utf-8").splitlines()]
    done = command("generate", *common, "--out", tmp_path / "answers.jsonl", "--max-tokens", "3")
    assert done.returncode == 1 and "max_tokens 2 instead of 3" in done.stderr, done.stderr
    done = command("generate", *common, "--out", tmp_path / "answers.jsonl", "--max-tokens", "3", "--restart")
    assert done.returncode == 0 and "generate" in done.stderr, done.stderr
    policy = libdama.Policy(LLAVA / "default")
    for count, found in ((2, texts), (3, [json.loads(line)["response"] for line in open(tmp_path / "answers.jsonl")])):
        assert found == [policy.generate("what", LLAVA / "image.png", max_tokens=count).text] * 2
    done = command("reference", *common, "--out", tmp_path / "reference.jsonl")
    assert done.returncode == 0 and done.stdout.startswith("2 of 2 rows"), done.stderr


def test_reference_columns_are_the_policy_s(tmp_path):
    rows = [{"image": str(LLAVA / "image.png"), "question": "what", "chosen": chosen, "rejected": "blue circle"}
            for chosen in ("red", "left square", "red blue")]  # fmt: skip
    policy = libdama.Policy(LLAVA / "default")
    found = data.reference(rows, policy, batch_size=2)
    for row, chosen, rejected in zip(rows, found.ref_chosen_logps, found.ref_rejected_logps):
        logps = policy.logps(row["image"], "what", row["chosen"], row["rejected"])
        # Other batches: single precision, sums of a few tokens.
        assert (chosen, rejected) == pytest.approx((logps.chosen.sum, logps.rejected.sum), abs=1e-4)
    rows[1] = {**rows[1], "image": b"no image"}
    with pytest.raises(libdama.DamaError):
        data.reference(rows, policy)
    bad = data.reference(rows, policy, on_error="null")
    assert bad.ref_chosen_logps[1] is None and list(bad.errors) == [1]
    assert bad.ref_chosen_logps[0] == pytest.approx(found.ref_chosen_logps[0], abs=1e-4)
