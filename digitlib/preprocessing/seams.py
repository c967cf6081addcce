"""Seams: paths from top to bottom through as little ink as possible, where digits may touch."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.read import Picture

# In heights of a line:
MIN_CUT_WIDTH = 0.4  # of a component that may be two digits
STEP = 0.04  # between the places at which a seam is sought
REACH = 0.2  # how far a seam may leave its place
MIN_SLICE = 0.07  # between two seams, and from the component's sides

PULL = 0.02  # ink that it costs to leave the place by the whole reach, per row
MAX_CROSSED = 5.0  # widths of a stroke that a seam may cross
MAX_SEAMS = 9  # of a component, per height of its width


class Seam(NamedTuple):
    """A path through a component.

    Attributes:
        columns: in the component's box, of each of its rows; what is left of it is one side.
        crossed: ink on it, in widths of a stroke.
    """

    columns: NDArray[np.intp]
    crossed: float


def find_seams(ink: Picture, height: float, stroke: float) -> list[Seam]:
    """The best seams of a component, from left to right; none through a narrow one.

    Args:
        ink: of the component alone, 0-1 ``[h, w]``.
        height: of the line, px.
        stroke: width, px.
    """
    wide = ink.shape[1]
    margin = MIN_SLICE * height
    if wide < MIN_CUT_WIDTH * height or wide < 2 * margin + 1:
        return []
    places = np.arange(margin, wide - margin, max(STEP * height, 1.0)).round().astype(np.intp)
    paths = _cheapest_paths(ink, places, max(int(REACH * height), 1))
    crossed = ink[np.arange(len(ink)), paths].sum(axis=1) / stroke
    chosen: list[int] = []
    for number in np.argsort(crossed, kind="stable"):
        away = [abs(paths[number].mean() - paths[other].mean()) for other in chosen]
        if crossed[number] <= MAX_CROSSED and min(away, default=margin) >= margin:
            chosen.append(int(number))
    chosen = sorted(
        chosen[: max(round(MAX_SEAMS * wide / height), 1)], key=lambda number: paths[number].mean()
    )
    return [Seam(paths[number], float(crossed[number])) for number in chosen]


def _cheapest_paths(ink: Picture, places: NDArray[np.intp], reach: int) -> NDArray[np.intp]:
    """Columns ``[K, h]`` of the cheapest path in a band around each of ``K`` places.

    From row to row a path moves by one column at most.
    """
    high, wide = ink.shape
    offsets = np.arange(-reach, reach + 1)
    columns = places[:, None] + offsets  # [K, band]
    outside = (columns < 0) | (columns >= wide)
    costs = ink[:, columns.clip(0, wide - 1)] + PULL * np.abs(offsets) / reach  # [h, K, band]
    costs[:, outside] = np.inf
    total = costs[0]
    moves = np.zeros(costs.shape, np.int8)
    rim = np.full((len(places), 1), np.inf)
    for row in range(1, high):
        padded = np.concatenate([rim, total, rim], axis=1)
        options = np.stack([padded[:, 1:-1], padded[:, :-2], padded[:, 2:]])  # straight on first
        best = options.argmin(axis=0)
        moves[row] = np.array([0, -1, 1], np.int8)[best]
        total = np.take_along_axis(options, best[None], axis=0)[0] + costs[row]
    at = total.argmin(axis=1)
    path = np.empty((len(places), high), np.intp)
    every = np.arange(len(places))
    for row in range(high - 1, -1, -1):
        path[:, row] = columns[every, at]
        at = at + moves[row, every, at]
    return path
