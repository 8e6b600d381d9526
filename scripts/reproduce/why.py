"""What a run did with pairs whose label is right and with those whose label is wrong. The truth of each label is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional


def area_under_curve(values: Sequence[float], wrong: Sequence[bool]) -> Optional[float]:
    """The probability that a pair with a wrong label has a smaller value than one with a right label; ties count half.

    0.5 for values that say nothing; `None` if all labels are right, or all wrong.
    """
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for position in range(start, end + 1):
            ranks[order[position]] = (start + end) / 2 + 1
        start = end + 1
    count = sum(wrong)
    others = len(values) - count
    if count == 0 or others == 0:
        return None
    total = sum(rank for rank, is_wrong in zip(ranks, wrong) if not is_wrong)
    return (total - others * (others + 1) / 2) / (count * others)


def describe_pairs(lines: list[dict[str, Any]], wrong: dict[str, bool], beta: float) -> dict[str, Any]:
    """Figures from pairs.jsonl, for each quarter of the steps.

    `share_right`, `share_wrong`: the share of the pairs that the filter kept. `beta_right`, `beta_wrong`: mean of β_i / β of
    the kept ones. `weight_wrong`: the wrong pairs' part of the loss's derivatives by the margins. `margin_right`,
    `margin_wrong`: mean margin h; that of a wrong pair is what has been learned wrongly. `None` where there is no pair.
    """
    quarters: list[dict[str, Optional[float]]] = []
    for quarter in range(4):
        part = lines[len(lines) * quarter // 4 : len(lines) * (quarter + 1) // 4]
        kept: dict[bool, list[float]] = {True: [], False: []}
        betas: dict[bool, list[float]] = {True: [], False: []}
        weights: dict[bool, list[float]] = {True: [], False: []}
        margins: dict[bool, list[float]] = {True: [], False: []}
        for line in part:
            for pair, is_kept, pair_beta, margin, weight in zip(
                line["id"], line["kept"], line["beta"], line["margin"], line["weight"]
            ):
                is_wrong = wrong[str(pair)]
                kept[is_wrong].append(float(is_kept))
                weights[is_wrong].append(weight)
                margins[is_wrong].append(margin)
                if is_kept:
                    betas[is_wrong].append(pair_beta / beta)
        total = sum(weights[True]) + sum(weights[False])
        figures: dict[str, Optional[float]] = {"weight_wrong": sum(weights[True]) / total if total > 0 else None}
        for name, values in (("share", kept), ("beta", betas), ("margin", margins)):
            for side, is_wrong in (("right", False), ("wrong", True)):
                found = values[is_wrong]
                figures[f"{name}_{side}"] = sum(found) / len(found) if found else None
        quarters.append(figures)
    return {key: [quarter[key] for quarter in quarters] for key in quarters[0]}
