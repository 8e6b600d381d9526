"""repr() says what an object is, and never raises."""

import inspect
import json
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
def policy():
    return libdama.Policy(LLAVA / "default", precision="float32")


def test_models(scorer, policy):
    text = repr(scorer)
    config = json.loads((MODEL / "config.json").read_text("utf-8"))
    for fact in (f"model_dir={str(MODEL)!r}", "provider='cpu'", "precision='auto'",
                 f"dimension={config['projection_dim']}", "max_tokens=77"):  # fmt: skip
        assert fact in text, text
    text = repr(policy)
    config = json.loads((LLAVA / "default" / "config.json").read_text("utf-8"))
    for fact in (f"model_dir={str(LLAVA / 'default')!r}", "precision='float32'",
                 f"hidden_size={config['text_config']['hidden_size']}", "max_length=512"):  # fmt: skip
        assert fact in text, text


def test_controllers_and_trainers(policy):
    controller = libdama.AdaptiveBeta(batch=4, keep=2)
    controller.step([-2.0, -1, -3, -4], [-3.0, -1, -2, -5], [-2.0] * 4, [-2.0] * 4)
    controller.commit()
    for fact in ("keep=2", "batch=4", "filter='nearest'", "steps=1", f"running_mean={controller.running_mean:.6g}"):
        assert fact in repr(controller), repr(controller)
    trainer = libdama.Trainer(policy, reference=policy, learning_rate=1e-3)
    assert repr(trainer) == "Trainer(steps=0, skipped=0, learning_rate=0.001, running_mean=0)"
    trainer.close()
    assert repr(trainer) == "Trainer(closed)"
    schedule = libdama.kernels.Schedule("cosine", 1e-3, 10, 0.25)
    assert repr(schedule) == "Schedule(kind='cosine', learning_rate=0.001, total_steps=10, warmup=0.25)"


def test_splitters_and_judges_show_no_secret():
    secret = "sk-123"
    url = f"http://user:{secret}@127.0.0.1:1/v1"
    made = [
        libdama.Splitter.endpoint(url, "m"),
        libdama.Splitter.command(f"KEY={secret} cat"),
        libdama.Judge.endpoint("http://127.0.0.1:1/v1", "m", api_key=secret),
        libdama.Judge.command(f"KEY={secret} cat"),
    ]
    kinds = ["Splitter(kind='endpoint', model='m'", "Splitter(kind='command', timeout=60",
             "Judge(kind='endpoint', model='m'", "Judge(kind='command'"]  # fmt: skip
    for it, kind in zip(made, kinds):
        assert repr(it).startswith(kind) and secret not in repr(it), repr(it)
    assert repr(libdama.Splitter.built_in()) == "Splitter(kind='built_in')"
    judge = libdama.Judge.from_callable(lambda request: "yes", "always yes")
    assert repr(judge) == "Judge(kind='from_callable', name='always yes', concurrency=4, cache=None)"


def test_results_are_short(scorer, policy, tmp_path):
    result = libdama.score_dataset(scorer, SHAPES / "pairs.jsonl", tmp_path / "s.jsonl", image_root=SHAPES / "images")
    assert "rows_scored=12" in repr(result) and "histogram" not in repr(result)
    rows = [json.loads(line) for line in (SHAPES / "pairs.jsonl").read_text("utf-8").splitlines()]
    found = data.score(rows, scorer, image_root=SHAPES / "images")
    assert repr(found).startswith(f"ScoredRows(rows=12, bad=0, mean_delta={found.mean_delta:.6g}"), found
    logps = libdama.data.Reference([0.0] * 1000, [0.0] * 1000, {})
    assert repr(logps) == "Reference(rows=1000, bad=0, output=None)"
    assert repr(data.Answers(["x"], ["stop"], {})) == "Answers(rows=1, bad=0, output=None)"
    assert repr(libdama.Cancellation()) == "Cancellation(is_cancelled=False)"
    assert repr(data.Hardness(MODEL)).startswith(f"Hardness(model={MODEL!r}, format='auto'")
    tokenizer = libdama.Tokenizer(MODEL)
    assert f"tokens={len(tokenizer)}, bos_id={tokenizer.bos_id}" in repr(tokenizer)
    trainer = libdama.Trainer(policy, reference=policy, trainable="projector")
    assert repr(trainer.parameters()[0]).startswith("Parameter(name='") and "array" not in repr(trainer.parameters()[0])
    step = libdama.AdaptiveBeta(keep=1).step([-1.0, -2], [-2.0, -1], [-1.0, -1], [-1.0, -1])
    assert "pairs=2" in repr(step) and np.isfinite(step.loss) and f"loss={step.loss:.6g}" in repr(step)


def test_no_repr_raises_without_init():
    """As a debugger sees an object whose __init__ has not finished or has failed."""
    kinds = [it for module in (libdama, libdama.kernels, data) for it in vars(module).values()
             if inspect.isclass(it) and it.__module__.startswith("libdama") and not issubclass(it, BaseException)
             and not it.__module__.endswith("_abi") and type(it).__name__ == "type" and not issubclass(it, tuple)]  # fmt: skip
    own = [kind for kind in kinds if not hasattr(kind, "__dataclass_fields__")]
    assert len(own) >= 10, own
    for kind in own:
        assert repr(kind.__new__(kind)) == f"{kind.__name__}(closed)"
