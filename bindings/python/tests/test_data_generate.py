"""libdama.data.generate: a policy's answers as columns."""

import json
from pathlib import Path

import pytest

import libdama
from libdama import data

LLAVA = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"
IMAGE = LLAVA / "image.png"
QUESTIONS = ["What is it?", "Where is it?", "How many are there?"]


@pytest.fixture(scope="module")
def policy():
    return libdama.Policy(LLAVA / "default")


def rows(**more):
    return [{"image": str(IMAGE), "question": question, **more} for question in QUESTIONS]


def test_answers_are_those_of_the_policy_and_of_the_job(policy, tmp_path):
    alone = [policy.generate(question, IMAGE, max_tokens=6) for question in QUESTIONS]
    found = data.generate(rows(), policy, max_tokens=6, batch_size=2)
    assert found.response == [one.text for one in alone]
    (tmp_path / "q.jsonl").write_text("\n".join(json.dumps({**row, "image": "image.png"}) for row in rows()))
    job = libdama.generate_dataset(policy, tmp_path / "q.jsonl", tmp_path / "a.jsonl", image_root=LLAVA, max_tokens=6)
    lines = [json.loads(line) for line in job.output.read_text("utf-8").splitlines()]
    assert (found.response, found.finish) == ([line["response"] for line in lines], [line["finish"] for line in lines])
    beams = data.generate(rows(), policy, max_tokens=6, num_beams=3)
    assert beams.response == [policy.generate(q, IMAGE, max_tokens=6, num_beams=3).text for q in QUESTIONS]


def test_every_form_of_a_question(policy):
    text = policy.generate(QUESTIONS[0], IMAGE, max_tokens=4).text
    message = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTIONS[0]}]}
    image = {"images": [IMAGE.read_bytes()]}
    answer = [{"role": "assistant", "content": "old"}]
    for row in (
        {"image": str(IMAGE), "question": QUESTIONS[0], "chosen": "a", "rejected": "b"},
        {"prompt": [message], **image},
        {"chosen": [message, *answer], "rejected": [message, *answer], **image},
        {"conversations": [{"from": "human", "value": f"<image>{QUESTIONS[0]}"}, {"from": "gpt", "value": "old"}],
         **image},
    ):  # fmt: skip
        assert data.generate([row], policy, max_tokens=4).response == [text], row
    assert data.generate([{"asked": QUESTIONS[0], **image}], policy, max_tokens=4,
                         fields={"question": "asked"}).response == [text]  # fmt: skip


def test_samples_depend_on_the_seed(policy):
    options = {"samples": 3, "temperature": 1.5, "max_tokens": 6}
    first = data.generate(rows(), policy, **options)
    assert all(len(texts) == len(ends) == 3 for texts, ends in zip(first.response, first.finish))
    assert len({tuple(texts) for texts in first.response}) == 3, "rows draw other numbers"
    assert data.generate(rows(), policy, **options).response == first.response
    assert data.generate(rows(), policy, seed=1, **options).response != first.response


def test_bad_rows_and_bad_options(policy):
    given = [rows()[0], {"image": str(IMAGE)}, {"image": "none.png", "question": "Q"}, rows()[1]]
    with pytest.raises(data.BadRow, match="row 1: there is no prompt"):
        data.generate(given, policy, max_tokens=2)
    found = data.generate(given, policy, max_tokens=2, on_error="null")
    assert found.response[1:3] == found.finish[1:3] == [None, None] and list(found.errors) == [1, 2]
    assert found.response[3] == policy.generate(QUESTIONS[1], IMAGE, max_tokens=2).text
    with pytest.raises(ValueError, match="samples is 2; above 1 it needs a temperature above 0"):
        data.generate(rows(), policy, samples=2)
    with pytest.raises(ValueError, match="max_tokens is 0"):
        data.generate(rows(), policy, max_tokens=0)
    with pytest.raises(ValueError, match="on_error is 'skip'; expected raise or null"):
        data.generate(rows(), policy, on_error="skip")
