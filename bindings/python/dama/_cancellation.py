"""Stopping long calls: Ctrl-C, and one thread stopping another."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from typing import Any, Optional

from . import _abi
from ._native import check

_HANDLE = ctypes.c_void_p


class Cancellation:
    """By which one thread stops what another does: every call that it is given to raises ``Cancelled``.

    It stays cancelled: a call that is given it later does not begin. Ctrl-C needs none of it.
    """

    def __init__(self) -> None:
        self._handle = _HANDLE()
        check(_abi.dama_cancellation_create(self._handle))

    def __del__(self, free: Any = _abi.dama_cancellation_free) -> None:
        handle = getattr(self, "_handle", None)
        if handle:
            free(handle)
            self._handle = _HANDLE()

    def cancel(self) -> None:
        """Stops the calls that were given it, now and from now on. Returns at once."""
        _abi.dama_cancellation_cancel(self._handle)

    @property
    def is_cancelled(self) -> bool:
        """Whether :meth:`cancel` was called."""
        return bool(_abi.dama_cancellation_is_cancelled(self._handle))


def run_stoppable(call: Callable[[ctypes.c_void_p], int], cancellation: Optional[Cancellation] = None) -> None:
    """Runs a C function that takes a cancellation and gives a status, so that Ctrl-C stops it.

    Signal handlers of Python run on the main thread alone, and not while that is inside C. So C runs on a thread of its
    own there, while the main thread waits: whatever a handler raises stops the call, and comes out here once it ended.
    """
    token = cancellation if cancellation is not None else Cancellation()
    if threading.current_thread() is not threading.main_thread():
        check(call(token._handle))
        return
    # Held by whoever decides whether the call takes place: the thread that begins it, or the exception before that.
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
        finally:
            done.set()

    try:
        try:
            threading.Thread(target=work, name="dama", daemon=True).start()
        except RuntimeError:
            # No thread to be had, as when the interpreter is shutting down.
            work()
        done.wait()
    except BaseException:
        if not claim.acquire(blocking=False):
            token.cancel()
            while not done.is_set():
                try:
                    done.wait()
                except KeyboardInterrupt:
                    # It is being stopped already; its memory is ours until it has.
                    pass
        raise
    if failures:
        raise failures[0]
