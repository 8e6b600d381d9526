"""The kinds and shares of wrong labels under which the methods are compared, and the rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rows import AXIS, COMMON, RIVALS, ROWS, Row


@dataclass(frozen=True)
class Setting:
    """Preference pairs of which some labels are wrong."""

    # `--noise` and `--flips` of `shapes-world sample-pairs`.
    noise: str
    share: float
    rows: tuple[str, ...]

    @property
    def name(self) -> str:
        return f"{self.noise}-{self.share:g}"

    @property
    def label(self) -> str:
        kind = {"random": "", "hard": ", all of hard pairs", "length": ", of a judge that prefers length"}[self.noise]
        return f"{100 * self.share:g} % wrong labels{kind}"

    @property
    def short_label(self) -> str:
        return self.label.replace(" wrong labels", "")

    def folder(self, out: Path) -> Path:
        """The folder of its pairs and runs. Those of the first setting are in OUT itself."""
        return out if self is SETTINGS[0] else out / "noise" / self.name


PAPER = tuple(row.name for row in ROWS)
SAME = tuple(row.name for row in COMMON)
EVERYWHERE = (*AXIS, *SAME)

#: The paper's tables have 5 % wrong labels, and 25 % beside that.
SETTINGS = [
    Setting("random", 0.05, (*PAPER, "dpo-agreeing", *SAME)),
    Setting("random", 0.25, (*PAPER, *(row.name for row in RIVALS), *SAME)),
    Setting("random", 0.0, EVERYWHERE),
    Setting("random", 0.15, EVERYWHERE),
    Setting("random", 0.35, EVERYWHERE),
    Setting("hard", 0.25, EVERYWHERE),
    Setting("length", 0.25, EVERYWHERE),
]


def row_named(name: str) -> Row:
    return next(row for row in (*ROWS, *RIVALS, *COMMON) if row.name == name)
