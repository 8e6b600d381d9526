"""Progress bars: tqdm's in terminals and notebooks, or a plain line where tqdm is not installed."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Optional, Union

if TYPE_CHECKING:
    from ._row_job import Progress
    from ._train import TrainProgress

#: ``progress`` of the calls in :mod:`libdama.data`: True for a bar, or a function that gets the number of rows done.
RowProgress = Union[None, bool, Callable[[int], object]]
#: ``progress`` of a job over a dataset: True for a bar, or a function that gets a :class:`Progress`.
JobProgress = Union[None, bool, Callable[["Progress"], object]]
#: ``progress`` of :func:`train`: True for a bar, or a function that gets a :class:`TrainProgress`.
TrainingProgress = Union[None, bool, Callable[["TrainProgress"], object]]


class _Line:
    """The part of tqdm's interface that :class:`Bar` calls, as a line of text: one that is written over in a terminal,
    and elsewhere a line every ten seconds.
    """

    def __init__(self, desc: str, unit: str, total: Optional[int]) -> None:
        self.desc, self.unit, self.total = desc, unit, total
        self.n = self.initial = 0
        self._facts, self._shown = "", ""
        self._begin = self._due = time.monotonic()

    def set_description(self, desc: str, refresh: bool = True) -> None:
        self.desc = desc

    def set_postfix_str(self, facts: str, refresh: bool = True) -> None:
        self._facts = facts

    def reset(self, total: Optional[int]) -> None:
        self.n, self.total, self._begin = 0, total, time.monotonic()

    def update(self, count: int) -> None:
        self.n += count
        if time.monotonic() >= self._due:
            self.refresh()

    def write(self, text: str, file: Any) -> None:
        print(text, file=file)

    def refresh(self) -> None:
        now, is_terminal = time.monotonic(), sys.stderr.isatty()
        self._due = now + (0.1 if is_terminal else 10)
        of = f" of {self.total}" if self.total else ""
        facts = f", {self._facts}" if self._facts else ""
        text = f"{self.desc}: {self.n}{of}{self.unit}{facts}"
        if text != self._shown:
            self._shown = text
            text = f"{text}, {now - self._begin:.0f} s"
            print(f"\r\033[K{text}" if is_terminal else text, end="" if is_terminal else "\n", file=sys.stderr, flush=True)

    def close(self) -> None:
        if sys.stderr.isatty():
            print(file=sys.stderr)


class Bar:
    """A bar over rows or batches. It shows what earlier runs finished, but its rate is that of this run."""

    def __init__(self, title: str, unit: str, total: Optional[int] = None) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            tqdm = _Line
        self._bar: Any = tqdm(desc=title, unit=f" {unit}", total=total)
        self._is_begun = False

    def show(self, done: int, total: Optional[int], resumed: int = 0, facts: str = "", title: str = "") -> None:
        """``done`` of ``total`` (None: unknown), of which ``resumed`` were done before this run."""
        bar = self._bar
        if title:
            bar.set_description(title, refresh=False)
        if facts:
            bar.set_postfix_str(facts, refresh=False)
        if done < bar.n or (total and total != bar.total):
            bar.reset(total)
            self._is_begun = False
        if not self._is_begun and done:
            self._is_begun = True
            bar.initial = bar.n = min(resumed, done)
        bar.update(done - bar.n)

    def say(self, text: str) -> None:
        """Writes a line for people above the bar."""
        self._bar.write(text, file=sys.stderr)

    def close(self) -> None:
        """Ends the bar, and leaves what it showed last."""
        self._bar.refresh()
        self._bar.close()


@contextmanager
def row_bar(progress: RowProgress, title: str, total: Optional[int]) -> Iterator[Callable[[int, int], None]]:
    """What is called with the numbers of rows that are done, and that earlier calls had done."""
    if not progress:
        yield lambda done, resumed: None
    elif callable(progress):
        yield lambda done, resumed: (progress(done), None)[1]
    else:
        bar = Bar(title, "rows", total)
        try:
            yield lambda done, resumed: bar.show(done, total, resumed)
        finally:
            bar.close()


@contextmanager
def job_bar(progress: JobProgress, title: str) -> Iterator[Optional[Callable[[Progress], object]]]:
    """The callback of a job over a dataset."""
    if not progress or callable(progress):
        yield progress or None
        return
    bar = Bar(title, "rows")

    def show(it: Progress) -> None:
        facts = f"{it.rows_rejected} rejected" if it.rows_rejected else ""
        is_main = it.phase == "computing"
        name = title if is_main else f"{title} ({it.phase})"
        bar.show(it.rows_done if it.rows_total else 0, it.rows_total or None, it.rows_resumed, facts, name)

    try:
        yield show
    finally:
        bar.close()


@contextmanager
def training_bar(progress: TrainingProgress) -> Iterator[Optional[Callable[[TrainProgress], object]]]:
    """The callback of :func:`train`."""
    if not progress or callable(progress):
        yield progress or None
        return
    bar = Bar("train", "batches")
    first: list[int] = []

    def show(it: TrainProgress) -> None:
        if it.notice is not None:
            bar.say(it.notice)
        elif it.reference is not None:
            bar.show(it.reference.rows_done if it.reference.rows_total else 0, it.reference.rows_total or None,
                     it.reference.rows_resumed, title="reference")  # fmt: skip
        elif it.metrics is not None:
            first.append(it.batch - 1) if not first else None
            facts = f"loss {it.metrics.loss:.4f}, β {it.metrics.beta_mean:.3g}, {it.metrics.accuracy:.0%} right"
            bar.show(it.batch, it.batches, first[0], facts, "train")

    try:
        yield show
    finally:
        bar.close()
