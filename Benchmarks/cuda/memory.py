"""The most memory of a device in use while something runs, from NVIDIA's management library."""

from __future__ import annotations

import ctypes
import threading


class _Memory(ctypes.Structure):
    _fields_ = [("total", ctypes.c_ulonglong), ("free", ctypes.c_ulonglong), ("used", ctypes.c_ulonglong)]


class Peak:
    """``with Peak(0) as peak: …`` and then ``peak.gib``: the growth above what was in use before; None if unknown."""

    def __init__(self, index: int) -> None:
        self.gib: float | None = None
        self._stop, self._most, self._before = threading.Event(), 0, 0
        self._device = ctypes.c_void_p()
        try:
            self._library = ctypes.CDLL("libnvidia-ml.so.1")
            known = self._library.nvmlInit_v2() == 0
            known = known and self._library.nvmlDeviceGetHandleByIndex_v2(index, ctypes.byref(self._device)) == 0
        except (OSError, AttributeError):
            known = False
        self._thread = threading.Thread(target=self._watch, daemon=True) if known else None

    def _used(self) -> int:
        memory = _Memory()
        failed = self._library.nvmlDeviceGetMemoryInfo(self._device, ctypes.byref(memory))
        return 0 if failed else int(memory.used)

    def _watch(self) -> None:
        while not self._stop.wait(0.05):
            self._most = max(self._most, self._used())

    def __enter__(self) -> Peak:
        if self._thread is not None:
            self._before = self._most = self._used()
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self.gib = (self._most - self._before) / 2**30
