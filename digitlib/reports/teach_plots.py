"""Figures of teaching: writers before and after, and what more drawings gain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from digitlib.reports.plotting import PALETTE, new_figure, percent_axis


def before_after(table: pd.DataFrame) -> Figure:
    """Share of each writer's drawings that is misread, before and after, joined by a line.

    Args:
        table: a row per writer, with ``writer``, ``drawings``, ``misread`` and ``misread after``;
            writers with neither are left out.
    """
    shown = table[(table["misread"] > 0) | (table["misread after"] > 0)]
    figure, axes = new_figure(max(4.5, 0.55 * len(shown) + 1.6), 3.6)
    place, at = axes[0, 0], np.arange(len(shown))
    before, after = (shown[name] / shown["drawings"] for name in ("misread", "misread after"))
    place.vlines(at, before, after, color=PALETTE[0], linewidth=1.4)
    place.plot(at, before, "o", color=PALETTE[1], label="before", markersize=8, fillstyle="none")
    place.plot(at, after, "o", color=PALETTE[0], label="after", markersize=6)
    place.set_xticks(at, [f"{each:.0f}" for each in shown["writer"]], rotation=45)
    place.set(xlabel="writer (number)", ylabel="misread", ylim=(-0.004, None))
    place.grid(False, axis="x")
    percent_axis(place)
    figure.legend(loc="outside upper right", ncols=2)
    return figure


def learning_curve(shares: Mapping[str, Mapping[int, float]]) -> Figure:
    """Share of drawings misread against the number of drawings taught of each digit.

    Args:
        shares: group of writers → drawings per digit → share.
    """
    figure, axes = new_figure(5, 3.4)
    place: Any = axes[0, 0]
    for color, (name, line) in zip(PALETTE, shares.items(), strict=False):
        at = np.arange(len(line))
        place.plot(at, [*line.values()], "o-", color=color, label=name)
        place.set_xticks(at, [str(number) for number in line])
    place.set(xlabel="drawings taught, of each digit", ylabel="misread", ylim=(0, None))
    percent_axis(place)
    figure.legend(loc="outside upper right", ncols=2)
    return figure
