"""Calls of libdama.data with an output resume; they need no other package for JSON."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import libdama
from libdama import data

ROOT = Path(__file__).parents[3]
MODEL = ROOT / "models" / "shapes-clip"
SHAPES = ROOT / "examples" / "data" / "shapes"
LLAVA = ROOT / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"
OPTIONS = {"image_root": SHAPES / "images", "batch_size": 5}


class Stop(Exception):
    pass


def stop_at(count):
    def progress(done):
        if done >= count:
            raise Stop

    return progress


@pytest.fixture(scope="module")
def scorer():
    return libdama.Scorer(MODEL)


@pytest.fixture
def pairs(tmp_path):
    place = tmp_path / "pairs.jsonl"
    place.write_bytes((SHAPES / "pairs.jsonl").read_bytes())
    return place


@pytest.fixture
def counted(scorer, monkeypatch):
    """The numbers of rows that the model sees."""
    seen = []
    real = libdama.Scorer.deltas

    def deltas(self, pairs, **options):
        seen.append(len(pairs))
        return real(self, pairs, **options)

    monkeypatch.setattr(libdama.Scorer, "deltas", deltas)
    return seen


def test_done_rows_are_not_done_again_and_the_bytes_are_those_of_one_call(pairs, scorer, counted, tmp_path):
    data.score(pairs, scorer, tmp_path / "whole.jsonl", **OPTIONS)
    assert counted == [5, 5, 2]
    with pytest.raises(Stop):
        data.score(pairs, scorer, tmp_path / "s.jsonl", progress=stop_at(10), **OPTIONS)
    unfinished = tmp_path / "s.jsonl.unfinished"
    assert unfinished.exists() and not (tmp_path / "s.jsonl").exists()
    counted.clear()
    seen = []
    found = data.score(pairs, scorer, tmp_path / "s.jsonl", progress=seen.append, **OPTIONS)
    assert counted == [2] and seen == [10, 12] and len(found) == 12
    assert (tmp_path / "s.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    assert not unfinished.exists()


@pytest.mark.parametrize("cut", (1, 2, 30))
def test_a_torn_line_is_left_out(pairs, scorer, counted, tmp_path, cut):
    """As a kill or a power failure leaves it."""
    with pytest.raises(Stop):
        data.score(pairs, scorer, tmp_path / "s.jsonl", progress=stop_at(10), **OPTIONS)
    unfinished = tmp_path / "s.jsonl.unfinished"
    unfinished.write_bytes(unfinished.read_bytes()[:-cut])
    counted.clear()
    found = data.score(pairs, scorer, tmp_path / "s.jsonl", **OPTIONS)
    assert counted == [5, 2]
    rows = [json.loads(line) for line in pairs.read_text("utf-8").splitlines()]
    assert found.delta.tolist() == data.score(rows, scorer, **OPTIONS).delta.tolist()


def test_other_inputs_are_refused_by_name(pairs, scorer, counted, tmp_path):
    def again(**more):
        return data.score(pairs, scorer, tmp_path / "s.jsonl", **{**OPTIONS, **more})

    with pytest.raises(Stop):
        again(progress=stop_at(5))
    before = (tmp_path / "s.jsonl.unfinished").read_bytes()
    with pytest.raises(ValueError, match="other values of batch_size: 5 instead of 4"):
        again(batch_size=4)
    with pytest.raises(ValueError, match='other values of delta: "probabilities" instead of "scores"'):
        again(delta="scores")
    with pytest.raises(ValueError, match="other values of model_options"):
        data.score(pairs, libdama.Scorer(MODEL, long_texts="cut"), tmp_path / "s.jsonl", **OPTIONS)
    os.utime(pairs, ns=(1, 1))
    with pytest.raises(ValueError, match="other values of source"):
        again()
    assert (tmp_path / "s.jsonl.unfinished").read_bytes() == before, "a refused call changes nothing"
    counted.clear()
    again(restart=True)
    assert counted == [5, 5, 2]


def test_a_call_that_ended_is_not_done_again(pairs, scorer, counted, tmp_path):
    place, finished = tmp_path / "s.jsonl", tmp_path / "s.jsonl.finished"
    first = data.score(pairs, scorer, place, **OPTIONS)
    expected = place.read_bytes()
    counted.clear()
    place.unlink()
    seen = []
    again = data.score(pairs, scorer, place, progress=seen.append, **OPTIONS)
    assert counted == [] and seen == [12] and again.delta.tolist() == first.delta.tolist()
    assert place.read_bytes() == expected and finished.exists()
    # δ̄ is not an input of the results.
    assert data.score(pairs, scorer, place, mean_delta=0.25, **OPTIONS).mean_delta_used == 0.25 and counted == []
    # Another call computes, and does not lose what the earlier one knows until it has ended itself.
    kept = finished.read_bytes()
    with pytest.raises(Stop):
        data.score(pairs, scorer, place, delta="scores", progress=stop_at(5), **OPTIONS)
    assert counted == [5] and finished.read_bytes() == kept
    data.score(pairs, scorer, place, delta="scores", **OPTIONS)
    assert counted == [5, 5, 2] and finished.read_bytes() != kept
    counted.clear()
    data.score(pairs, scorer, place, delta="scores", restart=True, **OPTIONS)
    assert counted == [5, 5, 2]


def test_an_output_is_written_by_one_call_at_a_time(pairs, scorer, tmp_path):
    def second(done):
        with pytest.raises(ValueError, match="is in use: another call writes the same output"):
            data.score(pairs, scorer, tmp_path / "s.jsonl", **OPTIONS)

    data.score(pairs, scorer, tmp_path / "s.jsonl", progress=second, **OPTIONS)


@pytest.mark.parametrize("ending", ["unfinished", "finished"])
def test_a_file_of_others_is_not_touched(ending, pairs, scorer, tmp_path):
    other = tmp_path / f"s.jsonl.{ending}"
    for text in ("my notes\n", '{"kind": "another"}\n'):
        other.write_text(text)
        for restart in (False, True):
            with pytest.raises(ValueError, match="is no file of libdama"):
                data.score(pairs, scorer, tmp_path / "s.jsonl", restart=restart, **OPTIONS)
        assert other.read_text() == text


def test_bad_rows_stay_bad(pairs, scorer, tmp_path):
    pairs.write_text(pairs.read_text("utf-8") + '{"image": "none.png", "chosen": "a", "rejected": "b"}\n', "utf-8")
    options = {**OPTIONS, "batch_size": 13}
    # The output cannot be written at the end.
    (tmp_path / "s.jsonl").mkdir()
    with pytest.raises(OSError, match="cannot write"):
        data.score(pairs, scorer, tmp_path / "s.jsonl", on_error="null", **options)
    (tmp_path / "s.jsonl").rmdir()
    with pytest.raises(data.BadRow, match="row 12: the image 'none.png' does not exist"):
        data.score(pairs, scorer, tmp_path / "s.jsonl", **options)
    found = data.score(pairs, scorer, tmp_path / "s.jsonl", on_error="null", **options)
    assert list(found.errors) == [12] and "none.png" in found.errors[12]
    assert json.loads((tmp_path / "s.jsonl").read_text("utf-8").splitlines()[12])["delta"] is None


def test_processes_resume_too(pairs, scorer, tmp_path):
    whole = data.score(pairs, scorer, tmp_path / "whole.jsonl", **OPTIONS)
    with pytest.raises(Stop):
        data.score(pairs, scorer, tmp_path / "s.jsonl", num_proc=2, progress=stop_at(5), **OPTIONS)
    assert data.score(pairs, scorer, tmp_path / "s.jsonl", num_proc=2, **OPTIONS).delta.tolist() == whole.delta.tolist()


def test_a_killed_process_resumes(pairs, tmp_path):
    lines = pairs.read_text("utf-8").splitlines()
    pairs.write_text("\n".join(lines * 50), "utf-8")
    program = textwrap.dedent(f"""
        from libdama import data
        data.score({str(pairs)!r}, {str(MODEL)!r}, {str(tmp_path / "s.jsonl")!r}, batch_size=5,
                   image_root={str(SHAPES / "images")!r}, progress=lambda done: print(done, flush=True))
    """)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "5\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    resumed = [int(line) for line in again.stdout.split()]
    assert resumed[0] >= 5 and resumed[-1] == 600 and len(resumed) <= 120, again.stderr
    assert len((tmp_path / "s.jsonl").read_text("utf-8").splitlines()) == 600


def test_references_and_answers_resume(tmp_path):
    policy = libdama.Policy(LLAVA / "default")
    rows = [{"image": "image.png", "question": q, "chosen": "red", "rejected": "a"} for q in ("what", "where", "is it")]
    source = tmp_path / "rows.jsonl"
    source.write_text("\n".join(map(json.dumps, rows)) + "\n")
    options = {"image_root": LLAVA, "batch_size": 1}
    for call, more in ((data.reference, {}), (data.generate, {"max_tokens": 4, "temperature": 1.0, "samples": 2})):
        call(source, policy, tmp_path / "whole.jsonl", **options, **more)
        with pytest.raises(Stop):
            call(source, policy, tmp_path / "o.jsonl", progress=stop_at(2), **options, **more)
        seen = []
        call(source, policy, tmp_path / "o.jsonl", progress=seen.append, **options, **more)
        assert seen == [2, 3]
        assert (tmp_path / "o.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
