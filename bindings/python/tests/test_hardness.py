import math

import numpy as np
import pytest

import libdama


def softmax_difference(chosen, rejected):
    """Eqs. (5) and (6) written out in double precision."""
    logits = np.concatenate([chosen, rejected]).astype(np.float64)
    p = np.exp(logits - logits.max())
    p /= p.sum()
    return p[: len(chosen)].sum() - p[len(chosen) :].sum()


def test_equals_the_equations():
    rng = np.random.default_rng(7)
    for _ in range(50):
        chosen = rng.normal(22, 4, rng.integers(1, 9)).astype(np.float32)
        rejected = rng.normal(22, 4, rng.integers(1, 9)).astype(np.float32)
        # Both sides are a sum of at most 16 doubles in [0, 1].
        assert libdama.hardness(chosen, rejected) == pytest.approx(softmax_difference(chosen, rejected), abs=1e-14)


def test_huge_logits_do_not_overflow():
    assert libdama.hardness([1e4], [-1e4]) == 1
    assert libdama.hardness([-1e4, -1e4], [1e4]) == -1
    assert libdama.hardness([1e4], [1e4]) == 0


@pytest.mark.parametrize("chosen, rejected", [([], [1.0]), ([1.0], []), ([math.nan], [1.0]), ([1.0], [math.inf])])
def test_bad_scores_are_value_errors(chosen, rejected):
    with pytest.raises(ValueError, match="scores? "):
        libdama.hardness(chosen, rejected)
