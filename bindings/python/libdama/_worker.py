"""Threads that run calls for the main thread, and wait for the next: to start one takes longer than a small call."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from queue import SimpleQueue

_Call = tuple[Callable[[], None], threading.Event]

#: The queues of threads that wait.
_idle: list[SimpleQueue[_Call]] = []
# A child process has none of the threads.
os.register_at_fork(after_in_child=_idle.clear)


def start(work: Callable[[], None], done: threading.Event) -> None:
    """Runs ``work``, which must not raise, on a thread, and then sets ``done``.

    Raises ``RuntimeError`` if no thread waits and none can be started.
    """
    try:
        calls = _idle.pop()
    except IndexError:
        calls = SimpleQueue()
        threading.Thread(target=_serve, args=(calls,), name="dama", daemon=True).start()
    calls.put((work, done))


def _serve(calls: SimpleQueue[_Call]) -> None:
    while True:
        work, done = calls.get()
        work()
        # Nothing of the call is kept while the thread waits.
        del work
        _idle.append(calls)
        done.set()
        del done
