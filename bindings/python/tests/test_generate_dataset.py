import json
from pathlib import Path

import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"
IMAGE = FIXTURES / "image.png"
QUESTIONS = ["What is it?", "Where is it?", "How many are there?"]


@pytest.fixture(scope="module")
def policy():
    return libdama.Policy(FIXTURES / "default")


@pytest.fixture
def job(policy, tmp_path):
    """Answers to three questions and a bad row, in ``tmp_path``; keywords override."""
    data = tmp_path / "questions.jsonl"
    rows = [{"idx": index, "image": "image.png", "asked": question} for index, question in enumerate(QUESTIONS)]
    data.write_text("\n".join(map(json.dumps, [*rows, {**rows[0], "image": "none.png"}])))

    def run(model=policy, **keywords):
        keywords = {"image_root": FIXTURES, "fields": {"question": "asked"}, "max_tokens": 6, **keywords}
        return libdama.generate_dataset(model, data, tmp_path / "responses.jsonl", **keywords)

    return run


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_answers_are_those_of_the_policy(job, policy):
    result = job()
    assert (result.rows, result.rows_rejected, result.was_complete) == (4, 1, False)
    assert "none.png" in result.rejects.read_text()
    assert result.summary["settings"]["max_tokens"] == 6
    alone = [policy.generate(question, IMAGE, max_tokens=6) for question in QUESTIONS]
    assert [(row["id"], row["response"]) for row in rows(result.output)] == [
        (index, one.text) for index, one in enumerate(alone)
    ]
    assert result.rows_cut == sum(one.finish == "length" for one in alone)
    assert job(model=str(FIXTURES / "default")).was_complete
    with pytest.raises(ValueError, match="max_tokens 6 instead of 7"):
        job(max_tokens=7)


def test_beams_are_those_of_the_policy(job, policy):
    result = job(num_beams=3, length_penalty=0.5, early_stopping=True)
    settings = result.summary["settings"]
    assert [settings[name] for name in ("num_beams", "length_penalty", "early_stopping")] == [3, 0.5, "true"]
    alone = [
        policy.generate(question, IMAGE, max_tokens=6, num_beams=3, length_penalty=0.5, early_stopping=True)
        for question in QUESTIONS
    ]
    assert [row["response"] for row in rows(result.output)] == [one.text for one in alone]
    with pytest.raises(ValueError, match="2 samples by beam search"):
        job(num_beams=3, samples=2, restart=True)


def test_samples_depend_on_the_seed_alone(job):
    first = rows(job(samples=3, temperature=1.5, seed=2**64 - 1).output)
    assert all(len(row["responses"]) == len(row["finish"]) == 3 for row in first)
    other_blocks = rows(job(samples=3, temperature=1.5, seed=2**64 - 1, block_rows=1, restart=True).output)
    assert other_blocks == first
    other_seed = rows(job(samples=3, temperature=1.5, seed=1, restart=True).output)
    assert other_seed != first


def test_a_stop_string_ends_a_response(job, policy):
    text = policy.generate(QUESTIONS[1], IMAGE, max_tokens=6).text
    result = rows(job(stop=text[2]).output)
    assert result[1]["response"] == text[: text.index(text[2])] and result[1]["finish"] == "stop"


def test_what_progress_raises_stops_the_job_which_goes_on(job):
    def stop(it):
        if it.phase == "computing" and it.rows_done >= 2:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        job(progress=stop, block_rows=1)
    resumed = []
    assert job(progress=lambda it: resumed.append(it.rows_resumed), block_rows=1).rows == 4
    assert max(resumed) == 2


def test_a_cancellation_stops_it(job):
    cancellation = libdama.Cancellation()
    with pytest.raises(libdama.Cancelled):
        job(progress=lambda it: cancellation.cancel(), cancellation=cancellation, block_rows=1)


def test_bad_arguments_are_named(job):
    with pytest.raises(ValueError, match="samples is 0; expected an integer from 1 to 4096"):
        job(samples=0)
    with pytest.raises(ValueError, match="temperature"):
        job(samples=2)
    with pytest.raises(ValueError, match="max_tokens is -1"):
        job(max_tokens=-1)
    with pytest.raises(TypeError, match="unknown option 'sample'"):
        job(sample=2)
