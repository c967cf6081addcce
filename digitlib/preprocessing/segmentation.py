"""Numbers fall into lines, and lines into pieces of ink that may be digits or parts of them.

Strokes (:mod:`stroke_pieces`) and pictures (:mod:`ink_pieces`) share the geometry of this file; no
network is asked here. A digit may be one piece or several neighbors, so each line comes with all
groups of neighbors that a reader should try, and with features of their forms and of the borders
between them. A linear model (:mod:`digitlib.models.lattice`) makes prices of these features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import scipy
from numpy.typing import NDArray

from digitlib.preprocessing.frame import Frame
from digitlib.preprocessing.strokes import Channels

# Of the height of the tallest part of a line, while it is put together:
MIN_TALL = 0.35  # a lower part is no digit of its own: a bar of a 5 or a 7, a tap, print beside
MAX_AWAY = 2.5  # the widest gap in a number
MAX_LOOSE = 0.25  # the farthest that a bar is from its digit
MIN_ABREAST = 0.4  # of the lower one's height that two digits of a line have in common, or …
MAX_ABOVE = 0.06  # … the widest gap between one loop of an 8 and the other below it

# Of a line's height:
MAX_WIDTH = 1.4  # of a group of several pieces
MAX_GAP = 0.35  # in it
MAX_PIECES = 16  # in it: wide digits are cut at many places, to be put together again

# Of a page; more is refused. One with 300 digits has half as many pieces:
MOST_PIECES = 3_000
BLOCK = 64  # parts of a line whose neighbors are sought at once

# Features, lengths in line heights …
FORM = "low", "high", "wide", "gap", "loose", "parts", "tall parts", "later", "unshared"
BORDER = "overlap", "near", "cut", "crossed", "crossed squared"
USUAL_HEIGHT = 0.7, 1.15  # a digit is lower than the first of these, or higher than the second
USUAL_WIDTH = 1.0  # … or wider than this
TALL = 0.6  # a part so high may be a digit of its own
MAX_OVERLAP = 0.6  # of digits from left to right; more is no better
FAR = 0.15  # digits are near whose ink is nearer than this

Bounds = NDArray[np.float64]  # [N, 4]: left, top, right, bottom
Features = NDArray[np.float64]  # [F] or [N, F]


@dataclass(frozen=True)
class Candidate:
    """Neighboring pieces of a line that may be one digit.

    Attributes:
        start, stop: the pieces, from ``start`` to before ``stop``.
        bounds: left, top, right, bottom, in the drawing's unit or px.
        frame: uint8 ``[28, 28]``.
        form: features ``FORM``: too low for the line, parts loose …
        channels: stroke direction and order, float32 ``[3, 28, 28]``, or None.
    """

    start: int
    stop: int
    bounds: tuple[float, float, float, float]
    frame: Frame
    form: NDArray[np.float64]
    channels: Channels | None = None


@dataclass(frozen=True)
class Line:
    """A line of pieces, from left to right.

    Attributes:
        pieces: bounds of each, ``[N, 4]``.
        height: of its digits, in the drawing's unit or px.
        candidates: groups of pieces to be read.
        borders: features ``BORDER`` of one before each piece and after the last, ``[N + 1, 5]``.
        touching: whether ink meets there, bool ``[N + 1]``.
        skippable: whether a piece may be the joint between two digits, bool ``[N]``.
    """

    pieces: Bounds
    height: float
    candidates: list[Candidate]
    borders: NDArray[np.float64]
    touching: NDArray[np.bool_]
    skippable: NDArray[np.bool_]


def find_lines(bounds: Bounds) -> list[NDArray[np.intp]]:
    """Parts of a drawing that stand in lines, the upper line first.

    Starting at the tallest part, a line takes those beside it that are about as high, then bars
    and dots near them; what is left makes further lines.

    Args:
        bounds: of the parts, ``[N, 4]``.

    Returns:
        The numbers of each line's parts, in no order.
    """
    heights = bounds[:, 3] - bounds[:, 1]
    left = np.ones(len(bounds), bool)
    lines = []
    while left.any():
        first = int(np.where(left, heights, -1).argmax())
        height = float(heights[first])
        line = np.arange(len(bounds)) == first
        tall = left & (heights >= MIN_TALL * height)
        line = _grow(bounds, line, tall, partial(_abreast, height=height))
        line = _grow(bounds, line, left & ~tall, partial(_beside, height=height))
        left &= ~line
        lines.append(np.flatnonzero(line))
    return sorted(lines, key=lambda line: float(bounds[line][:, [1, 3]].mean()))


def _grow(
    bounds: Bounds,
    line: NDArray[np.bool_],
    among: NDArray[np.bool_],
    near: Callable[[Bounds, Bounds], NDArray[np.bool_]],
) -> NDArray[np.bool_]:
    """The line with those parts that are near it or near one that is; each is looked at once."""
    line, new = line.copy(), [*np.flatnonzero(line)]
    left = np.flatnonzero(among & ~line)
    while new and left.size:
        some, new = new[:BLOCK], new[BLOCK:]
        more = near(bounds[some], bounds[left]).any(axis=0)
        new += [*left[more]]
        line[left[more]] = True
        left = left[~more]
    return line


def _abreast(some: Bounds, others: Bounds, height: float) -> NDArray[np.bool_]:
    """Which of some parts may be digits of one line with which others, ``[N, M]``."""
    left, top, right, bottom = some.T[..., None]
    left_, top_, right_, bottom_ = others.T
    away = np.maximum(left - right_, left_ - right)
    common = np.minimum(bottom, bottom_) - np.maximum(top, top_)
    lower = np.minimum(bottom - top, bottom_ - top_)
    abreast = (away <= MAX_AWAY * height) & (common >= MIN_ABREAST * lower)
    narrower = np.minimum(right - left, right_ - left_)
    return abreast | ((-away >= MIN_ABREAST * narrower) & (common >= -MAX_ABOVE * height))


def _beside(some: Bounds, others: Bounds, height: float) -> NDArray[np.bool_]:
    """Which of some parts are near which others, across the wider of their gaps, ``[N, M]``."""
    gaps = np.maximum(some[:, None, :2] - others[:, 2:], others[:, :2] - some[:, None, 2:])
    return gaps.max(axis=2) <= MAX_LOOSE * height


def line_height(pieces: Bounds) -> float:
    """The height of a line's digits: the upper quartile of its pieces."""
    heights = pieces[:, 3] - pieces[:, 1]
    return max(float(np.quantile(heights, 0.75)), float(heights.max()) / 2, 1e-9)


