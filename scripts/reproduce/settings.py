"""The kinds and shares of wrong labels under which the methods are compared, and the rows of each."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from rows import RIVALS, ROWS, Row

#: The paper's methods.
METHODS = ["dpo", "d2po", "mdpo", "dama"]

#: What is compared under every setting: these, and the simplest use of δ.
AXIS = [*METHODS, "dpo-agreeing"]


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
ALL = PAPER + tuple(row.name for row in RIVALS)

#: The paper's tables have 5 % wrong labels, and 25 % beside that.
SETTINGS = [
    Setting("random", 0.05, (*PAPER, "dpo-agreeing")),
    Setting("random", 0.25, ALL),
    Setting("random", 0.0, tuple(AXIS)),
    Setting("random", 0.15, tuple(AXIS)),
    Setting("random", 0.35, tuple(AXIS)),
    Setting("hard", 0.25, tuple(AXIS)),
    Setting("length", 0.25, tuple(AXIS)),
]


def row_named(name: str) -> Row:
    return next(row for row in ROWS + RIVALS if row.name == name)
