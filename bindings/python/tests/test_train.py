import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import libdama

FIXTURES = Path(__file__).parents[3] / "Tests" / "DamaModelsTests" / "Fixtures" / "llava"


@pytest.fixture
def config(tmp_path):
    """Four pairs, two batches an epoch."""
    data = tmp_path / "pairs.jsonl"
    rows = [
        {"idx": i, "image": "image.png", "question": "What?", "chosen": f"A red circle {i}.", "rejected": "Two dogs."}
        for i in range(4)
    ]
    data.write_text("\n".join(map(json.dumps, rows)))
    return {
        "model": FIXTURES / "default", "data": data, "image_root": FIXTURES, "out": tmp_path / "out",
        "trainable": "projector", "method": {"preset": "mdpo", "keep": 2}, "optimizer": {"learning_rate": 1e-3},
        "batch_size": 2, "epochs": 2, "tensorboard": False, "seed": 5, "threads": 1,
    }  # fmt: skip


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def test_a_mapping_a_text_and_a_file_say_the_same(config, tmp_path):
    seen = []
    result = libdama.train(config, progress=seen.append)
    assert (result.batches, result.steps, result.skipped, result.pairs, result.rows_rejected) == (4, 4, 0, 4, 0)
    assert not result.was_complete
    assert [it.batch for it in seen if it.event == "batch"] == [1, 2, 3, 4]
    assert [it.epoch for it in seen if it.event == "batch"] == [0, 0, 1, 1]
    assert all(it.metrics.pairs == 2 and it.batches == 4 for it in seen if it.event == "batch")
    assert {it.reference.phase for it in seen if it.event == "reference"} == {"scanning", "computing", "writing"}
    logged = [json.loads(line) for line in (config["out"] / "metrics.jsonl").read_text().splitlines()]
    assert [it.metrics.loss for it in seen if it.event == "batch"] == [line["loss"] for line in logged]
    assert libdama.train(config).was_complete

    yaml = textwrap.dedent(
        f"""
        model: {config["model"]}
        data: {config["data"]}
        image_root: {FIXTURES}
        out: nowhere   # replaced below
        trainable: projector
        method: {{preset: mdpo, keep: 2}}
        optimizer:
          learning_rate: 1e-3
        batch_size: 2
        epochs: 7
        tensorboard: false
        seed: 5
        threads: 1
        """
    )
    libdama.train(yaml, [f"out={tmp_path / 'text'}", "epochs=2"])
    file = tmp_path / "train.yaml"
    file.write_text(yaml)
    libdama.train(file, {"out": tmp_path / "file", "epochs": 2})
    assert weights(tmp_path / "text") == weights(tmp_path / "file") == weights(config["out"])


def test_held_out_pairs_and_the_likelihood_s_weight(config, tmp_path):
    libdama.train({**config, "out": tmp_path / "plain"})
    notices = []
    libdama.train({**config, "eval_data": config["data"], "eval_every": 3},
                  progress=lambda it: notices.append(it.notice) if it.event == "notice" else None)  # fmt: skip
    assert weights(config["out"]) == weights(tmp_path / "plain")
    lines = [json.loads(line) for line in (config["out"] / "metrics.jsonl").read_text().splitlines()]
    evals = [line for line in lines if "eval" in line]
    assert [line["batch"] for line in evals] == [3, 4] and evals[0]["eval"]["pairs"] == 4
    assert len([text for text in notices if text.startswith("held-out pairs after batch")]) == 2
    assert (config["out"] / "checkpoints" / "best.safetensors").exists()
    seen = []
    libdama.train({**config, "out": tmp_path / "sft", "sft_weight": 0.5}, progress=seen.append)
    first = next(it.metrics for it in seen if it.event == "batch")
    # π = πref before the first update: the preference loss is log 2 for each kept pair.
    assert first.loss == pytest.approx(np.log(2) + 0.5 * first.sft_loss, abs=1e-5)
    for change, message in [({"eval_share": 2}, "eval_share is 2"), ({"sft_weight": -1}, "sft_weight is -1"),
                            ({"eval_best": "f1"}, "eval_best is \"f1\"; expected one of loss")]:  # fmt: skip
        with pytest.raises(ValueError, match=message):
            libdama.train({**config, "out": tmp_path / "wrong", **change})


def test_what_progress_raises_stops_the_job_which_goes_on(config, tmp_path):
    libdama.train({**config, "out": tmp_path / "whole"})

    def stop(it):
        if it.batch == 3:
            raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        libdama.train(config, progress=stop)
    seen = []
    libdama.train(config, progress=seen.append)
    assert [it.notice for it in seen if it.notice] == ["resuming after batch 3 of 4"]
    assert [it.batch for it in seen if it.event == "batch"] == [4]
    assert weights(config["out"]) == weights(tmp_path / "whole")


