"""The table of a comparison of evaluations, from the file that `dama evaluate compare --json` writes."""

from __future__ import annotations

from html import escape
from typing import Any, Optional

APART, OPEN = "#1f6fb2", "#8a93a0"


def table(comparison: dict[str, Any]) -> str:
    """Each metric of each result with its interval; for all but the first, the difference to it and a bar."""
    share = f"{100 * comparison['confidence']:g}\u202f%"
    names = [result["name"] for result in comparison["results"]]
    heads = ["", "", "value", f"{share} interval", "difference", f"{share} interval", ""]
    html = ["<table><thead><tr>", *(f"<th>{head}</th>" for head in heads), "</tr></thead><tbody>"]
    for metric in comparison["metrics"]:
        known = [one for one in metric["differences"] if one]
        ends = [abs(one[key]) for one in known for key in ("low", "high", "value") if one[key] is not None]
        largest = max(ends, default=0)
        for place, (value, difference) in enumerate(zip(metric["values"], metric["differences"])):
            first = escape(metric["name"]) if place == 0 else ""
            change = f"{cells(difference, '+')}<td>{bar(difference, largest)}</td>" if difference else "<td></td>" * 3
            html.append(f"<tr><td>{first}</td><td>{escape(names[place])}</td>{cells(value)}{change}</tr>")
    html.append("</tbody></table>")
    return "".join(html) + "".join(f"<p><small>{escape(text)}</small></p>" for text in remarks(comparison, names))


def cells(one: dict[str, Any], sign: str = "") -> str:
    def text(value: Optional[float]) -> str:
        return "undefined" if value is None else f"{value:{sign}.3f}".replace("-", "\N{MINUS SIGN}")

    interval = "" if one["low"] is None else f"{text(one['low'])} to {text(one['high'])}"
    return f"<td>{text(one['value'])}</td><td>{interval}</td>"


def bar(one: dict[str, Any], largest: float) -> str:
    """The interval of a difference beside the line of 0."""
    if one["low"] is None or largest == 0:
        return ""
    low, value, high = (100 + 92 * one[key] / largest for key in ("low", "value", "high"))
    color = APART if one["low"] > 0 or one["high"] < 0 else OPEN
    return (
        '<svg viewBox="0 0 200 16" width="200" height="16"><path class="axis" d="M100 0V16"/>'
        f'<path stroke="{color}" stroke-width="2" d="M{low:.1f} 8H{high:.1f}"/>'
        f'<rect fill="{color}" x="{value - 3:.1f}" y="5" width="6" height="6" rx="3"/></svg>'
    )


def remarks(comparison: dict[str, Any], names: list[str]) -> list[str]:
    found = [
        f"{comparison['questions']} questions that all results answered; percentile intervals from "
        f"{comparison['resamples']} resamples of the questions, the same for all."
    ]
    for test in comparison["mcnemar"]:
        found.append(
            f"{comparison['pass_name']}: only {names[0]} {test['only_first']}, only {test['result']} "
            f"{test['only_other']}; McNemar's exact test p = {test['p']:.2g}."
        )
    for result in comparison["results"]:
        if result["left_out"]:
            found.append(f"{result['left_out']} questions of {result['name']} are left out.")
    for one in comparison["discrepancies"]:
        values = ", ".join(f"{name} {value}" for name, value in zip(names, one["values"]))
        found.append(f"different {one['setting']}: {values}.")
    return found
