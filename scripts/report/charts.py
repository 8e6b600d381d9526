"""Charts as SVG text, using only the standard library."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from html import escape
from typing import Optional, Sequence

Number = Optional[float]
WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 12, 40


@dataclass
class Line:
    label: str
    x: Sequence[float]
    y: Sequence[Number]
    color: str
    dashed: bool = False
    # Steps in the moving mean that is drawn; the single steps are drawn pale behind it.
    smooth: int = 1
    # The smallest and the largest value at each step, drawn as a band.
    band: Optional[tuple[Sequence[Number], Sequence[Number]]] = field(default=None)
    # Whether each value is drawn as a point, for lines with few of them.
    points: bool = False


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers that span a range."""
    if not high > low:
        low, high = low - 0.5, high + 0.5
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(k * step, 12) for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float) -> str:
    return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")


def moving_mean(values: Sequence[Number], window: int) -> list[Number]:
    """The mean of the known values among the last `window` at each position; `None` if none is known."""
    result: list[Number] = []
    for end in range(1, len(values) + 1):
        known = [v for v in values[max(0, end - window) : end] if v is not None]
        result.append(sum(known) / len(known) if known else None)
    return result


class Axes:
    """Maps data to positions in the picture, and draws the frame."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], x_label: str, y_label: str):
        self.x0, self.x1 = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        margin = 0.06 * (y[1] - y[0]) or abs(y[0]) * 0.1 or 0.5
        self.y0, self.y1 = y[0] - margin, y[1] + margin
        self.parts: list[str] = []
        for tick in ticks(self.y0, self.y1):
            at = self.at_y(tick)
            self.parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{at:.1f}" y2="{at:.1f}"/>')
            self.text(LEFT - 6, at + 3.5, number(tick), "end")
        for tick in ticks(self.x0, self.x1, 6):
            self.text(self.at_x(tick), HEIGHT - BOTTOM + 15, number(tick), "middle")
        self.parts.append(
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{HEIGHT - BOTTOM}" y2="{HEIGHT - BOTTOM}"/>'
        )
        self.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 6, x_label, "middle", "label")
        middle = (TOP + HEIGHT - BOTTOM) / 2
        self.parts.append(
            f'<text class="label" text-anchor="middle" transform="translate(11 {middle:.0f}) rotate(-90)">'
            f"{escape(y_label)}</text>"
        )

    def at_x(self, value: float) -> float:
        return LEFT + (value - self.x0) / (self.x1 - self.x0) * (WIDTH - LEFT - RIGHT)

    def at_y(self, value: float) -> float:
        return HEIGHT - BOTTOM - (value - self.y0) / (self.y1 - self.y0) * (HEIGHT - TOP - BOTTOM)

    def text(self, x: float, y: float, text: str, anchor: str, kind: str = "tick") -> None:
        self.parts.append(f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>')

    def path(self, x: Sequence[float], y: Sequence[Number], style: str) -> None:
        commands, pen = [], "M"
        for a, b in zip(x, y):
            if b is None:
                pen = "M"
                continue
            commands.append(f"{pen}{self.at_x(a):.1f} {self.at_y(b):.1f}")
            pen = "L"
        self.parts.append(f'<path fill="none" {style} d="{" ".join(commands)}"/>')

    def band(self, x: Sequence[float], low: Sequence[Number], high: Sequence[Number], color: str) -> None:
        known = [(a, b, c) for a, b, c in zip(x, low, high) if b is not None and c is not None]
        points = [(a, c) for a, _, c in known] + [(a, b) for a, b, _ in reversed(known)]
        text = " ".join(f"{self.at_x(a):.1f},{self.at_y(b):.1f}" for a, b in points)
        self.parts.append(f'<polygon points="{text}" fill="{color}" opacity="0.15"/>')

    def svg(self, title: str) -> str:
        body = "".join(self.parts)
        return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">{body}</svg>'


def figure(title: str, caption: str, svg: str, legend: Sequence[tuple[str, str, bool]] = ()) -> str:
    keys = ""
    for label, color, dashed in legend:
        dashes = ' stroke-dasharray="5 3"' if dashed else ""
        keys += (
            f'<span class="key"><svg width="22" height="8"><line x1="0" x2="22" y1="4" y2="4" stroke="{color}" '
            f'stroke-width="2.2"{dashes}/></svg>{escape(label)}</span>'
        )
    return (
        f"<figure><h3>{escape(title)}</h3>{'<p class=legend>' + keys + '</p>' if keys else ''}{svg}"
        f"<figcaption>{caption}</figcaption></figure>"
    )


def line_chart(
    title: str, caption: str, lines: Sequence[Line], y_label: str, marks: Sequence[float] = (), x_label: str = "step"
) -> str:
    """Lines over the steps, or over another number; `marks` are horizontal reference lines."""
    smoothed = [moving_mean(line.y, line.smooth) for line in lines]
    values = [v for line in smoothed for v in line if v is not None] + list(marks)
    # With more than two lines the single steps would clutter the chart.
    shows_steps = len(lines) <= 2
    for line in lines:
        # The middle 98 % of the single steps set the range, so that outliers do not compress the chart.
        raw = sorted(v for v in line.y if v is not None) if shows_steps else []
        values += raw[len(raw) // 100 : len(raw) - len(raw) // 100]
        for edge in line.band or ():
            values += [v for v in edge if v is not None]
    if not values:
        return figure(title, caption, "<p>no values</p>")
    x = [v for line in lines for v in line.x]
    axes = Axes((min(x), max(x)), (min(values), max(values)), x_label, y_label)
    for mark in marks:
        axes.path([axes.x0, axes.x1], [mark, mark], 'stroke="#888" stroke-width="1" stroke-dasharray="2 3"')
    for line, mean in zip(lines, smoothed):
        if line.band:
            axes.band(line.x, *line.band, line.color)
        if line.smooth > 1 and shows_steps:
            clipped = [None if v is None else min(max(v, axes.y0), axes.y1) for v in line.y]
            axes.path(line.x, clipped, f'stroke="{line.color}" stroke-width="0.8" opacity="0.3"')
        dashes = ' stroke-dasharray="6 4"' if line.dashed else ""
        axes.path(line.x, mean, f'stroke="{line.color}" stroke-width="2.2" stroke-linejoin="round"{dashes}')
        for at, value in zip(line.x, mean) if line.points else ():
            if value is not None:
                axes.parts.append(
                    f'<circle cx="{axes.at_x(at):.1f}" cy="{axes.at_y(value):.1f}" r="3" fill="{line.color}"/>'
                )
    legend = [(line.label, line.color, line.dashed) for line in lines if line.label]
    return figure(title, caption, axes.svg(title), legend)


def histogram(title: str, caption: str, values: Sequence[float], low: float, high: float, bins: int, color: str) -> str:
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, max(0, int((value - low) / (high - low) * bins)))] += 1
    axes = Axes((low, high), (0, max(counts or [1]) or 1), "\N{GREEK SMALL LETTER DELTA}", "pairs")
    width = (high - low) / bins
    for index, count in enumerate(counts):
        left, right = axes.at_x(low + index * width), axes.at_x(low + (index + 1) * width)
        top, bottom = axes.at_y(count), axes.at_y(0)
        axes.parts.append(
            f'<rect x="{left + 0.5:.1f}" y="{top:.1f}" width="{right - left - 1:.1f}" height="{bottom - top:.1f}" '
            f'fill="{color}"/>'
        )
    mean = sum(values) / len(values) if values else 0.0
    axes.path([mean, mean], [0, axes.y1], 'stroke="#222" stroke-width="1.2" stroke-dasharray="4 3"')
    axes.text(axes.at_x(mean) + 5, TOP + 9, f"mean {number(round(mean, 3))}", "start")
    return figure(title, caption, axes.svg(title))
