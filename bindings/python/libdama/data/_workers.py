"""Several processes that score, started afresh (``spawn``): a forked child cannot use the library."""

from __future__ import annotations

import itertools
import multiprocessing
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any, TypeVar

_Item = TypeVar("_Item")
_hardness: Any = None


def outcomes(hardness: Any, rows: Iterable[Any], batch: int, processes: int) -> Iterator[Any]:
    """δ or the exception of each row, in order; at most two batches a process are held at a time."""
    parts = batches(rows, batch)
    if processes == 1:
        for part in parts:
            yield from hardness.outcomes(part)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, _begin, (hardness,)) as pool:
        waiting: deque[Future[list[Any]]] = deque()
        try:
            for part in parts:
                waiting.append(pool.submit(_outcomes, part))
                if len(waiting) > 2 * processes:
                    yield from waiting.popleft().result()
            while waiting:
                yield from waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _begin(hardness: Any) -> None:
    global _hardness
    _hardness = hardness


def _outcomes(part: list[Any]) -> list[Any]:
    found: list[Any] = _hardness.outcomes(part)
    return found


def batches(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    """Lists of ``size`` items; the last may be shorter."""
    iterator = iter(items)
    while part := list(itertools.islice(iterator, size)):
        yield part
