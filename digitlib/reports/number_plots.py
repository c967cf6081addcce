"""Figures of how a number is divided into digits."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from digitlib.models.number_reader import ReadLine
from digitlib.preprocessing.seams import Seam
from digitlib.reports.plotting import INK, PALE, PALETTE, hide_axes, new_figure

CELL = 0.82  # inches


def seams(ink: NDArray[np.float32], found: Sequence[Seam]) -> Figure:
    """Ink ``[H, W]``, and the seams along which it may be cut, dark where they cross little."""
    high, wide = ink.shape
    figure, axes = new_figure(max(2.4 * wide / high, 2.4), 2.5)
    place = axes[0, 0]
    hide_axes(place)
    place.imshow(1 - 0.75 * ink, vmin=0, vmax=1)
    for number, seam in enumerate(found):
        strength = 1 / max(seam.crossed, 1)
        place.plot(seam.columns, np.arange(high), color=PALETTE[1], lw=1.6, alpha=strength)
        below = number % 2  # in turn at the seam's upper and lower end: neighbours would touch
        place.text(
            seam.columns[-below], (1.03 if below else -0.03) * high, f"{seam.crossed:.1f}",
            ha="center", va="top" if below else "bottom", fontsize=8, color=INK,
        )  # fmt: skip
    return figure


def groups(line: ReadLine, shares: NDArray[np.float64], path: Sequence[int]) -> Figure:
    """Frames of all groups of neighbouring pieces: first piece down, number of pieces across.

    Args:
        line: that was read.
        shares: of each candidate in all ways, ``[C]``.
        path: the candidates of the best way; they are framed.
    """
    best: dict[tuple[int, int], int] = {}  # of those of the same pieces, that of most weight
    for number, each in enumerate(line.line.candidates):
        key = each.start, each.stop - each.start
        if key not in best or number in path or shares[number] > shares[best[key]]:
            best[key] = best[key] if best.get(key) in path else number
    rows = len(line.line.pieces)
    columns = max(length for _, length in best)
    figure, axes = new_figure(CELL * columns, (CELL + 0.2) * rows, rows, columns)
    for place in axes.flat:
        hide_axes(place)
    for (start, length), number in best.items():
        place = axes[start, length - 1]
        place.imshow(line.line.candidates[number].frame, cmap="gray_r", vmin=0, vmax=255)
        prediction = line.predictions[number]
        digit = "none" if prediction.rejected else str(prediction.digit)
        place.set_xlabel(f"{digit}  {shares[number]:.0%}", fontsize=8.5, labelpad=2)
        chosen = number in path
        place.spines[:].set_visible(True)
        place.spines[:].set(color=PALETTE[2] if chosen else PALE, linewidth=2.5 if chosen else 0.6)
    return figure
