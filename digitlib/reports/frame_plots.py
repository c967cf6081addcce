"""Pictures of frames, alone, in rows and in grids, and of the steps that make them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from digitlib.reports.plotting import PALETTE, PAPER, hide_axes, new_figure

Array = NDArray[Any]


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
