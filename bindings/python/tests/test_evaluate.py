import json
import math
from pathlib import Path

import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaEvaluationTests" / "Fixtures" / "pope"
PARTS = ("random", "popular", "adversarial")
SETS = [FIXTURES / f"coco_pope_{part}.json" for part in PARTS]
IDS = FIXTURES / "llava_pope_test.jsonl"


@pytest.fixture
def data(tmp_path):
    libdama.evaluate_prepare("pope", [*SETS, IDS], tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture
def job(data, tmp_path):
    """An evaluation of the fixture's answers; keywords override."""

    def run(benchmark="pope", **keywords):
        given = {"data": data, "responses": FIXTURES / "answers.jsonl", "output": tmp_path / "results.jsonl"}
        return libdama.evaluate(benchmark, **{**given, **keywords})

    return run


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_the_metrics_are_those_of_scikit_learn(job):
    result = job()
    assert (result.questions, result.answered, result.missing, result.rows_rejected) == (360, 360, 0, 0)
    assert result.empty == sum(not row["text"].strip() for row in rows(FIXTURES / "answers.jsonl"))
    expected = json.loads((FIXTURES / "expected.json").read_text("utf-8"))
    for part in PARTS:
        for name in ("f1", "accuracy", "precision", "recall", "yes_ratio"):
            value, official = expected[part][name]
            metric = result.metrics[f"{part}_{name}"]
            assert math.isclose(metric.value, value, rel_tol=1e-15) and metric.official == official
            assert metric.runs == [metric.value] and metric.std is None
    # The official script does not print all sets together.
    assert math.isclose(result.metrics["f1"].value, expected["all"]["f1"][0], rel_tol=1e-15)
    assert result.metrics["f1"].official is None
    assert list(result.metrics) == list(result.summary["metrics"])
    assert [row["id"] for row in rows(result.output)] == list(range(360))
    again = job()
    assert again.was_complete and again.metrics == result.metrics


def test_the_data_is_made_of_downloads(tmp_path):
    assert "pope" in libdama.evaluate_benchmarks()
    needed = libdama.evaluate_prepare("pope", [], tmp_path / "data")
    assert needed.made == needed.kept == [] and not (tmp_path / "data").exists()
    first = needed.missing[0]
    assert (first.name, first.is_optional) == ("random.jsonl", True) and first.purpose
    assert first.downloads[0].name == "coco_pope_random.json" and first.downloads[0].sha256 == []
    assert first.downloads[0].address.startswith("https://")
    made = libdama.evaluate_prepare("pope", iter(SETS[:2]), str(tmp_path / "data"), any_version=True)
    assert made.made == ["random.jsonl", "popular.jsonl"] and len(made.missing) == 2
    assert libdama.evaluate_prepare("pope", [IDS], tmp_path / "data").kept == ["random.jsonl", "popular.jsonl"]
    with pytest.raises(ValueError, match="no file of pope has this name or contents"):
        libdama.evaluate_prepare("pope", [FIXTURES / "answers.jsonl"], tmp_path / "data")
    with pytest.raises(ValueError, match="benchmark is \"popes\"; expected one of"):
        libdama.evaluate_prepare("popes", [], tmp_path / "data")
    with pytest.raises(OSError, match="nowhere"):
        libdama.evaluate_prepare("pope", [tmp_path / "nowhere"], tmp_path / "data")
    stopped = libdama.Cancellation()
    stopped.cancel()
    with pytest.raises(libdama.Cancelled):
        libdama.evaluate_prepare("pope", SETS, tmp_path / "more", cancellation=stopped)


def test_the_questions_are_a_dataset(data, tmp_path):
    output = tmp_path / "questions.jsonl"
    assert libdama.evaluate_questions("pope", data, output) == 360
    found = rows(output)
    assert list(found[0]) == ["idx", "image", "question"]
    assert [row["question"] for row in found[:120]] == [row["text"] for row in rows(SETS[0])]
    assert libdama.evaluate_questions("pope", data, tmp_path / "popular.jsonl", part="popular") == 120
    assert rows(tmp_path / "popular.jsonl") == found[120:240]
    with pytest.raises(ValueError, match="is not replaced"):
        libdama.evaluate_questions("pope", data, output)


def test_bad_answers_are_rejected_and_missing_ones_counted(job, tmp_path):
    answers = rows(FIXTURES / "answers.jsonl")[3:]
    answers += [answers[0], {"question_id": 400, "text": "No"}, {"question_id": 0}]
    responses = tmp_path / "answers.json"
    responses.write_text(json.dumps(answers))
    with pytest.raises(libdama.DamaError, match="3 of 360 questions have no answer, more than the 2 allowed"):
        job(responses=responses, max_missing=2)
    result = job(responses=responses, max_missing=3)
    assert (result.answered, result.missing, result.rows_rejected) == (357, 3, 3)
    assert [row["kind"] for row in rows(result.rejects)] == ["repeated_answer", "unknown_question", "missing_field"]
    with pytest.raises(ValueError, match="3 of 360 rows were rejected, more than the 2 allowed"):
        job(responses=responses, max_rejected=2, restart=True)


def test_what_progress_raises_stops_the_job_which_goes_on(job):
    def stop(it):
        if it.phase == "computing" and it.rows_done >= 100:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        job(progress=stop, block_rows=50)
    resumed = []
    assert job(progress=lambda it: resumed.append(it.rows_resumed), block_rows=50).answered == 360
    assert max(resumed) >= 100


def test_bad_arguments_are_named(job):
    for keywords, message in [
        ({"part": "rare"}, "part is \"rare\"; expected random or popular or adversarial"),
        ({"variant": "a"}, "variant is \"a\"; pope has none"),
        ({"runs": 2}, "without a judge all runs would be the same"),
        ({"runs": -1}, "runs is -1"),
        ({"max_missing": -1}, "max_missing is -1"),
        ({"data": FIXTURES}, "holds no benchmark.json"),
        ({"benchmark": "popes"}, "benchmark is \"popes\""),
    ]:
        with pytest.raises(ValueError, match=message):
            job(**keywords)
    with pytest.raises(TypeError, match="unknown option 'parts'"):
        job(parts="random")


def test_evaluations_are_compared(job, tmp_path):
    job()
    answers = rows(FIXTURES / "answers.jsonl")
    labels = [row["label"] for path in SETS for row in rows(path)]
    # Right in 30 more answers.
    wrong = [row["id"] for row in rows(tmp_path / "results.jsonl") if not row["pass"]][:30]
    for index in wrong:
        answers[index]["text"] = {"yes": "Yes", "no": "No"}[labels[index]]
    (tmp_path / "better.jsonl").write_text("".join(json.dumps(row) + "\n" for row in answers))
    job(responses=tmp_path / "better.jsonl", output=tmp_path / "other.jsonl")
    summaries = [tmp_path / "results.summary.json", tmp_path / "other.summary.json"]
    found = libdama.evaluate_compare(summaries, resamples=500, seed=2**64 - 1)
    assert found.results["questions"] == 360 and found.results["seed"] == str(2**64 - 1)
    accuracy = next(row for row in found.results["metrics"] if row["name"] == "accuracy")
    assert math.isclose(accuracy["differences"][1]["value"], 30 / 360)
    test = found.results["mcnemar"][0]
    # Two-sided: all 30 of 30 changes in one direction.
    assert (test["only_first"], test["only_other"]) == (0, 30) and math.isclose(test["p"], 2 * 0.5**30)
    assert "accuracy" in found.text and found.csv.startswith("metric,") and "<html" in found.page
    assert libdama.evaluate_compare(iter(summaries), resamples=500, seed=2**64 - 1) == found
    job(part="popular", output=tmp_path / "part.jsonl", responses=tmp_path / "better.jsonl")
    mixed = [summaries[0], tmp_path / "part.summary.json"]
    with pytest.raises(ValueError, match="part"):
        libdama.evaluate_compare(mixed)
    assert libdama.evaluate_compare(mixed, allow_different=True, resamples=10).results["discrepancies"]
    for keywords, message in [
        ({"resamples": 0}, "resamples"),
        ({"confidence": 1.5}, "confidence"),
        ({"confidence": math.nan}, "confidence"),
        ({"data": tmp_path}, "benchmark.json"),
    ]:
        with pytest.raises(ValueError, match=message):
            libdama.evaluate_compare(summaries, **keywords)
    with pytest.raises(ValueError, match="at least 2"):
        libdama.evaluate_compare(summaries[:1])


# Judges


def test_bad_judges_are_named(tmp_path):
    endpoint = "http://127.0.0.1:9/v1/chat/completions"
    for make, message in [
        (lambda: libdama.Judge.from_callable(str, ""), "name is empty"),
        (lambda: libdama.Judge.from_callable(str, "a", concurrency=0), "expected 1 to 256, found 0"),
        (lambda: libdama.Judge.command(""), "command"),
        (lambda: libdama.Judge.command("cat", timeout=0), "timeout is 0"),
        (lambda: libdama.Judge.endpoint("ftp://a", "m"), "http"),
        (lambda: libdama.Judge.endpoint(endpoint, "m", requests_per_minute=-1), "-1"),
        (lambda: libdama.Judge.endpoint(endpoint, "m", requests_per_minute=math.nan), "0"),
        (lambda: libdama.Judge.endpoint(endpoint, "m", request_fields={"model": "b"}), "model"),
        (lambda: libdama.Judge.endpoint(endpoint, "m", any_model=True, expected_model="b"), "and expected_model"),
        (lambda: libdama.Judge.endpoint(endpoint, "m", first_pause=-1.0), "first_pause is -1"),
        (lambda: libdama.Judge.endpoint(endpoint, "m\n"), "control character"),
    ]:
        with pytest.raises(ValueError, match=message):
            make()
    (tmp_path / "notes").write_text("not a cache\n")
    with pytest.raises(ValueError, match="notes"):
        libdama.Judge.command("cat", cache=tmp_path / "notes")
    assert (tmp_path / "notes").read_text() == "not a cache\n"


def test_a_judge_is_a_text_model():
    root = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures"
    libdama.Judge.policy(libdama.Policy(root / "onnx" / "llama"))
    with pytest.raises(NotImplementedError, match="takes an image"):
        libdama.Judge.policy(libdama.Policy(root / "llava" / "default"))


def test_a_benchmark_without_a_judge_ignores_it(job):
    asked = []
    judge = libdama.Judge.from_callable(lambda request: asked.append(request) or "No", "no")
    assert job(judge=judge).answered == 360 and asked == []


QUESTIONS = {
    "v1_0": {"imagename": "a.jpg", "question": "What is it?", "answer": "cat", "capability": ["rec"]},
    "v1_1": {"imagename": "b.jpg", "question": "How many?", "answer": "3", "capability": ["rec", "math"]},
}
ANSWERS = {"v1_0": "a cat\u2014red", "v1_1": "two"}


@pytest.fixture
def judged(tmp_path):
    """An evaluation of two answers to a small MM-Vet."""
    (tmp_path / "mm-vet.json").write_text(json.dumps(QUESTIONS))
    (tmp_path / "answers.json").write_text(json.dumps(ANSWERS))
    libdama.evaluate_prepare("mm-vet", [tmp_path / "mm-vet.json"], tmp_path / "data")

    def run(judge, output="results.jsonl", **keywords):
        return libdama.evaluate(
            "mm-vet", data=tmp_path / "data", responses=tmp_path / "answers.json", output=tmp_path / output,
            judge=judge, **keywords,
        )  # fmt: skip

    return run


def test_a_function_judges_each_answer_in_each_run(judged, tmp_path):
    requests = []

    def grade(request):
        requests.append(request)
        text = request.messages[-1]["content"]
        assert request.messages[-1]["role"] == "user" and request.temperature == 0 and request.max_tokens > 0
        return libdama.JudgeAnswer("0.0" if "two" in text else ("1.0", "0.6")[request.run], "grader-1")

    cache = tmp_path / "cache.jsonl"
    judge = libdama.Judge.from_callable(grade, "grader", cache=cache)
    result = judged(judge, runs=2)
    assert sorted((it.run, "a cat\u2014red" in it.messages[0]["content"]) for it in requests) == [
        (0, False), (0, True), (1, False), (1, True),
    ]  # fmt: skip
    total = result.metrics["total"]
    # The mean, and the standard deviation by the number of runs, of 50 and 30.
    assert total.runs == [50.0, 30.0] and (total.value, total.std, total.official) == (40.0, 10.0, "40.0")
    assert rows(result.output)[0]["runs"][1]["judge_model"] == "grader-1"
    assert len(rows(cache)) == 4
    # Another judge of the same name takes its answers from the file.
    again = judged(libdama.Judge.from_callable(grade, "grader", cache=cache), "again.jsonl", runs=2)
    assert again.metrics == result.metrics and len(requests) == 4
    with pytest.raises(ValueError, match="stranger"):
        judged(libdama.Judge.from_callable(grade, "stranger"), runs=2)
    with pytest.raises(ValueError, match="mm-vet needs a judge"):
        judged(None, "none.jsonl")


def test_what_a_function_raises_is_raised(judged):
    def fail(_request):
        raise LookupError("no idea")

    calls = []
    for function, kind, message in [
        (fail, LookupError, "no idea"),
        (lambda _: 0.5, TypeError, "the judge returned float"),
        (lambda _: libdama.JudgeAnswer("1", "a\0b"), ValueError, "NUL"),
    ]:
        judge = libdama.Judge.from_callable(function, "broken", concurrency=1)
        for _ in range(2):
            with pytest.raises(kind, match=message):
                judged(judge, "broken.jsonl")
    judge = libdama.Judge.from_callable(lambda _: calls.append(1) or "1\0\ud800", "broken", concurrency=1)
    # No grade begins with these characters: five attempts for each answer, which then counts as failed.
    assert judged(judge, "broken.jsonl").metrics["failed"].value == 2 and len(calls) == 10


def test_a_cancellation_stops_a_judged_job(judged):
    cancellation = libdama.Cancellation()
    judge = libdama.Judge.from_callable(lambda _: cancellation.cancel() or "1", "slow", concurrency=1)
    with pytest.raises(libdama.Cancelled):
        judged(judge, cancellation=cancellation)


def test_a_command_judges(judged):
    result = judged(libdama.Judge.command("grep -q '\"max_tokens\"' && echo 0.25"))
    assert result.metrics["total"].official == "25.0"
    with pytest.raises(OSError, match="3"):
        judged(libdama.Judge.command("exit 3"), "failed.jsonl")


def test_an_endpoint_judges(judged):
    import threading
    from http.server import BaseHTTPRequestHandler, HTTPServer

    received = []

    class Server(BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            model = {"other": "another-model"}.get(received[-1]["model"], "grader-2024-01-31")
            message = {"role": "assistant", "content": "0.5"}
            body = json.dumps({"model": model, "choices": [{"message": message, "finish_reason": "stop"}]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1/chat/completions"
    try:
        seed = {"seed": 7}
        judge = libdama.Judge.endpoint(url, "grader", api_key="secret", request_fields=seed, requests_per_minute=6000)
        result = judged(judge)
        assert result.metrics["total"].official == "50.0"
        assert rows(result.output)[0]["judge_model"] == "grader-2024-01-31"
        assert [it["seed"] for it in received] == [7, 7] and "secret" not in json.dumps(result.summary)
        with pytest.raises(libdama.DamaError, match="the judge must be \"other\", but \"another-model\" answered"):
            judged(libdama.Judge.endpoint(url, "other"), "other.jsonl")
        for more in ({"any_model": True}, {"expected_model": "another-model"}):
            assert judged(libdama.Judge.endpoint(url, "other", **more), "other.jsonl", restart=True).answered == 2
    finally:
        server.shutdown()
        server.server_close()
