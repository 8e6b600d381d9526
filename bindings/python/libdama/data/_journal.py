"""The results of rows, kept beside an output, so that a stopped call resumes and a finished one is not done again."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Optional

from .._errors import DamaError, FileError, InvalidArgument
from ._formats import BadRow

_KIND = "libdama.data"
_VERSION = 1


class Journal:
    """The file ``OUTPUT.unfinished``: a line that says what the results depend on, then a line for each batch.

    A line counts once its line break is there, so a call that was killed loses at most a batch. Whole batches are kept,
    because the last bits of a model's numbers depend on which rows run together. Once the output is there, the file is
    ``OUTPUT.finished``: the same call takes its results from it, another call leaves it alone until it ends.
    """

    def __init__(self, output: Path, identity: Mapping[str, Any], restart: bool) -> None:
        self.path = output.with_name(output.name + ".unfinished")
        self._finished = output.with_name(output.name + ".finished")
        header = {"kind": _KIND, "version": _VERSION, **identity}
        # As it will be read: tuples become lists.
        self._header: dict[str, Any] = json.loads(json.dumps(header, default=os.fspath))
        try:
            if self._is_finished() and not restart and not self.path.exists():
                self._finished.rename(self.path)
            self._file: BinaryIO = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+b")
            self._open(restart)
        except OSError as error:
            raise FileError(f"cannot write {self.path}: {error}") from None

    def _is_finished(self) -> bool:
        """Whether an earlier call with the same inputs ended."""
        try:
            with self._finished.open("rb") as file:
                return bool(_header(file.readline(), self._finished) == self._header)
        except FileNotFoundError:
            return False

    def _open(self, restart: bool) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InvalidArgument(f"{self.path} is in use: another call writes the same output") from None
        found = _header(self._file.readline(), self.path)
        if found is None or restart:
            self._file.seek(0)
            self._file.truncate()
            self._write(self._header)
        elif found != self._header:
            names = [name for name in {**found, **self._header} if found.get(name) != self._header.get(name)]
            raise InvalidArgument(
                f"{self.path} holds the unfinished work of a call with other values of {', '.join(names)}: "
                f"{_short(found.get(names[0]))} instead of {_short(self._header.get(names[0]))}; "
                "repeat that call, or restart to begin anew"
            )

    def done(self) -> Iterator[list[Any]]:
        """The results of each batch that an earlier call finished. What follows the last whole line is cut off."""
        place = self._file.tell()
        for line in iter(self._file.readline, b""):
            found = _parsed(line)
            if not isinstance(found, list):
                break
            place += len(line)
            yield [_outcome(value) for value in found]
        self._file.seek(place)
        self._file.truncate()

    def add(self, outcomes: Sequence[Any]) -> None:
        """Keeps the results of a batch: numbers, texts and lists of them, or what is wrong with a row."""
        try:
            self._write([_plain(outcome) for outcome in outcomes])
        except OSError as error:
            raise FileError(f"cannot write {self.path}: {error}") from None

    def close(self, is_finished: bool) -> None:
        """Ends the work. ``is_finished`` if the output is there."""
        if is_finished:
            self.path.replace(self._finished)
        self._file.close()

    def _write(self, value: Any) -> None:
        self._file.write(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass") + b"\n")
        self._file.flush()


def _header(line: bytes, path: Path) -> Optional[dict[str, Any]]:
    """The first line of a journal; None where a kill left a part of it."""
    found = _parsed(line)
    if isinstance(found, dict) and found.get("kind") == _KIND:
        return found
    if line.endswith(b"\n"):
        raise InvalidArgument(f"{path} is no file of libdama; remove it, or choose another output")
    return None


def _parsed(line: bytes) -> Optional[Any]:
    """The value of a whole line; None for a part of one."""
    if not line.endswith(b"\n"):
        return None
    try:
        return json.loads(line)
    except ValueError:
        return None


def _plain(outcome: Any) -> Any:
    if isinstance(outcome, BadRow):
        return {"row": outcome.index, "reason": outcome.reason}
    return {"row": None, "reason": str(outcome)} if isinstance(outcome, DamaError) else outcome


def _outcome(value: Any) -> Any:
    return BadRow(value["reason"], value["row"]) if isinstance(value, dict) else value


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 80 else text[:79] + "…"
