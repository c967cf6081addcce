"""Figures of robustness: accuracy against strength, and scores of digits and non-digits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from digitlib.reports.frame_plots import gray_with_gaps, tile
from digitlib.reports.plotting import (
    COLORS,
    INK,
    PALE,
    PALETTE,
    Array,
    Line,
    hide_axes,
    new_figure,
    percent_axis,
)


def accuracy_by_strength(
    panels: Mapping[str, Mapping[str, tuple[Any, Any, Any]]],
    ticks: Mapping[str, Sequence[str]],
    examples: Mapping[str, Array],
    *,
    ylabel: str,
    styles: Mapping[str, str],
    neutral: Mapping[str, int],
) -> Figure:
    """Shares against the strength of a change, and under each strength a frame changed so.

    Args:
        panels: title, which is also the x label with its unit → name → ``(value, low, high)``,
            each 0-1 and one per strength.
        ticks: title → the strengths, as text.
        examples: title → frames ``[strengths, 28, 28]``, 0-1.
        ylabel: with its unit.
        styles: name → line style, without markers; other lines are solid, with markers.
        neutral: title → the place of the strength that changes nothing; it is marked.
    """
    rows = -(-len(panels) // 2)
    figure, axes = new_figure(11, 3.1 * rows, 2 * rows, 2, height_ratios=[3.3, 1] * rows)
    for n, (title, lines) in enumerate(panels.items()):
        curve, strip = axes[2 * (n // 2) : 2 * (n // 2) + 2, n % 2]
        at = np.arange(len(ticks[title]))
        curve.axvline(neutral[title], color=PALE, linewidth=1)
        for name, (value, low, high) in lines.items():
            color = COLORS.get(name, "#6b7079")
            marker = "" if name in styles else "o"
            curve.plot(at, value, styles.get(name, "-"), color=color, label=name, marker=marker)
            curve.fill_between(at, low, high, color=color, alpha=0.18, linewidth=0)
        limits = (-0.5, len(at) - 0.5)
        curve.set(ylim=(0, 1.03), xlim=limits, ylabel=ylabel, title=title)
        curve.set_xticks(at, ticks[title])
        percent_axis(curve)
        image = tile(examples[title])
        strip.imshow(image, cmap=gray_with_gaps(), vmin=0, vmax=1, aspect="auto",
                     extent=(*limits, 0, 1))  # fmt: skip
        frame = Rectangle((neutral[title] - 0.5, 0), 1, 1, fill=False, edgecolor=PALETTE[4],
                          linewidth=2.5, clip_on=False)  # fmt: skip
        strip.add_patch(frame)
        hide_axes(strip)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    figure.get_layout_engine().set(h_pad=0.09)  # type: ignore[union-attr,call-arg]
    return figure


def score_distributions(
    margins: Mapping[str, Mapping[str, Array]], digits: str, *, bins: int = 48
) -> Figure:
    """Scores above the threshold: a row for each network, a column for each kind of non-digits.

    Args:
        margins: network → kind → scores minus their threshold ``[N]``.
        digits: the kind that is digits, drawn in every panel.
        bins: along x, the same for all of a row.
    """
    others = [kind for kind in next(iter(margins.values())) if kind != digits]
    shape = len(margins), max(len(others), 1)
    figure, axes = new_figure(11, 2.1 * shape[0] + 0.6, *shape, sharex="row", sharey="row")
    for row, (network, each) in zip(axes, margins.items(), strict=True):
        edges = np.histogram_bin_edges(np.concatenate([*each.values()]), bins)
        row[0].set_ylabel(f"{network}\nshare per bin")
        for place, kind in zip(row, others or [digits], strict=True):
            for name, color in ((digits, PALETTE[0]), (kind, PALETTE[1])):
                share = np.histogram(each[name], edges)[0] / len(each[name])
                place.stairs(share, edges, color=color, fill=True, alpha=0.3)
                place.stairs(share, edges, color=color, linewidth=1.3,
                             label=name if name == digits else "non-digits")  # fmt: skip
            place.axvline(0, color=INK, linestyle="--", linewidth=1.1, label="threshold")
            place.set_xlabel("score above threshold")
        row[0].set_ylim(0, None)  # of all that share it, once they are drawn
    for place, kind in zip(axes[0], others, strict=False):
        place.set_title(kind)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside upper right", ncols=4)
    return figure


def trade_offs(panels: Mapping[str, Mapping[str, Line]], *, end: float = 0.1) -> Figure:
    """Non-digits rejected against digits rejected, a panel for each kind of non-digits.

    Args:
        panels: kind → network → ``(digits rejected, non-digits rejected)``, shares 0-1.
        end: of the x axis.
    """
    count = max(len(panels), 1)
    figure, axes = new_figure(11, 3.2, 1, count, sharey=True)
    for place, (kind, lines) in zip(axes[0], panels.items(), strict=False):
        for name, (x, y, *_) in lines.items():
            place.plot(x, y, color=COLORS[name], label=name)
        place.set(title=kind, xlim=(0, end), ylim=(0, 1.02), xlabel="digits rejected")
        place.set_xticks(np.linspace(0, end, 3))
        percent_axis(place)
        place.xaxis.set_major_formatter(lambda value, _: f"{100 * value:.4g} %")
    axes[0, 0].set_ylabel("non-digits rejected")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper right", ncols=4)
    return figure
