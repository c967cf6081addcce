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
from matplotlib.patches import Rectangle
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


# --- frames --------------------------------------------------------------------------------


def montage(
    rows: Mapping[Any, Array], *, groups: Mapping[str, int] | None = None, scale: float = 0.62
) -> Figure:
    """Frames in rows, each row ``[N, 28, 28]`` under its name at the left.

    ``groups`` names stretches of columns with their lengths; a gap parts them.
    """
    if not rows:
        return grid(np.zeros((0, 1, 1)))
    groups = groups or {"": max(len(row) for row in rows.values())}
    ends = np.cumsum([*groups.values()])
    parted = [np.insert(row.astype(float), ends[:-1], np.nan, axis=0) for row in rows.values()]
    count = max(len(row) for row in parted)
    figure, ((axes,),) = new_figure(0.5 + count * scale, 0.3 + len(rows) * scale)
    axes.imshow(np.concatenate([tile(row, count) for row in parted]), cmap=gray_with_gaps())
    hide_axes(axes)
    step = parted[0].shape[1] + 2
    axes.set_yticks([step * (n + 0.5) for n in range(len(rows))], [str(name) for name in rows])
    middles = ends - np.array([*groups.values()]) / 2 + np.arange(len(groups))
    axes.set_xticks(step * middles, list(groups))
    axes.tick_params(top=False, labeltop=True, labelbottom=False)
    return figure


def tile(frames: Array, count: int | None = None) -> Array:
    """Frames ``[N, H, W]`` side by side, ``[H + 2, count * (W + 2)]`` float; NaN between them."""
    count = len(frames) if count is None else count
    height, width = frames.shape[1:]
    strip = np.full((height + 2, count * (width + 2)), np.nan)
    for n, frame in enumerate(frames):
        strip[1:-1, n * (width + 2) + 1 : (n + 1) * (width + 2) - 1] = frame
    return strip


def beside(left: Array, right: Array) -> Array:
    """Pairs of frames ``[N, H, W]`` as one picture each, ``[N, H, 2 W + 2]``; NaN between them."""
    gap = np.full((*left.shape[:2], 2), np.nan)
    return np.concatenate([left, gap, right], axis=2)


def gray_with_gaps() -> Any:
    """Grey levels for :func:`tile`; NaN has the colour of the paper."""
    return plt.get_cmap("gray").with_extremes(bad=PAPER)


def grid(
    frames: Array,
    captions: Sequence[str] = (),
    *,
    columns: int = 10,
    limits: tuple[float, float] | None = (0, 255),
    colors: str = "gray",
    unit: str = "",
    scale: float = 1,
    rows_named: Sequence[str] = (),
) -> Figure:
    """Frames ``[N, H, W]``, each with its caption under it; with ``unit`` also a colour bar.

    ``limits`` are the values of the colour scale's ends, None those of the frames; ``scale``
    enlarges the frames; ``rows_named`` stand at the left of the rows. NaN has the colour of the
    paper.
    """
    columns = max(1, columns)
    rows = max(1, -(-len(frames) // columns))
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    longest = max((len(line) for caption in captions for line in caption.split("\n")), default=0)
    wide = 0.86 * scale * frames.shape[2] / frames.shape[1]
    figure, axes = new_figure(
        max(wide, 0.09 * longest) * columns,
        (0.84 * scale + 0.17 * lines) * rows + 0.05,
        rows,
        columns,
    )
    shades = plt.get_cmap(colors).with_extremes(bad=PAPER)
    low, high = limits or (float(np.min(frames)), float(np.max(frames)))
    if not len(frames):
        axes[0, 0].text(0.5, 0.5, "none", ha="center", va="center")
    for n, place in enumerate(axes.flat):
        hide_axes(place)
        if n < len(frames):
            image = place.imshow(frames[n], cmap=shades, vmin=low, vmax=high)
        if n < len(captions):
            place.set_xlabel(captions[n], fontsize=8.5, labelpad=3)
    for place, name in zip(axes[:, 0], rows_named, strict=False):
        place.set_ylabel(name)
    if unit:
        bar = figure.colorbar(image, ax=axes, fraction=0.02, pad=0.01, label=unit)
        bar.outline.set_visible(False)
    return figure


def steps(records: Mapping[str, Mapping[str, Array]]) -> Figure:
    """Steps of :func:`frame.frame_steps`, one picture per row, one step per column."""
    names = list(next(iter(records.values())))
    figure, axes = new_figure(1.35 * len(names), 1.75 * len(records), len(records), len(names))
    for n, (row, (title, record)) in enumerate(zip(axes, records.items(), strict=True)):
        for place, (name, picture) in zip(row, record.items(), strict=True):
            flat = np.squeeze(picture)
            high = 255 if flat.dtype == np.uint8 else None if flat.min() < 0 else 1
            # Thin lines of a large picture must not fall between the pixels of a small one.
            low = None if high is None else 0
            place.imshow(flat, vmin=low, vmax=high, interpolation="auto")
            hide_axes(place)
            place.set_title("" if n else name, loc="center", fontweight="normal", pad=4)
            place.set_xlabel(f"{flat.shape[1]} × {flat.shape[0]} px", fontsize=8)
        row[0].set_ylabel(title)
    return figure


def frame_convention(frame: Array, *, box: int, center: float) -> Figure:
    """One frame, large, with the box of the digit's longer side and its centre of mass."""
    figure, ((axes,),) = new_figure(4.6, 3.9)
    image = axes.imshow(frame, vmin=0, vmax=255)
    rows, columns = np.nonzero(frame)
    top, left = int(rows.min()), int(columns.min())
    high, wide = int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1
    corner = (left - 0.5 - (box - wide) / 2, top - 0.5 - (box - high) / 2)
    axes.add_patch(Rectangle(corner, box, box, fill=False, edgecolor=PALETTE[5], linewidth=2))
    axes.plot(center, center, "+", color=PALETTE[1], markersize=16, markeredgewidth=2.5)
    axes.grid(False)
    ticks = range(0, len(frame), 7)
    axes.set(xlabel="column (px)", ylabel="row (px)", xticks=ticks, yticks=ticks)
    bar = figure.colorbar(image, label="grey value (0 paper, 255 ink)", pad=0.02)
    bar.outline.set_visible(False)
    return figure


# --- lines and bars ------------------------------------------------------------------------


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
