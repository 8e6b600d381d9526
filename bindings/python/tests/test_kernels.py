import json
import math
from pathlib import Path

import numpy as np
import pytest

from libdama import kernels

FIXTURE = json.loads(
    (Path(__file__).parents[3] / "Tests" / "DamaKernelsTests" / "Fixtures" / "kernels.json").read_text()
)


@pytest.mark.parametrize("case", FIXTURE["log_probabilities"], ids=lambda c: f"{c['rows']}x{c['vocabulary']}")
def test_equals_torch(case):
    """torch in double; here the normaliser is a float32 number and a row's sum is taken in float32 lanes."""
    logits = np.array(case["logits"], dtype=np.float32).reshape(case["rows"], case["vocabulary"])
    before = logits.copy()
    found = kernels.token_logprobs(logits, case["labels"])
    np.testing.assert_allclose(found.values, case["log_probabilities"], rtol=2e-7, atol=2e-6)
    gradient = kernels.token_logprobs_backward(logits, case["labels"], found.normalizers, case["weights"])
    expected = np.array(case["gradient"]).reshape(logits.shape)
    np.testing.assert_allclose(gradient, expected, rtol=0, atol=1e-5 * max(map(abs, case["weights"])))
    np.testing.assert_array_equal(logits, before)
    out = np.full_like(logits, np.nan)
    weights = case["weights"]
    assert kernels.token_logprobs_backward(logits, case["labels"], found.normalizers, weights, out=out) is out
    np.testing.assert_array_equal(out, gradient)
    with pytest.raises(ValueError, match="out has shape"):
        kernels.token_logprobs_backward(logits, case["labels"], found.normalizers, weights, out=out[:1])
    same = kernels.token_logprobs_backward(logits, case["labels"], found.normalizers, case["weights"], in_place=True)
    assert same is logits
    np.testing.assert_array_equal(logits, gradient)


def test_leading_dimensions_and_one_weight():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (2, 3, 50)).astype(np.float32)
    labels = rng.integers(0, 50, (2, 3))
    labels[0, 1] = kernels.IGNORED_LABEL
    found = kernels.token_logprobs(logits, labels, threads=2)
    exact = logits.astype(np.float64)
    exact -= np.log(np.exp(exact).sum(-1, keepdims=True))
    expected = np.take_along_axis(exact, np.maximum(labels, 0)[..., None], -1)[..., 0] * (labels >= 0)
    np.testing.assert_allclose(found.values, expected, atol=2e-6)
    gradient = kernels.token_logprobs_backward(logits, labels, found.normalizers, 0.5)
    np.testing.assert_allclose(gradient.sum(-1), 0, atol=1e-6)
    assert not gradient[0, 1].any() and gradient[0, 0].any()


def test_bad_logits():
    logits = np.zeros((4, 6), dtype=np.float32)
    for bad, labels, text in [
        (logits, [0, 1, 2, 6], "label 6 of row 3"),
        (logits, [0, 1, 2], "each row needs one label"),
        (logits, [0.0, 1.0, 2.0, 3.0], "integers"),
        (logits.astype(np.float64), [0, 1, 2, 3], "float64"),
        (logits.T, [0] * 6, "contiguous"),
        (logits.tolist(), [0, 1, 2, 3], "list"),
    ]:
        with pytest.raises(ValueError, match=text):
            kernels.token_logprobs(bad, labels)
    with pytest.raises(ValueError, match="threads"):
        kernels.token_logprobs(logits, [0] * 4, threads=-1)
    logits.flags.writeable = False
    normalizers = kernels.token_logprobs(logits, [0] * 4).normalizers
    with pytest.raises(ValueError, match="read-only"):
        kernels.token_logprobs_backward(logits, [0] * 4, normalizers, 1.0, in_place=True)


@pytest.mark.parametrize("case", FIXTURE["adamw"])
def test_adamw_equals_torch(case):
    """Float32 on both sides, with roundings in a different order: a few units in the last place a step."""
    options = case["options"]
    p = np.array(case["parameters"], dtype=np.float32)
    m, v = np.zeros_like(p), np.zeros_like(p)
    for step, gradient in enumerate(case["gradients"], 1):
        kernels.adamw_step(
            p, np.array(gradient, dtype=np.float32), m, v, step=step, learning_rate=options["lr"],
            betas=tuple(options.get("betas", (0.9, 0.999))), epsilon=options.get("eps", 1e-8),
            weight_decay=options["weight_decay"],
        )  # fmt: skip
    tolerance = 3e-7 * len(case["gradients"])
    np.testing.assert_allclose(p, case["result"], rtol=tolerance, atol=tolerance * 10 * options["lr"])
    np.testing.assert_allclose(m, case["first"], rtol=0, atol=tolerance * np.abs(case["gradients"]).max())
    np.testing.assert_allclose(v, case["second"], rtol=tolerance)


def test_bad_adamw():
    a = np.zeros(3, dtype=np.float32)
    with pytest.raises(ValueError, match="gradients has shape"):
        kernels.adamw_step(a, a[:2], a, a, step=1, learning_rate=0.1)
    with pytest.raises(ValueError, match="counted from 1"):
        kernels.adamw_step(a, a, a, a, step=0, learning_rate=0.1)
    with pytest.raises(ValueError, match="learning rate"):
        kernels.adamw_step(a, a, a.copy(), a.copy(), step=1, learning_rate=-0.1)


def test_sum_of_squares():
    values = np.random.default_rng(1).normal(0, 1, 200_001).astype(np.float32)
    assert kernels.sum_of_squares(values) == pytest.approx(float((values.astype(np.float64) ** 2).sum()), rel=1e-12)
    assert kernels.sum_of_squares(values, threads=1) == kernels.sum_of_squares(values, threads=3)
    assert math.isnan(kernels.sum_of_squares(np.array([1, np.nan], dtype=np.float32)))
    assert kernels.sum_of_squares(np.zeros(0, dtype=np.float32)) == 0


@pytest.mark.parametrize("case", FIXTURE["schedules"], ids=lambda c: f"{c['kind']}-{c['total']}-{c['warmup']}")
def test_schedules_equal_transformers(case):
    schedule = kernels.Schedule(case["kind"], 5e-7, case["total"], case["warmup"])
    assert [schedule(step) for step in range(len(case["rates"]))] == pytest.approx(case["rates"], rel=1e-13, abs=1e-21)


def test_schedule_arguments():
    assert kernels.Schedule("cosine", 1.0, 100, 0.1)(5) == 0.5
    for bad in [("sine", 1.0, 10), ("linear", -1.0, 10), ("linear", 1.0, 0), ("linear", 1.0, 10, 1.5),
                ("linear", 1.0, 10, -3), ("linear", 1.0, -1)]:  # fmt: skip
        with pytest.raises(ValueError):
            kernels.Schedule(*bad)
    with pytest.raises(ValueError):
        kernels.Schedule("linear", 1.0, 10)(-1)
