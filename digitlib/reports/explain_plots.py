"""Figures of what a network sees: feature maps, attributions, embeddings, a digit that changes.

In the style of :mod:`plotting`, from the arrays of :mod:`digitlib.models.explain`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from digitlib.models.explain import TrainingDigit
from digitlib.reports.frame_plots import gray_with_gaps, grid, montage, tile
from digitlib.reports.plotting import PALE, PALETTE, Array, hide_axes, new_figure, percent_axis
from digitlib.reports.result_plots import scatter_digits

SIGNED = "RdBu_r"  # red for more than zero, white for zero, blue for less


def feature_maps(stages: Mapping[str, Array], count: int = 12) -> Figure:
    """The strongest feature maps ``[C, H, W]`` of each stage in a row, all equally large.

    White is the largest activation of its row, black is 0.
    """
    side = max(maps.shape[1] for maps in stages.values())
    rows = {}
    for name, maps in stages.items():
        strongest = np.argsort(-maps.sum(axis=(1, 2)), kind="stable")[:count]
        times = side // maps.shape[1]
        large = maps[strongest].astype(float).repeat(times, axis=1).repeat(times, axis=2)
        margin = side - large.shape[1]
        around = (margin // 2, margin - margin // 2)  # what a kernel without padding cannot see
        large = np.pad(large, ((0, 0), around, around), constant_values=np.nan)
        rows[f"{name}\n{' × '.join(map(str, maps.shape))}"] = large / max(maps.max(), 1e-12)
    return montage(rows, scale=0.72)


def attributions(frames: Array, rows: Mapping[str, Array], captions: Sequence[str]) -> Figure:
    """Frames ``[N, 28, 28]`` with their captions, and under each its maps, a row for each method.

    Every map has a scale of its own, from blue over white, which is 0, to red; the line is the
    edge of the ink.
    """
    size = (1.05 * len(frames) + 0.5, 1.06 * (len(rows) + 1) + 0.35)
    figure, axes = new_figure(*size, len(rows) + 1, len(frames))
    for place, frame, caption in zip(axes[0], frames, captions, strict=True):
        place.imshow(frame, vmin=0, vmax=255)
        place.set_title(caption, loc="center", fontweight="normal", fontsize=8.5, pad=4)
    for across, (name, maps) in zip(axes[1:], rows.items(), strict=True):
        across[0].set_ylabel(name, fontsize=8.5)
        for place, frame, values in zip(across, frames, maps, strict=True):
            top = max(float(np.abs(values).max()), 1e-12)
            place.imshow(values, cmap=SIGNED, vmin=-top, vmax=top)
            place.contour(frame, [127], colors=PALE, linewidths=0.7)
    for place in axes.flat:
        hide_axes(place)
    return figure


def neighbours(rows: Mapping[str, tuple[Array, Sequence[TrainingDigit]]]) -> Figure:
    """Frames by title, each followed by its nearest training digits with label, set and number."""
    frames: list[Array] = []
    captions: list[str] = []
    for title, (frame, found) in rows.items():
        frames += [frame, *(digit.frame for digit in found)]
        captions += [title, *(f"{digit.label}\n{digit.source} {digit.row}" for digit in found)]
    return grid(np.stack(frames), captions, columns=len(frames) // len(rows))


def embeddings(panels: Mapping[str, Array], labels: Array) -> Figure:
    """Points ``[N, 2]`` of the same digits by several embeddings, side by side."""
    figure, axes = new_figure(5.4 * len(panels), 5.0, 1, len(panels))
    for place, (title, at) in zip(axes[0], panels.items(), strict=True):
        scatter_digits(place, at, labels)
        place.set(title=title, xlabel="t-SNE 1 (no unit)", ylabel="t-SNE 2 (no unit)")
    return figure


def transition(
    at: Array, lines: Mapping[str, tuple[Array, str, int]], frames: Array, *, xlabel: str
) -> Figure:
    """Shares along the steps of a change, and the frames of some steps under them.

    Args:
        at: the steps ``[S]``, rising.
        lines: name → shares ``[S]``, 0-1, line style, number of the colour.
        frames: of evenly spaced steps, the first and the last among them.
        xlabel: with its unit.
    """
    figure, axes = new_figure(9.4, 4.6, 2, 1, height_ratios=(3.6, 1))
    curve, strip = axes[:, 0]
    for name, (shares, line, color) in lines.items():
        curve.plot(at, shares, line, color=PALETTE[color], label=name)
    half = (at[-1] - at[0]) / (len(frames) - 1) / 2  # a frame's middle lies below its step
    limits = (at[0] - half, at[-1] + half)
    curve.set(xlim=limits, ylim=(-0.03, 1.03), xlabel=xlabel, ylabel="share")
    percent_axis(curve)
    figure.legend(*curve.get_legend_handles_labels(), loc="outside upper right", ncols=6)
    strip.imshow(tile(frames), cmap=gray_with_gaps(), vmin=0, vmax=255)
    hide_axes(strip)
    return figure
