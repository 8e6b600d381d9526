import math

import numpy as np
import pytest

import libdama
from libdama import losses
from libdama._adaptive_beta_options import LOSSES

PARAMETERS = dict(cdpo=dict(label_smoothing=0.1), robust=dict(label_smoothing=0.2), simpo=dict(simpo_margin=0.7))
#: Every loss of the header; one without a function in libdama.losses is an error here.
CASES = [(getattr(losses, name), PARAMETERS.get(name, {})) for name in LOSSES]


def sigma(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize("loss, extra", CASES)
def test_derivatives_are_central_differences(loss, extra):
    rng = np.random.default_rng(0)
    h, beta = rng.uniform(-9.99, 9.99, 200), rng.uniform(0.02, 0.09, 200)
    step = 1e-5
    difference = (loss(h + step, beta, **extra).value - loss(h - step, beta, **extra).value) / (2 * step)
    # Truncation and rounding of the difference, for values up to a few hundred.
    np.testing.assert_allclose(loss(h, beta, **extra).derivative, difference, rtol=1e-7, atol=1e-8)


def test_values():
    h, b = np.array([-3.0, 0.4, 2.0]), 0.7
    win = sigma(b * h)
    close = lambda found, expected: np.testing.assert_allclose(found.value, expected, rtol=1e-13)
    close(losses.sigmoid(h, b), -np.log(win))
    close(losses.ipo(h, b), (h - 1 / (2 * b)) ** 2)
    close(losses.hinge(h, b), np.maximum(0, 1 - b * h))
    close(losses.cdpo(h, b, 0.3), -0.7 * np.log(win) - 0.3 * np.log(1 - win))
    close(losses.robust(h, b, 0.3), (-0.7 * np.log(win) + 0.3 * np.log(1 - win)) / 0.4)
    close(losses.simpo(h, b, 1.5), -np.log(sigma(b * h - 1.5)))


def test_huge_margins_and_shapes():
    value, derivative = losses.sigmoid([[1e4], [-1e4]], [1.0, 0.5, 2.0])
    np.testing.assert_array_equal(value, [[0, 0, 0], [1e4, 5e3, 2e4]])
    np.testing.assert_array_equal(derivative, [[0, 0, 0], [-1, -0.5, -2]])
    assert losses.ipo(3, 0.5).value == 4
    assert losses.sigmoid([], 0.1).value.shape == (0,)


@pytest.mark.parametrize("margin, beta", [(math.nan, 1), (math.inf, 1), (1, 0), (1, -1), (1, math.nan)])
def test_bad_numbers(margin, beta):
    with pytest.raises(ValueError, match="margin|beta"):
        losses.sigmoid(margin, beta)


def test_hardness_from_scores_and_alpha_data():
    assert libdama.hardness_from_scores([20, 22], [21]) == 2
    with pytest.raises(ValueError, match="add up to 0"):
        libdama.hardness_from_scores([1], [1, -1])
    delta = np.array([0.5, -0.3, 0.1])
    np.testing.assert_allclose(libdama.alpha_data(delta), sigma(delta) / sigma(delta.mean()), rtol=1e-15)
    np.testing.assert_allclose(libdama.alpha_data([0.5], 0.2), sigma(0.5) / sigma(0.2), rtol=1e-15)
    assert libdama.alpha_data([[0.5], [0.5]]).tolist() == [[1], [1]]
    with pytest.raises(ValueError, match="delta is empty"):
        libdama.alpha_data([])
    with pytest.raises(ValueError, match="delta 1"):
        libdama.alpha_data([0, math.nan])
