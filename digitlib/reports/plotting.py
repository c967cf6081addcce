"""Figures from numbers, in one style.

Every function takes plain numbers and returns a matplotlib ``Figure``: naming it at the end of a
cell shows it, a report writes it. The background is opaque and light, so that a figure reads the
same on a light page and on a dark one; colours are Okabe and Ito's, distinct for the colour-blind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

Array = NDArray[Any]
# x, y, and for a band its lower and upper end
Line = tuple[Any, Any] | tuple[Any, Any, Any, Any]

INK, PALE, PAPER = "#26282c", "#9aa0a8", "#fcfcfa"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")
# The same network has the same colour, and so has the preset that it was trained by.
COLORS = {"digitnet": PALETTE[0], "default": PALETTE[0], "baseline": PALETTE[1]}


def style() -> None:
    """Set fonts, colours, grid and resolution for all figures that follow."""
    plt.rcParams.update(
        {
            "figure.dpi": 100, "savefig.dpi": 144, "savefig.bbox": "tight",
            "savefig.pad_inches": 0.15, "figure.facecolor": PAPER, "savefig.facecolor": PAPER,
            "axes.facecolor": PAPER, "axes.edgecolor": PALE, "axes.labelcolor": INK,
            "text.color": INK, "xtick.color": INK, "ytick.color": INK, "xtick.major.size": 0,
            "ytick.major.size": 0, "axes.spines.top": False, "axes.spines.right": False,
            "axes.grid": True, "grid.color": "#e4e4e0", "grid.linewidth": 0.8,
            "axes.axisbelow": True, "font.family": "DejaVu Sans", "font.size": 9.5,
            "axes.titlesize": 10.5, "axes.titleweight": "bold", "axes.titlelocation": "left",
            "axes.titlepad": 8, "figure.titlesize": 11.5, "figure.titleweight": "bold",
            "axes.labelsize": 9.5, "xtick.labelsize": 9, "ytick.labelsize": 9,
            "legend.frameon": False, "legend.fontsize": 9, "lines.linewidth": 1.8,
            "lines.markersize": 4.5, "axes.prop_cycle": plt.cycler(color=PALETTE),
            "image.cmap": "gray", "image.interpolation": "nearest",
        }
    )  # fmt: skip


def new_figure(
    width: float, height: float, rows: int = 1, columns: int = 1, **options: Any
) -> tuple[Figure, Array]:
    """A figure that pyplot forgets, so that a notebook shows it once; axes ``[rows, columns]``."""
    figure, axes = plt.subplots(
        rows, columns, figsize=(width, height), squeeze=False, layout="constrained", **options
    )
    plt.close(figure)
    return figure, axes


def hide_axes(axes: Axes) -> None:
    """Remove ticks, grid and frame, for pictures."""
    axes.set(xticks=[], yticks=[])
    axes.grid(False)
    axes.spines[:].set_visible(False)


def percent_axis(axes: Axes) -> None:
    """Show y, a share 0-1, in percent."""
    axes.yaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")


def colors_of(names: Sequence[str] | Mapping[str, Any]) -> dict[str, str]:
    """A colour for each name: its own where it has one, else the next free one."""
    free = [color for color in PALETTE if color not in {COLORS.get(name) for name in names}]
    return {name: COLORS.get(name) or free.pop(0) for name in names}


def sequence(names: Sequence[str] | Mapping[str, Any]) -> dict[str, Any]:
    """Colours from pale to dark for names in an order: sizes, strengths, steps."""
    shades = plt.get_cmap("viridis_r")(np.linspace(0.12, 0.95, len(names)))
    return dict(zip(names, map(to_hex, shades), strict=True))


def curves(
    *panels: Mapping[str, Line],
    xlabel: str,
    ylabel: str | Sequence[str],
    titles: Sequence[str] = (),
    log: bool | Sequence[bool] = False,
    percent: bool = False,
    limits: tuple[float | None, float | None] | None = None,
    xlimits: tuple[float, float] | None = None,
    whole: bool = True,
    ordered: bool = False,
) -> Figure:
    """Lines over one quantity, a panel for each argument.

    Args:
        panels: name → ``(x, y)`` or ``(x, y, low, high)``, the latter with a band.
        xlabel: with its unit.
        ylabel: with its unit; one for all panels, or one each.
        titles: of the panels.
        log: logarithmic y; one for all panels, or one each.
        percent: y are shares 0-1, shown as percentages.
        limits: of y.
        xlimits: of x.
        whole: only whole numbers along x.
        ordered: the names have an order, and colours from pale to dark.

    Panels with the same lines have one legend.
    """
    labels = [ylabel] * len(panels) if isinstance(ylabel, str) else ylabel
    logs = [log] * len(panels) if isinstance(log, bool) else log
    wide = min(4.6 * len(panels) + 1.2, 11.0)
    same = all([*panel] == [*panels[0]] for panel in panels)
    figure, axes = new_figure(wide, 3.5, 1, len(panels))
    for n, (place, panel) in enumerate(zip(axes[0], panels, strict=True)):
        _lines(place, panel, sequence(panel) if ordered else colors_of(panel))
        place.set(xlabel=xlabel, ylabel=labels[n], title=titles[n] if titles else "")
        place.xaxis.set_major_locator(MaxNLocator(integer=whole, steps=[1, 2, 5, 10], nbins=8))
        if logs[n]:
            place.set_yscale("log")
        if percent:
            percent_axis(place)
        place.set(**({"ylim": limits} if limits else {}) | ({"xlim": xlimits} if xlimits else {}))
        if len(panel) > 1 and not same:
            place.legend()
    if len(panels[0]) > 1 and same:
        _legend(figure, axes[0, 0])
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    """One legend of the figure, of the lines or points of one of its panels."""
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper right", ncols=6)


def _lines(axes: Axes, lines: Mapping[str, Line], colors: Mapping[str, Any]) -> None:
    for name, color in colors.items():
        x, y, *band = lines[name]
        axes.plot(x, y, marker="o" if len(x) <= 40 else "", color=color, label=name)
        if band:
            axes.fill_between(x, *band, color=color, alpha=0.18, linewidth=0)


def bars(
    series: Mapping[str, Any],
    categories: Sequence[Any],
    *,
    xlabel: str,
    ylabel: str,
    intervals: Mapping[str, tuple[Any, Any]] | None = None,
) -> Figure:
    """Bars from zero, side by side for each category, with whiskers where intervals are given."""
    figure, ((axes,),) = new_figure(8.2, 3.3)
    width = 0.8 / len(series)
    for n, (name, color) in enumerate(colors_of(series).items()):
        at = np.arange(len(categories)) + (n - (len(series) - 1) / 2) * width
        axes.bar(at, series[name], width * 0.92, color=color, label=name)
        if intervals and name in intervals:
            whiskers(axes, at, series[name], intervals[name], INK)
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_xticks(range(len(categories)), [str(category) for category in categories])
    axes.grid(False, axis="x")
    if len(series) > 1:
        _legend(figure, axes)
    return figure


def whiskers(axes: Axes, at: Any, values: Any, interval: tuple[Any, Any], color: str) -> None:
    """Draw intervals, given by their ends, about values."""
    low, high = (np.asarray(end, float) for end in interval)
    middle = np.asarray(values, float)
    ends = np.clip([middle - low, high - middle], 0, None)
    axes.errorbar(at, middle, ends, fmt="none", ecolor=color, elinewidth=1.4, capsize=2.5)


def histograms(
    panels: Mapping[str, Mapping[str, Array]],
    *,
    ylabel: str = "share per bin",
    bins: int | None = None,
    marks: Mapping[str, float | Sequence[float]] | None = None,
) -> Figure:
    """Distributions over each other; a panel's title is its x label, with the unit.

    ``bins`` follows from the smallest group where it is not given; ``marks`` are named vertical
    lines, one place for all panels or one for each.
    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure, axes = new_figure((7.5, 9.5, 10)[columns - 1], 3.1 * rows, rows, columns)
    for place in axes.flat[len(panels) :]:
        place.set_visible(False)
    for n, (place, (title, groups)) in enumerate(zip(axes.flat, panels.items(), strict=False)):
        everything = np.concatenate([np.ravel(values) for values in groups.values()])
        fewest = min(len(values) for values in groups.values())
        number = bins or int(np.clip(1.5 * fewest**0.5, 12, 60))
        edges = np.histogram_bin_edges(everything, number)
        for name, color in colors_of(groups).items():
            share = np.histogram(groups[name], edges)[0] / len(groups[name])
            if len(groups) < 3:
                place.stairs(share, edges, color=color, fill=True, alpha=0.25)
            place.stairs(share, edges, color=color, linewidth=1.6, label=name)
        for name, at in (marks or {}).items():
            mark = at[n] if isinstance(at, Sequence) else at
            place.axvline(mark, color=INK, linestyle="--", linewidth=1.2, label=name)
        place.set(xlabel=title, ylim=(0, None))
    for place in axes[:, 0]:
        place.set_ylabel(ylabel)
    if len(groups) + len(marks or {}) > 1:
        _legend(figure, axes[0, 0])
    return figure
