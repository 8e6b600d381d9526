"""Ctrl-C while C runs with a callback into Python."""

from __future__ import annotations

import signal
import threading
from typing import Any


class Interrupt:
    """Records Ctrl-C while C runs, instead of raising.

    Python raises ``KeyboardInterrupt`` as soon as it runs Python code. That may be the first line of a callback, before
    any ``try``, where ctypes would drop the exception. The program's own handlers are not replaced. Threads other than
    the main one receive no signals, so nothing is done there.
    """

    seen = False
    _previous: Any = None

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                self._previous = signal.signal(signal.SIGINT, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        if self._previous is not None:
            signal.signal(signal.SIGINT, self._previous)

    def _note(self, *_: object) -> None:
        self.seen = True