def test_a_cancellation_stops_it(config):
    cancellation = libdama.Cancellation()
    with pytest.raises(libdama.Cancelled):
        libdama.train(config, progress=lambda it: cancellation.cancel(), cancellation=cancellation)
    assert libdama.train(config).steps == 4


def test_ctrl_c_stops_and_keeps(config):
    program = textwrap.dedent(
        f"""
        import sys, libdama
        def show(it):
            if it.batch: print(it.batch, flush=True)
        try:
            libdama.train({json.dumps({**config, "epochs": 100_000}, default=os.fspath)!r} + "\\n", progress=show)
        except KeyboardInterrupt:
            print("stopped", flush=True)
            sys.exit(5)
        """
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, env=os.environ)
    assert process.stdout.readline() == "1\n"
    process.send_signal(signal.SIGINT)
    assert process.stdout.read().endswith("stopped\n")
    assert process.wait() == 5
    assert list((config["out"] / "checkpoints").glob("*.safetensors"))


def test_bad_configurations_are_named(config, tmp_path):
    with pytest.raises(ValueError, match='unknown field "epocs"; did you mean "epochs"?'):
        libdama.train({**config, "epocs": 1})
    with pytest.raises(ValueError, match="method: beta is \\[\\]; expected a finite number"):
        libdama.train(config, {"method.beta": []})
    with pytest.raises(ValueError, match="expected key=value"):
        libdama.train(config, ["epochs"])
    with pytest.raises(ValueError, match="expected a mapping or a list"):
        libdama.train(config, "epochs=1")
    with pytest.raises(ValueError, match="configuration, line 2"):
        libdama.train("a: 1\n b: 2\n")
    with pytest.raises(FileNotFoundError):
        libdama.train(tmp_path / "none.yaml")
    bad = tmp_path / "bad.yaml"
    bad.write_text("a: [")
    with pytest.raises(ValueError, match="bad.yaml, line 2"):
        libdama.train(bad)
    libdama.train(config)
    with pytest.raises(ValueError, match="optimizer.learning_rate 0.001 instead of 0.002"):
        libdama.train(config, {"optimizer.learning_rate": 2e-3})


def test_the_wheels_runtime_is_found(config):
    """A process of its own, because a process has one ONNX Runtime; without DAMA_ONNXRUNTIME, as users run it."""
    pytest.importorskip("onnxruntime")
    clean = {key: value for key, value in os.environ.items() if key != "DAMA_ONNXRUNTIME"}

    def run(given):
        code = "import json, libdama, sys; print(libdama.train(json.loads(sys.argv[1])).steps)"
        text = json.dumps(given, default=os.fspath)
        return subprocess.run([sys.executable, "-c", code, text], env=clean, capture_output=True, text=True)

    refused = run({**config, "onnxruntime": "/nowhere/x.so"})
    assert refused.returncode == 1 and "cannot open /nowhere/x.so (the given path)" in refused.stderr
    done = run(config)
    assert (done.returncode, done.stdout, done.stderr) == (0, "4\n", "")


def test_a_plan_needs_the_configuration_alone(config):
    config = {**config, "data": "nothing", "out": "nothing"}
    found = libdama.plan(config, {"provider": "cuda", "precision": "float16", "offload": True}, response_tokens=40)
    numbers = found.numbers
    assert (numbers["device"], numbers["precision"], numbers["offload"]) == ("cuda:0", "float16", True)
    # AdamW keeps three fp32 numbers for each trained one on the host, and the device one of 2 bytes and a gradient.
    trained, parts = numbers["trained"], numbers["parts"]
    assert parts["fp32 values"] == {"device": 0, "host": 4 * trained}
    assert parts["moments"] == {"device": 0, "host": 8 * trained}
    assert parts["trained weights"] == {"device": 2 * trained, "host": 0}
    assert parts["gradients"] == {"device": 4 * trained, "host": 0}
    for place in ("device", "host"):
        assert numbers["total"][place] == sum(part[place] for part in parts.values())
    assert str(found) == found.text and "total" in found.text
    longer = libdama.plan(config, ["provider=cuda"], prompt_tokens=96, response_tokens=40).numbers
    assert longer["tokens_of_pair"] == numbers["tokens_of_pair"] + 32
    with pytest.raises(libdama.InvalidArgument, match="response tokens is 0"):
        libdama.plan(config, response_tokens=0)
    with pytest.raises(libdama.InvalidArgument, match="speed"):
        libdama.plan({**config, "speed": 3})
