"""libdama.wandb: what reaches wandb is what the training wrote. A module with wandb's interface stands in for it."""

import json
import sys
import types
from pathlib import Path

import pytest

import libdama
from libdama.wandb import Report, log_metrics

ROOT = Path(__file__).parents[3]
SHAPES = ROOT / "examples" / "data" / "shapes"
LLAVA = ROOT / "models" / "shapes-llava"


class Run:
    """The part of wandb's ``Run`` that is used, by its documentation: steps must not decrease."""

    def __init__(self, step=0, **init):
        self.step, self.init, self.logged, self.exit_code, self.name = step, init, [], None, "some-run"

    def log(self, values, step):
        assert step >= self.step and self.exit_code is None
        self.step = step
        self.logged.append((step, values))

    def finish(self, exit_code=None):
        self.exit_code = exit_code or 0


@pytest.fixture
def runs(monkeypatch):
    made = []
    module = types.ModuleType("wandb")
    module.init = lambda **init: made.append(Run(**init)) or made[-1]
    monkeypatch.setitem(sys.modules, "wandb", module)
    return made


@pytest.fixture
def config(tmp_path):
    return {
        "model": LLAVA, "data": SHAPES / "pairs.jsonl", "image_root": SHAPES / "images", "out": tmp_path / "out",
        "batch_size": 4, "epochs": 2, "method": {"keep": 3}, "trainable": "projector", "export": {"format": "none"},
        "eval_share": 0.34, "eval_every": 2,
    }  # fmt: skip


def lines(out):
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text("utf-8").splitlines()]


def check(run, out):
    """Each number of each line is there once, under the batch, by the names of the TensorBoard files."""
    found = lines(out)
    assert len(run.logged) == len(found) > 4
    for (step, values), line in zip(run.logged, found):
        assert step == line["batch"]
        if "eval" in line:
            assert values["eval/loss"] == line["eval"]["loss"] and values["eval/pairs"] == line["eval"]["pairs"]
        else:
            for name, value in (("loss", "loss"), ("beta/mean", "beta_mean"), ("reward/chosen", "reward_chosen"),
                                ("gradient_norm", "gradient_norm"), ("logps/rejected", "logps_rejected")):  # fmt: skip
                assert values[name] == line[value]
            assert values["seconds/forward"] == line["seconds"]["forward"]
        assert all(isinstance(value, (int, float)) for value in values.values())


def test_a_training_is_logged_as_it_was_written(runs, config):
    seen = []

    class Watched(Report):
        def __call__(self, it):
            super().__call__(it)
            if it.event == "batch":
                seen.append(len(self.run.logged))

    with Watched(config["out"], project="dama", config={"lr": 1}) as report:
        libdama.train(config, progress=report)
        assert seen == sorted(seen) and seen[-1] > 2, "batches are logged while it runs"
        assert report.run.exit_code is None and "some-run" in repr(report)
    (run,) = runs
    assert run.init == {"project": "dama", "config": {"lr": 1}} and run.exit_code == 0
    check(run, config["out"])


def test_an_open_run_stays_open_and_a_failure_is_told(runs, config):
    mine = Run()
    with pytest.raises(LookupError), Report(config["out"]):
        raise LookupError
    assert runs[0].exit_code == 1
    with Report(config["out"], mine) as report:
        libdama.train(config, progress=report)
    assert mine.exit_code is None and len(runs) == 1
    check(mine, config["out"])
    with pytest.raises(ValueError, match="project are for a new run"):
        Report(config["out"], mine, project="dama")


def test_a_file_is_logged_and_a_resumed_run_gets_the_rest(runs, config):
    libdama.train(config)
    assert log_metrics(config["out"], project="dama") == len(lines(config["out"]))
    check(runs[0], config["out"])
    resumed = Run(step=3)
    log_metrics(config["out"] / "metrics.jsonl", resumed)
    assert [step for step, _ in resumed.logged] == [it["batch"] for it in lines(config["out"]) if it["batch"] >= 3]
    # A line that is being written is left for later.
    part = config["out"] / "part.jsonl"
    part.write_text('{"batch": 1, "loss": 0.5}\n{"batch": 2, "lo')
    run = Run()
    assert log_metrics(part, run) == 1 and run.logged == [(1, {"loss": 0.5})]


def test_what_is_wrong_is_named(monkeypatch, config, tmp_path):
    with pytest.raises(OSError, match="cannot open .*metrics.jsonl"):
        log_metrics(tmp_path, Run())
    (tmp_path / "pairs.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(ValueError, match="has a line without a batch"):
        log_metrics(tmp_path / "pairs.jsonl", Run())
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"needs wandb, which is not installed: pip install 'libdama\[wandb\]'"):
        Report(config["out"])


def test_tensorboard_has_the_same_numbers(config):
    libdama.train(config)
    assert list((config["out"] / "tensorboard").glob("events.out.tfevents.*"))
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(config["out"] / "tensorboard")).Reload()
    for name, field in (("loss", "loss"), ("beta/mean", "beta_mean"), ("reward/rejected", "reward_rejected")):
        values = [it.value for it in events.Scalars(name)]
        # The files hold float32.
        assert values == pytest.approx([line[field] for line in lines(config["out"]) if field in line], rel=1e-6)
