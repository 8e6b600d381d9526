"""Processes of the checks and of the table: each with a time limit, its lines as they come, and its last words."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from typing import Any


class Failed(Exception):
    """A process ended early, failed or was too slow; the text says which."""


class Process:
    """A program whose results are lines that begin with @; everything else that it prints is kept for an error."""

    def __init__(self, command: list[str], folder: str, environment: dict[str, str] | None = None) -> None:
        self.words = tempfile.TemporaryFile("w+", dir=folder, errors="replace")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.words, text=True, errors="replace",
            start_new_session=True, env={**os.environ, **(environment or {})},
        )  # fmt: skip
        self.lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if line.startswith("@"):
                self.lines.put(line[1:])
            else:
                self.words.write(line)
        self.lines.put(None)

    def results(self, seconds: float) -> Iterator[Any]:
        """Every result until the process ends; raises Failed if it fails or takes longer."""
        end = time.monotonic() + seconds
        while True:
            line = self._next(end, seconds)
            if line is None:
                break
            yield json.loads(line)
        self._ended()

    def ask(self, command: dict, seconds: float) -> Any:
        """The answer to a command."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(json.dumps(command) + "\n")
            self.process.stdin.flush()
        except OSError:
            pass
        return self.answer(seconds)

    def answer(self, seconds: float) -> Any:
        line = self._next(time.monotonic() + seconds, seconds)
        if line is None:
            self._ended()
            raise Failed("it ended without an answer")
        return json.loads(line)

    def _next(self, end: float, seconds: float) -> str | None:
        try:
            return self.lines.get(timeout=max(0.0, end - time.monotonic()))
        except queue.Empty:
            self.kill()
            raise Failed(f"stopped after {seconds:.0f} s") from None

    def _ended(self) -> None:
        code = self.process.wait(10)
        if code:
            name = f"signal {signal.Signals(-code).name}" if code < 0 else f"status {code}"
            raise Failed(f"ended with {name}: {self.last_words()}")

    def last_words(self) -> str:
        try:
            self.words.flush()
            self.words.seek(0)
            lines = [line.strip() for line in self.words.read().splitlines() if line.strip()]
        except (OSError, ValueError):
            return "no message"
        # The exception of a traceback is its last line.
        return lines[-1][:300] if lines else "no message"

    def kill(self) -> None:
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except OSError:
            pass
        self.process.wait(10)

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        self.words.close()
