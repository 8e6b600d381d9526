"""Medians of repeated runs."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

WARM_UPS, REPEATS = 3, 7
#: A run that takes longer than this many seconds is repeated less often.
LONG = 1.5


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
    if second > LONG:
        found = [second, *(once() for _ in range(2))]
    else:
        for _ in range(WARM_UPS - 2):
            once()
        found = [once() for _ in range(REPEATS)]
    return statistics.median(found), len(found)