def reading_order(pieces: Bounds) -> NDArray[np.intp]:
    """The pieces from left to right, by their middles."""
    return np.argsort(pieces[:, 0] + pieces[:, 2], kind="stable")


def groups(pieces: Bounds, height: float) -> list[tuple[int, int]]:
    """Neighbors that may be one digit: start and stop of each group, single pieces among them."""
    found = []
    for start in range(len(pieces)):
        found.append((start, start + 1))
        for stop in range(start + 2, min(start + MAX_PIECES, len(pieces)) + 1):
            group = pieces[start:stop]
            wide = group[:, 2].max() - group[:, 0].min() > MAX_WIDTH * height
            if wide or _widest_gap(group) > MAX_GAP * height:
                break
            found.append((start, stop))
    return found


def _widest_gap(pieces: Bounds) -> float:
    """The widest gap between neighbors from left to right; below 0 where all overlap."""
    return float((pieces[1:, 0] - np.maximum.accumulate(pieces[:, 2])[:-1]).max())


def border_features(pieces: Bounds, apart: NDArray[np.float64], height: float) -> Features:
    """Features ``BORDER`` before each piece and after the last, ``[N + 1, 5]``, no cuts yet.

    Args:
        pieces: from left to right, ``[N, 4]``.
        apart: distance between the ink of each two, ``[N, N]``.
        height: of the line.
    """
    found = np.zeros((len(pieces) + 1, len(BORDER)))
    before = np.maximum.accumulate(pieces[:, 2])[:-1]
    after = np.minimum.accumulate(pieces[::-1, 0])[::-1][1:]
    found[1:-1, 0] = np.clip((before - after) / height, 0, MAX_OVERLAP)
    for place in range(1, len(pieces)):
        around = slice(max(place - MAX_PIECES, 0), place), slice(place, place + MAX_PIECES)
        nearest = float(apart[around].min()) / height  # those farther in order are infinite
        found[place, 1] = max(FAR - nearest, 0)
    return found


def form_features(pieces: Bounds, apart: NDArray[np.float64], height: float) -> Features:
    """Features ``FORM`` of a digit of these pieces; arguments as :func:`border_features`.

    The last two are for those who know in which order, and how, the pieces were made.
    """
    left, top, right, bottom = union(pieces)
    least, most = USUAL_HEIGHT
    high, wide = (bottom - top) / height, (right - left) / height
    gaps = np.maximum(pieces[1:, 0] - np.maximum.accumulate(pieces[:, 2])[:-1], 0).sum()
    alone = np.eye(len(pieces), dtype=bool)
    loose = np.where(alone, np.inf, apart).min(axis=1).max() if len(pieces) > 1 else 0.0
    tall = np.count_nonzero(pieces[:, 3] - pieces[:, 1] > TALL * height)
    return np.array([
        max(least - high, 0), max(high - most, 0), max(wide - USUAL_WIDTH, 0),
        gaps / height, loose / height, len(pieces) - 1, max(tall - 1, 0), 0, 0,
    ])  # fmt: skip


def distances(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """Distance between the points of each two pieces near in order, ``[N, N]``, else infinite.

    Args:
        parts: points ``[n, 2]`` of each piece, from left to right.
    """
    trees = [scipy.spatial.KDTree(points) for points in parts]
    apart = np.full((len(parts), len(parts)), np.inf)
    np.fill_diagonal(apart, 0)
    for first, tree in enumerate(trees):
        for second in range(max(first - MAX_PIECES, 0), first):
            distance = float(tree.query(parts[second])[0].min())
            apart[first, second] = apart[second, first] = distance
    return apart


def union(pieces: Bounds) -> tuple[float, float, float, float]:
    """The bounds of all pieces together."""
    (left, top), (right, bottom) = pieces[:, :2].min(axis=0), pieces[:, 2:].max(axis=0)
    return float(left), float(top), float(right), float(bottom)
