"""Pictures of hardness, of β and of a training, drawn with matplotlib. Needs ``libdama[plot]``.

::

    from libdama import plot

    plot.delta_histogram("scores.jsonl")
    plot.beta_over_steps("aligned/pairs.jsonl").figure.savefig("beta.svg")

Each function draws into ``ax``, matplotlib Axes, by default those of a new figure, and returns them. Scores are the
output of :func:`libdama.score_dataset`, what :func:`libdama.data.score` returns, or δ itself; records of pairs are
those of a training with ``log_pairs`` (pairs.jsonl), or the steps of an ``AdaptiveBeta`` in a loop of your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Optional, Union

import numpy as np

from ._errors import InvalidArgument
from ._lazy import missing_package
from ._plot_data import PairRecords, column_of, lines_of, records_of

__all__ = ["alpha_histogram", "beta_by_pair", "beta_over_steps", "delta_histogram", "label_noise", "metric"]

_BELOW, _ABOVE, _LEFT_OUT = "tab:red", "tab:blue", "0.6"


def delta_histogram(scores: Any, *, ax: Optional[Any] = None, bins: int = 40) -> Any:
    """How many pairs have which hardness δ, Eq. (6), with δ̄, which Eq. (7) compares them with.

    ``scores`` is a path, a result of scoring, a dataset with the column ``delta``, or δ of the pairs. ``bins`` equal
    parts of [−1, 1] are counted, and δ out of it, as of the ratio of Table 2, widens them. Pairs with δ below 0, where
    the image fits the rejected response better, have a colour of their own. Bad rows, of NaN or None, are left out.
    Returns ``ax``.
    """
    delta = column_of(scores, "delta")
    ax = _axes(ax)
    edges = np.linspace(min(-1.0, float(delta.min())), max(1.0, float(delta.max())), _count(bins) + 1)
    for part, colour, label in ((delta[delta < 0], _BELOW, "δ < 0"), (delta[delta >= 0], _ABOVE, "δ ≥ 0")):
        ax.hist(part, bins=edges, color=colour, label=f"{label}: {len(part)} pairs")
    mean = float(delta.mean())
    ax.axvline(mean, color="black", linestyle="--", label=f"mean {mean:.3f}")
    _whole(ax)
    return _named(ax, "δ, large for easy pairs", "pairs", f"Hardness of {len(delta)} pairs")


def alpha_histogram(scores: Any, *, ax: Optional[Any] = None, bins: int = 40) -> Any:
    """How many pairs have which α_D = σ(δ) / σ(δ̄), Eq. (7), by which the method multiplies their β.

    ``scores`` are as for :func:`delta_histogram`; α_D is their column ``alpha_data``, or computed from δ with its mean.
    ``bins`` equal parts of its range are counted. Returns ``ax``.
    """
    alpha = column_of(scores, "alpha_data")
    ax = _axes(ax)
    ax.hist(alpha, bins=_count(bins), color=_ABOVE, label=f"{len(alpha)} pairs")
    ax.axvline(1.0, color="black", linestyle="--", label="β unchanged")
    _whole(ax)
    return _named(ax, "α_D", "pairs", f"α_D from {alpha.min():.3f} to {alpha.max():.3f}")


def label_noise(scores: Any, *, ax: Optional[Any] = None, clean_below: Optional[float] = None) -> Any:
    """The share of pairs up to each δ, which at δ = 0 says how many labels the scorer disagrees with.

    ``scores`` are as for :func:`delta_histogram`. ``clean_below`` is q, the share of correctly labelled pairs that have
    δ below 0, from a sample that you labelled: the share of swapped labels is then estimated by e = (s − q) / (1 − 2q)
    of the share s below 0, as docs/choosing.md derives, and named in the title. Returns ``ax``.
    """
    delta = np.sort(column_of(scores, "delta"))
    share = float((delta < 0).mean())
    title = f"δ < 0 in {share:.1%} of {len(delta)} pairs"
    if clean_below is not None:
        if not 0 <= clean_below < 0.5:
            raise InvalidArgument(f"clean_below is {clean_below}; it must be a share from 0 to below 0.5")
        swapped = (share - clean_below) / (1 - 2 * clean_below)
        title += f", {min(max(swapped, 0.0), 1.0):.1%} of the labels swapped"
    ax = _axes(ax)
    cumulated = np.arange(1, len(delta) + 1) / len(delta)
    ax.step(delta, cumulated, where="post", color=_ABOVE)
    ax.fill_between(delta, cumulated, where=delta < 0, step="post", color=_BELOW, alpha=0.4, label="δ < 0")
    ax.axhline(share, color=_BELOW, linestyle="--", label=f"{share:.1%}")
    ax.axvline(0, color="black", linewidth=0.8)
    ax.set_ylim(0, 1)
    return _named(ax, "δ", "share of pairs", title)


def beta_over_steps(records: Any, *, ax: Optional[Any] = None, base: Optional[float] = None) -> Any:
    """β of each pair, Eq. (17), at each step, and the mean of the kept pairs. Pairs that the filter left out are grey.

    ``records`` is the path of pairs.jsonl, its lines as mappings, or steps of ``AdaptiveBeta.step``. ``base`` draws a
    line at β. Returns ``ax``.
    """
    found = records_of(records)
    ax = _axes(ax)
    _dots(ax, found.step, found)
    steps, place = np.unique(found.step, return_inverse=True)
    good = found.kept & np.isfinite(found.beta)
    counts = np.bincount(place[good], minlength=len(steps))
    sums = np.bincount(place[good], found.beta[good], minlength=len(steps))
    # A step that kept no pair has no mean, and is a gap in the line.
    means = np.divide(sums, counts, out=np.full(len(steps), np.nan), where=counts > 0)
    ax.plot(steps, means, color="black", label="mean of the kept pairs")
    if base is not None:
        ax.axhline(base, color="black", linestyle="--", label=f"β = {base:g}")
    return _named(ax, "step", "β", f"β of {len(found.beta)} pairs in {len(steps)} steps")


def beta_by_pair(records: Any, *, ax: Optional[Any] = None) -> Any:
    """β of each pair, Eq. (17), from its lowest to its highest over the steps that it took part in, ordered by the
    mean.

    ``records`` are as for :func:`beta_over_steps`. Pairs that the filter always left out are grey. Returns ``ax``.
    """
    found = records_of(records)
    good = np.isfinite(found.beta)
    numbers: dict[Any, int] = {}
    pair = np.array([numbers.setdefault(name, len(numbers)) for name in found.names])[good]
    pair, beta = np.unique(pair, return_inverse=True)[1], found.beta[good]
    count = np.bincount(pair)
    means = np.bincount(pair, beta) / count
    low, high = np.full(len(count), np.inf), np.full(len(count), -np.inf)
    np.minimum.at(low, pair, beta)
    np.maximum.at(high, pair, beta)
    kept = np.bincount(pair, found.kept[good]) > 0
    order = np.argsort(means, kind="stable")
    means, low, high, kept = means[order], low[order], high[order], kept[order]
    ax = _axes(ax)
    for part, colour, label in ((kept, _ABOVE, "kept"), (~kept, _LEFT_OUT, "left out")):
        if part.any():
            where = np.flatnonzero(part)
            ax.vlines(where, low[part], high[part], color=colour, alpha=0.5)
            ax.plot(where, means[part], ".", color=colour, label=f"{label}: {len(where)} pairs")
    return _named(ax, "pair, by its mean β", "β", f"β of {len(means)} pairs")


def metric(metrics: Any, names: Union[str, Sequence[str]] = "loss", *, ax: Optional[Any] = None) -> Any:
    """Metrics of a training over its batches.

    ``metrics`` is the path of metrics.jsonl, or its lines as mappings; ``names`` are one or several of their fields
    (docs/train.md), and ``"eval/loss"`` and so on are those of held-out pairs. Returns ``ax``.
    """
    lines = lines_of(metrics)
    wanted = [names] if isinstance(names, str) else list(names)
    ax = _axes(ax)
    for name in wanted:
        group, slash, field = name.rpartition("/")
        found = [(line["batch"], (line.get(group) or {}).get(field) if slash else line.get(field)) for line in lines]
        points = [(batch, value) for batch, value in found if isinstance(value, (int, float))]
        if not points:
            known = sorted({key for line in lines for key, value in line.items() if isinstance(value, (int, float))})
            raise InvalidArgument(f"no line has the metric {name!r}; they have {', '.join(known)}")
        ax.plot(*zip(*points), label=name)
    return _named(ax, "batch", wanted[0] if len(wanted) == 1 else "", "")


# ----------------------------------------------------------------------------------------------------------------------
# Axes


def _axes(ax: Optional[Any]) -> Any:
    if ax is not None:
        return ax
    try:
        import matplotlib.pyplot as pyplot
    except ModuleNotFoundError as error:
        raise missing_package("libdama.plot", error.name or "matplotlib", "plot") from None
    _, made = pyplot.subplots(layout="constrained")
    return made


def _named(ax: Any, x: str, y: str, title: str) -> Any:
    ax.set_xlabel(x)
    ax.set_ylabel(y)
    ax.set_title(title)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def _whole(ax: Any) -> None:
    """Marks whole numbers of pairs alone."""
    ax.yaxis.get_major_locator().set_params(integer=True)


def _dots(ax: Any, places: Any, found: PairRecords) -> None:
    for part, colour, label in ((found.kept, _ABOVE, "kept"), (~found.kept, _LEFT_OUT, "left out")):
        if part.any():
            ax.scatter(places[part], found.beta[part], s=9, color=colour, label=label)


def _count(bins: int) -> int:
    if bins < 1:
        raise InvalidArgument(f"bins is {bins}; it must be 1 or more")
    return bins
