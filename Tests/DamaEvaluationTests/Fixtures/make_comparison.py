"""Intervals and McNemar tests for comparisons, from numpy, scipy and statsmodels.

Needs numpy, scipy and statsmodels; writes comparison.json beside this file:

- results: the counts of two results of 60 questions, the second with two runs;
- exact: numpy's percentiles of resamples that are drawn as the library draws them: xoshiro256++ (Blackman and Vigna)
  with a stream for each resample, and Lemire's numbers below a bound;
- scipy: scipy.stats.bootstrap's paired percentile intervals with resamples of its own;
- mcnemar: p-values of scipy.stats.binomtest and of statsmodels for discordant counts.
"""

import json
from pathlib import Path

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

MASK = 2**64 - 1
QUESTIONS, RESAMPLES, SEED = 60, 400, 2**63 + 5


def split_mix(state):
    z = (state + 0x9E3779B97F4A7C15) & MASK
    state = z
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 & MASK
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB & MASK
    return state, z ^ (z >> 31)


class Xoshiro:
    def __init__(self, seed, stream):
        mixer = seed
        if stream:
            mixer ^= split_mix(stream)[1]
        self.words = []
        for _ in range(4):
            mixer, word = split_mix(mixer)
            self.words.append(word)

    def next(self):
        def rotated(x, k):
            return (x << k | x >> (64 - k)) & MASK

        a, b, c, d = self.words
        result = (rotated(a + d & MASK, 23) + a) & MASK
        t = b << 17 & MASK
        c, d = c ^ a, d ^ b
        b, a = b ^ c, a ^ d
        self.words = [a, b, c ^ t, rotated(d, 45)]
        return result

    def below(self, bound):
        while True:
            product = self.next() * bound
            if product & MASK >= (2**64 - bound) % bound:
                return product >> 64


draw = np.random.default_rng(1)
words = draw.integers(0, 9, QUESTIONS)
first = np.stack([words, draw.binomial(words, 0.6)], -1)
second = [np.stack([words, draw.binomial(words, 0.7)], -1) for _ in range(2)]


def ratio(rows):
    return 100 * rows[:, 1].sum() / rows[:, 0].sum()


def both(index):
    a, b = ratio(first[index]), np.mean([ratio(run[index]) for run in second])
    return a, b, b - a


def resampled():
    values = []
    for resample in range(RESAMPLES):
        generator = Xoshiro(SEED, resample)
        values.append(both([generator.below(QUESTIONS) for _ in range(QUESTIONS)]))
    return np.quantile(values, [0.05, 0.95], axis=0).T.tolist()


def scipys():
    index = np.arange(QUESTIONS)
    return [
        list(
            stats.bootstrap(
                (index,), lambda chosen, place=place: both(chosen)[place], vectorized=False, n_resamples=20_000,
                confidence_level=0.9, method="percentile", random_state=2,
            ).confidence_interval
        )
        for place in range(3)
    ]  # fmt: skip


def tests():
    pairs = [(0, 0), (0, 1), (1, 1), (0, 5), (3, 9), (12, 5), (10, 11), (31, 60), (150, 210), (700, 801), (0, 900)]
    pairs += [(1, 1200), (7000, 7400), (7400, 7000), (40, 15000)]
    found = []
    for b, c in pairs:
        p = stats.binomtest(b, b + c).pvalue if b + c else 1.0
        other = mcnemar([[3, b], [c, 4]], exact=True).pvalue if b + c else 1.0
        assert abs(p - other) <= 1e-9 * p, (b, c, p, other)
        found.append([b, c, p])
    return found


(Path(__file__).with_name("comparison.json")).write_text(
    json.dumps({
        "results": {"first": first.tolist(), "second": [run.tolist() for run in second]},
        "values": list(both(np.arange(QUESTIONS))), "resamples": RESAMPLES, "seed": str(SEED), "exact": resampled(),
        "scipy": scipys(), "mcnemar": tests(),
    })
    + "\n"
)  # fmt: skip
