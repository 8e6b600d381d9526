"""Medians of repeated runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

WARM_UPS, REPEATS = 3, 7
#: A run that takes longer than so many seconds has one warm-up and so many repeats.
FEWER = [(1.5, 3), (0.4, 5)]


def median(run: Callable[[], object], synchronize: Callable[[], object] = lambda: None) -> tuple[float, int]:
    """The median of the seconds of a run, and the number of repeats that it is of."""

    def once() -> float:
        synchronize()
        start = time.perf_counter()
        run()
        synchronize()
        return time.perf_counter() - start

    once()
    second = once()
    repeats = next((repeats for seconds, repeats in FEWER if second > seconds), None)
    if repeats is not None:
        found = [second, *(once() for _ in range(repeats - 1))]
    else:
        for _ in range(WARM_UPS - 2):
            once()
        found = [once() for _ in range(REPEATS)]
    return statistics.median(found), len(found)
