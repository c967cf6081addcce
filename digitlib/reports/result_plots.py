"""Figures of results: accuracy, calibration, confusions, robustness.

In the style of :mod:`plotting`, from the numbers of :mod:`metrics`.
"""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from digitlib.evaluation.metrics import Proportion
from digitlib.reports.plotting import (
    INK,
    PALE,
    PALETTE,
    PAPER,
    Array,
    Line,
    colors_of,
    curves,
    new_figure,
    percent_axis,
    whiskers,
)

# Ten digits need ten colours: Paul Tol's "muted".
DIGITS = ("#332288", "#88ccee", "#44aa99", "#117733", "#999933",
          "#ddaa33", "#cc6677", "#882255", "#aa4499", "#666666")  # fmt: skip
SHARE = LinearSegmentedColormap.from_list("share", [PAPER, "#f3c9a5", PALETTE[1], "#7a2f00"])


def points(
    panels: Mapping[str, Mapping[str, tuple[Any, Any, Any]]],
    categories: Sequence[Any],
    *,
    xlabel: str,
    ylabel: str,
    log: bool = False,
) -> Figure:
    """Shares with their intervals as points with whiskers, on an axis that need not start at zero.

    Args:
        panels: title → name → ``(value, low, high)``, each ``[len(categories)]``, 0-1; NaN where
            there is nothing to show.
        categories: along x, the same in all panels.
        xlabel: with its unit.
        ylabel: with its unit.
        log: logarithmic shares. Of a zero only the upper end of its whisker is seen.
    """
    across = max(3.6, _label_width(categories))
    width = min(1.4 + across * len(panels), WIDEST)
    figure, axes = new_figure(width, 3.6, 1, len(panels), sharey=True)
    for place, (title, panel) in zip(axes[0], panels.items(), strict=True):
        _points(place, panel, categories)
        if 1.4 + _label_width(categories, gap=2) * len(panels) > WIDEST:
            _turn_labels(figure, place, categories)
        place.set(xlabel=xlabel, title=title)
        if log:
            shown = np.concatenate([part for name in panel for part in panel[name][:2]])
            place.set(yscale="log", ylim=(0.7 * np.min(shown[shown > 0], initial=1), None))
        percent_axis(place)
    axes[0, 0].set_ylabel(ylabel)
    if len(panel) > 1:
        figure.legend(*place.get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure


def _points(
    place: Axes, panel: Mapping[str, tuple[Any, Any, Any]], categories: Collection[Any]
) -> None:
    """Points with whiskers, side by side for each category."""
    step = min(0.28, 0.66 / len(panel))
    for n, (name, color) in enumerate(colors_of(panel).items()):
        at = np.arange(len(categories)) + (n - (len(panel) - 1) / 2) * step
        value, *interval = panel[name]
        place.plot(at, value, "o", color=color, label=name, markersize=5.5)
        whiskers(place, at, value, (interval[0], interval[1]), color)
    place.set_xlim(-0.6, len(categories) - 0.4)
    place.set_xticks(range(len(categories)), [str(category) for category in categories])
    place.grid(False, axis="x")


WIDEST = 11  # of a figure of points, inches


def _label_width(categories: Collection[Any], gap: int = 3) -> float:
    """Of the categories side by side with gaps of so many letters, inches."""
    return 0.09 * sum(len(str(category)) + gap for category in categories)


def _turn_labels(figure: Figure, place: Axes, categories: Collection[Any]) -> None:
    """Long labels of categories in several lines, rising, in a higher figure."""
    labels = [textwrap.fill(str(category), 20) for category in categories]
    place.set_xticks(range(len(labels)), labels, rotation=40, ha="right", rotation_mode="anchor")
    figure.set_figheight(max(figure.get_figheight(), 4.4))


def points_per_panel(
    panels: Mapping[str, Mapping[str, tuple[Any, Any, Any]]],
    categories: Mapping[str, Collection[Any]],
    *,
    ylabels: Sequence[str],
) -> Figure:
    """Points as in :func:`points`, each panel with categories and a scale of its own, from zero.

    Args:
        panels: x label → name → ``(value, low, high)``, 0-1.
        categories: x label → along x.
        ylabels: of each panel.
    """
    lengths = [len(own) for own in categories.values()]
    figure, axes = new_figure(10, 3.6, 1, len(panels), width_ratios=lengths)
    crowded = sum(map(_label_width, categories.values())) > 10 - 2 * len(panels)
    for place, (xlabel, panel), ylabel in zip(axes[0], panels.items(), ylabels, strict=True):
        _points(place, panel, categories[xlabel])
        if crowded:
            _turn_labels(figure, place, categories[xlabel])
        place.set(xlabel=xlabel, ylabel=ylabel, ylim=(0, None))
        percent_axis(place)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure


def embedding(at: Array, labels: Array, *, xlabel: str, ylabel: str) -> Figure:
    """Points ``[N, 2]`` in their digit's colour, the digit written at the middle of its points."""
    figure, ((axes,),) = new_figure(7.4, 6.2)
    scatter_digits(axes, at, labels)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    return figure


def scatter_digits(axes: Axes, at: Array, labels: Array) -> None:
    """Draw what :func:`embedding` shows."""
    for digit in np.unique(labels):
        x, y = at[labels == digit].T
        axes.scatter(x, y, s=7, color=DIGITS[digit % 10], alpha=0.65, linewidths=0)
        axes.text(
            np.median(x), np.median(y), str(digit), fontsize=15, weight="bold", ha="center",
            va="center", color=DIGITS[digit % 10],
            bbox={"boxstyle": "circle,pad=0.2", "facecolor": PAPER, "edgecolor": "none",
                  "alpha": 0.85},
        )  # fmt: skip


def reliability(tables: Mapping[str, Mapping[str, Array]]) -> Figure:
    """Accuracy against confidence per bin, a panel for each table of ``evaluation.reliability``.

    Whiskers are 95 % intervals of the accuracies; under them lies the number of digits per bin.
    """
    figure, axes = new_figure(
        1 + 3.1 * len(tables), 4.3, 2, len(tables), sharex=True, sharey="row", height_ratios=(3, 1)
    )
    for (title, table), (curve, counts) in zip(tables.items(), axes.T, strict=True):
        filled = table["count"] > 0
        confidence, accuracy, count = (
            table[key][filled] for key in ("confidence", "accuracy", "count")
        )
        bins = [Proportion(round(a * n), int(n)) for a, n in zip(accuracy, count, strict=True)]
        low, high = np.array([share.interval for share in bins]).T
        curve.plot([0, 1], [0, 1], color=PALE, linestyle="--", linewidth=1.2)
        whiskers(curve, confidence, accuracy, (low, high), PALETTE[5])
        curve.plot(confidence, accuracy, "o", color=PALETTE[0])
        curve.set(title=title, xlim=(0, 1.03), ylim=(0, 1.03))
        edges = np.linspace(0, 1, len(filled) + 1)
        counts.stairs(np.maximum(table["count"], 0.5), edges, fill=True, color=PALETTE[0])
        counts.set(xlabel="confidence", xticks=(0, 0.5, 1), yscale="log", ylim=(0.5, None))
    axes[0, 0].set_ylabel("accuracy")
    axes[1, 0].set_ylabel("digits")
    return figure


def risk_coverage(tables: Mapping[str, Mapping[str, Array]], *, start: float = 0.9) -> Figure:
    """Errors among the accepted, by ``evaluation.risk_coverage``, for coverages from ``start``."""
    lines: dict[str, Line] = {
        name: (100 * table["coverage"][kept], 100 * table["risk"][kept])
        for name, table in tables.items()
        if len(kept := np.flatnonzero(table["coverage"] >= start))
    }
    return curves(
        lines, xlabel="coverage: digits accepted, surest first (%)",
        ylabel="risk: errors among them (%)",
    )  # fmt: skip


def confusion(matrix: Array, *, title: str = "") -> Figure:
    """A confusion matrix twice: counts, and the share of each true digit in %.

    Colours are those of the errors; the diagonal stays grey.
    """
    share = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure(11, 5.3, 1, 2)
    size = range(len(matrix))
    kinds = ((matrix, "counts", 5.0), (share, "% of row", 1.0))
    for place, (values, name, least) in zip(axes[0], kinds, strict=True):
        errors = np.where(np.eye(len(matrix), dtype=bool), np.nan, values)
        top = max(float(np.nanmax(errors)), least)  # a single error stays pale
        colors = SHARE.with_extremes(bad="#e4e4e0")
        place.imshow(errors, cmap=colors, vmin=0, vmax=top)
        for row, column in np.argwhere(matrix > 0):
            value, dark = values[row, column], errors[row, column] > 0.55 * top
            text = (
                f"{value:,.0f}"
                if values is matrix
                else f"{value:.2f}"
                if value < 9.995
                else f"{value:.1f}"
            )
            place.text(
                column, row, text, ha="center", va="center", color=PAPER if dark else INK,
                fontsize=7.5 if row == column else 8.5,
            )  # fmt: skip
        place.grid(False)
        place.set_xticks(np.arange(len(matrix) + 1) - 0.5, minor=True)
        place.set_yticks(np.arange(len(matrix) + 1) - 0.5, minor=True)
        place.grid(which="minor")
        place.tick_params(which="minor", length=0)
        place.set(xlabel="predicted digit", ylabel="true digit", xticks=size, yticks=size)
        place.set_title(f"{title}: {name}" if title else name)
    return figure


def dendrogram(linkage: Array, labels: Sequence[str], *, xlabel: str) -> Figure:
    """A hierarchy from ``scipy.cluster.hierarchy.linkage``, leaves at the left."""
    from scipy.cluster import hierarchy

    figure, ((axes,),) = new_figure(7, 3.6)
    hierarchy.dendrogram(
        linkage, labels=list(labels), orientation="right", ax=axes, color_threshold=0,
        above_threshold_color=PALETTE[0],
    )  # fmt: skip
    axes.set(xlabel=xlabel, ylabel="digit")
    axes.tick_params(axis="y", labelsize=11)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    return figure
