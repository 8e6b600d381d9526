"""Stopping long calls, by Ctrl-C and from another thread."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Optional

from . import _abi, _worker
from ._native import check
from ._repr import described

_HANDLE = ctypes.c_void_p


class Cancellation:
    """Lets one thread stop the calls of another: every call that takes the object raises ``Cancelled``.

    It stays cancelled: a later call that takes it does not start. Ctrl-C works without it.
    """

    def __init__(self) -> None:
        self._handle = _HANDLE()
        check(_abi.dama_cancellation_create(self._handle))

    def __del__(self, free: Any = _abi.dama_cancellation_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def __repr__(self) -> str:
        return described(self, lambda: {"is_cancelled": self.is_cancelled})

    def cancel(self) -> None:
        """Stops all current and later calls that take this object. Returns at once."""
        _abi.dama_cancellation_cancel(self._handle)

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return bool(_abi.dama_cancellation_is_cancelled(self._handle))


def run_stoppable(call: Callable[[ctypes.c_void_p], int], cancellation: Optional[Cancellation] = None) -> None:
    """Runs a C function that takes a cancellation and returns a status, so that Ctrl-C stops it.

    Python's signal handlers run only on the main thread, and not while it is inside C. So a call from the main thread
    runs C on another thread and waits. An exception that a handler raises stops the call, and is raised here after the
    call has ended.
    """
    token = cancellation if cancellation is not None else Cancellation()
    if threading.current_thread() is not threading.main_thread():
        check(call(token._handle))
        return
    # Decides whether the call takes place. The first to take the lock decides: the thread that starts the call, or an
    # exception before that.
    claim, done = threading.Lock(), threading.Event()
    failures: list[BaseException] = []

    def work() -> None:
        if not claim.acquire(blocking=False):
            return
        try:
            # The error message belongs to the thread that failed, so it is read here.
            check(call(token._handle))
        except BaseException as error:
            failures.append(error)

    try:
        try:
            _worker.start(work, done)
        except RuntimeError:
            # No thread can be started, for example because the interpreter is shutting down.
            work()
            done.set()
        done.wait()
    except BaseException:
        if not claim.acquire(blocking=False):
            token.cancel()
            while not done.is_set():
                try:
                    done.wait()
                except KeyboardInterrupt:
                    # The call is already being stopped, and uses our memory until it has ended.
                    pass
        raise
    if failures:
        raise failures[0]
