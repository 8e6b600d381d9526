#!/usr/bin/env python3
"""Writes spearman.json: Spearman's ρ and ranks from SciPy, with and without ties."""

import json
from pathlib import Path

import numpy as np
from scipy.stats import rankdata, spearmanr

random = np.random.default_rng(0)
cases = []
for count, ties in [(2, False), (5, False), (50, False), (50, True), (400, True)]:
    a = random.normal(size=count)
    b = a + random.normal(size=count)
    if ties:
        a, b = np.round(a, 1), np.round(b)
    cases.append({
        "a": a.tolist(), "b": b.tolist(), "ranks": rankdata(a).tolist(), "rho": float(spearmanr(a, b).statistic)})
Path(__file__).with_name("spearman.json").write_text(json.dumps(cases) + "\n")
