"""The rows of the paper's tables, as methods of `dama train`, and the common grid of settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Optional


@dataclass(frozen=True)
class Row:
    """A method: its `method` section of the configuration, and the hardness that it uses."""

    name: str
    label: str
    method: dict[str, object] = field(default_factory=dict)
    # "scores" (probabilities, Eqs. (5) and (6)), "ratios" (Table 2's ablation), or "permuted" (the values of "scores",
    # given to other pairs).
    hardness: str = "scores"
    # "all"; "agreeing" leaves out pairs whose δ is below 0; "turned" swaps their responses.
    pairs: str = "all"
    # Values of `label_smoothing` that are tried with each β and learning rate.
    smoothing: tuple[float, ...] = ()
    # β and learning rate if they are fixed instead of chosen, and the row to compare with.
    fixed: Optional[tuple[float, float]] = None
    base: str = "dpo"
    # The row whose runs at that setting count for this one.
    twin: Optional[str] = None


def weighted(rho: float) -> Row:
    return Row(f"weighted-{rho:g}", f"weighted sum, ρ = {rho:g}", {"preset": "paper", "combine": "weighted", "rho": rho})


def at(point: tuple[float, float], ending: str, row: Row) -> Row:
    """The row at a fixed setting, compared with DPO at the same."""
    return replace(row, name=f"{row.name}-{ending}", fixed=point, base=f"dpo-{ending}", twin=row.name)


#: The paper's methods.
METHODS = [
    Row("dpo", "DPO", {"preset": "dpo"}),
    Row("d2po", "D2PO", {"preset": "d2po"}),
    Row("mdpo", "MDPO", {"preset": "mdpo"}),
    Row("dama", "DAMA (preset paper)", {"preset": "paper"}),
]

ROWS = [
    *METHODS,
    Row("dpo-random", "DPO, 4 of 16 pairs masked at random", {"preset": "dpo", "filter": "random", "keep": 12}),
    Row("mdpo-none", "MDPO, no filter", {"preset": "mdpo", "filter": "none"}),
    Row("mdpo-bottom", "MDPO, filter bottom", {"preset": "mdpo", "filter": "bottom"}),
    Row("mdpo-top", "MDPO, filter top", {"preset": "mdpo", "filter": "top"}),
    Row("d2po-ratios", "D2PO, hardness from scores", {"preset": "d2po"}, hardness="ratios"),
    Row("dama-unnormalized", "DAMA without Eq. (10)", {"preset": "paper", "normalize": False}),
    Row("dama-released", "DAMA (preset released)", {"preset": "released"}),
    # ρ = 0 is MDPO.
    *(weighted(rho) for rho in (0.25, 0.5, 0.75, 1.0)),
    *(at((0.1, 3e-5), "paper-beta", row) for row in METHODS),
]

#: The share of wrong labels that a loss assumes.
SMOOTHING = (0.1, 0.25)

#: The simplest use of δ.
AGREEING = Row("dpo-agreeing", "DPO without the pairs of δ < 0", {"preset": "dpo"}, pairs="agreeing")

#: Simpler ways to deal with wrong labels, and controls; at the shares of settings.py.
RIVALS = [
    Row("cdpo", "label-smoothed DPO", {"preset": "dpo", "loss": "cdpo"}, smoothing=SMOOTHING),
    Row("robust", "robust DPO", {"preset": "dpo", "loss": "robust"}, smoothing=SMOOTHING),
    Row("ipo", "IPO", {"preset": "dpo", "loss": "ipo"}),
    AGREEING,
    Row("dpo-turned", "DPO, the pairs of δ < 0 turned round", {"preset": "dpo"}, pairs="turned"),
    Row("dama-agreeing", "DAMA without the pairs of δ < 0", {"preset": "paper"}, pairs="agreeing"),
    Row("dama-permuted", "DAMA, α_D of other pairs", {"preset": "paper"}, hardness="permuted"),
    Row("dama-robust", "DAMA, robust loss", {"preset": "paper", "loss": "robust"}, smoothing=SMOOTHING),
]

#: Of which rows it is told what becomes of wrong pairs.
WHY = [row.name for row in (*METHODS, *RIVALS)]

#: What is compared under every setting of settings.py.
AXIS = [*(row.name for row in METHODS), AGREEING.name]

#: The same at one setting for all, since one seed chooses with much noise.
COMMON = [at((0.5, 6e-5), "common-beta", row) for row in (*METHODS, AGREEING)]

#: Tables and figures of the paper, as names of rows; some rows occur in several.
TABLES = [
    ("Table 1: methods", ["dpo", "d2po", "mdpo", "dama"]),
    ("Table 2: what the hardness is computed from", ["d2po-ratios", "d2po"]),
    ("Table 3: filters", ["mdpo-none", "mdpo-bottom", "mdpo-top", "mdpo"]),
    (
        "Figures 4 and 5: how α_D and α_M are combined",
        ["mdpo", "weighted-0.25", "weighted-0.5", "weighted-0.75", "weighted-1", "dama"],
    ),
    ("Table 1 with the paper's β", [f"{row.name}-paper-beta" for row in METHODS]),
    ("Presets and controls", ["dama", "dama-unnormalized", "dama-released", "dpo-random", "dpo"]),
]

RIVALS_TABLE = (
    "Rivals at the same noise",
    ["dpo", *(row.name for row in RIVALS if row.name != "dama-permuted"), "d2po", "d2po-ratios", "mdpo", "dama",
     "dama-permuted", "dama-released"],
)

#: Every row without a fixed setting tries each combination, and keeps the best one on validation scenes.
BETAS = [0.1, 0.5]
RATES = [3e-5, 6e-5]

#: The seed of the training runs that choose a setting; the seeds of reported runs count from 1.
CHOOSING_SEED = 0
