"""Pen strokes become lines of pieces: whole strokes, and parts of strokes across two digits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import InputError
from digitlib.preprocessing import segmentation, strokes
from digitlib.preprocessing.frame import BOX_SIZE, Frame
from digitlib.preprocessing.limits import check_busy
from digitlib.preprocessing.segmentation import Bounds, Candidate, Line
from digitlib.preprocessing.strokes import Channels, Strokes

Points = NDArray[np.float64]
NEAR, CUT = (segmentation.BORDER.index(name) for name in ("near", "cut"))
LATER = segmentation.FORM.index("later")

# Of a line's height:
MIN_CUT_WIDTH = 0.5  # of a stroke that may go through two digits
MIN_END = 0.25  # the size of what is cut off
STEP = 0.03  # between the points at which a stroke may be cut
MAX_BACK = 0.45  # how far the part after a cut reaches back to the left of that before it
MAX_CUTS = 6  # of one stroke
TOUCHING = 0.08  # apart, ink of a usual pen meets

# What is too busy; the fullest page of 300 digits has a third of it:
MAX_STROKES = 2_000
MAX_POINTS = 50_000  # more are thinned
LARGEST_SIDE = 1e150  # of a drawing in its own unit: the squares of some above are infinite
MAX_SAMPLES = 100_000  # of all strokes, to find cuts and distances
MAX_CANDIDATES = 10_000
MAX_DRAWN = 3_000_000  # samples and points of all candidates


@dataclass(frozen=True)
class _Piece:
    """A stroke or a part of one: points ``[n, 2]``, which stroke, which of how many parts."""

    points: Points
    stroke: int
    part: int
    count: int


@dataclass(frozen=True)
class _Divided:
    """A line cut into pieces.

    Attributes:
        arrays: its strokes in the order in which they were drawn.
        height: of its digits.
        pieces: from left to right.
        order: the number of each piece in the order in which they were drawn.
        bounds: of the pieces, ``[N, 4]``.
        groups: start and stop of those that may be digits.
    """

    arrays: list[Points]
    height: float
    pieces: list[_Piece]
    order: NDArray[np.intp]
    bounds: Bounds
    groups: list[tuple[int, int]]

    def drawn(self) -> float:
        """How many samples and points are drawn for all candidates."""
        points = np.cumsum([0, *(len(piece.points) for piece in self.pieces)])
        lengths = np.cumsum([0.0, *(_arc(piece.points)[-1] for piece in self.pieces)])
        start, stop = np.array(self.groups).T
        sides = [np.ptp(self.bounds[a:b].reshape(-1, 2), axis=0).max() for a, b in self.groups]
        samples = (lengths[stop] - lengths[start]) / np.maximum(sides, strokes.SMALLEST_SIDE)
        samples *= BOX_SIZE / strokes.SPACING
        return float((np.minimum(samples, MAX_SAMPLES) + points[stop] - points[start]).sum())


def thin(drawing: list[Points]) -> list[Points]:
    """A drawing of at most ``MAX_POINTS``: points of its longest strokes are left out, evenly.

    Raises:
        InputError: there are too many strokes.
    """
    check_busy("drawing", len(drawing), MAX_STROKES, "strokes")
    if sum(map(len, drawing)) <= MAX_POINTS:
        return drawing
    most = MAX_POINTS // len(drawing)
    return [
        stroke[np.linspace(0, len(stroke) - 1, most).round().astype(np.intp)]
        if len(stroke) > most
        else stroke
        for stroke in drawing
    ]


def segment_strokes(drawing: Strokes, channels: bool = True) -> list[Line]:
    """The lines of a drawing, from above, with all groups of pieces that may be digits.

    Args:
        drawing: ``(n, 2)`` arrays of points, x right, y down, any unit, in any order.
        channels: make candidates' channels, too.

    Raises:
        BlankDrawingError: there are no points.
        InputError: a stroke has another shape, or NaN, or there are too many.
    """
    arrays = thin(strokes.validate_strokes(drawing))
    bounds = strokes.bounding_boxes(arrays)
    if float(np.ptp(bounds.reshape(-1, 2), axis=0).max()) > LARGEST_SIDE:
        raise InputError("The drawing is too large for its numbers: divide the coordinates.")
    finest = sum(float(_arc(stroke)[-1]) for stroke in arrays) / MAX_SAMPLES
    divided = [
        _divide([arrays[number] for number in np.sort(line)], finest)
        for line in segmentation.find_lines(bounds)
    ]
    pieces = sum(len(each.pieces) for each in divided)
    check_busy("drawing", pieces, segmentation.MOST_PIECES, "parts of digits")
    candidates = sum(len(each.groups) for each in divided)
    check_busy("drawing", candidates, MAX_CANDIDATES, "possible digits")
    check_busy("drawing", int(sum(each.drawn() for each in divided)), MAX_DRAWN, "points in them")
    return [_line(each, finest, channels) for each in divided]


def _bounds(arrays: Sequence[Points]) -> Bounds:
    return np.array([[*each.min(axis=0), *each.max(axis=0)] for each in arrays])


def _divide(arrays: list[Points], finest: float) -> _Divided:
    """The line of these strokes, in the order in which they were drawn, cut into pieces.

    Points at which a stroke may be cut are at least ``finest`` apart.
    """
    height = segmentation.line_height(_bounds(arrays))
    pieces = [
        _Piece(points, number, part, len(parts))
        for number, stroke in enumerate(arrays)
        for parts in [_cut(stroke, height, max(STEP * height, finest))]
        for part, points in enumerate(parts)
    ]
    order = segmentation.reading_order(_bounds([piece.points for piece in pieces]))
    placed = [pieces[number] for number in order]
    bounds = _bounds([piece.points for piece in placed])
    groups = segmentation.groups(bounds, height)
    return _Divided(arrays, height, placed, order, bounds, groups)


def _line(divided: _Divided, finest: float, channels: bool) -> Line:
    """The line with its candidates."""
    height, placed, order, bounds = (
        divided.height, divided.pieces, divided.order, divided.bounds,
    )  # fmt: skip
    spacing = max(STEP * height, finest)
    apart = segmentation.distances([_resample(piece.points, spacing) for piece in placed])
    borders = segmentation.border_features(bounds, apart, height)
    touching = borders[:, NEAR] > segmentation.FAR - TOUCHING
    ranks = np.argsort(order)
    for first, second in pairwise(ranks.tolist()):
        if placed[first].stroke == placed[second].stroke:  # a cut is between them
            low, high = sorted((first, second))
            borders[low + 1 : high + 1, CUT] += 1
            touching[low + 1 : high + 1] = True
    candidates = []
    for start, stop in divided.groups:
        part = slice(start, stop)
        form = segmentation.form_features(bounds[part], apart[part, part], height)
        form[LATER] = np.count_nonzero(np.diff(np.sort(order[part])) > 1)
        drawn = _draw(_join(placed[part], order[part], divided.arrays), channels)
        outline = segmentation.union(bounds[part])
        candidates.append(Candidate(start, stop, outline, drawn[0], form, drawn[1]))
    skippable = np.array([0 < piece.part < piece.count - 1 for piece in placed])
    return Line(bounds, height, candidates, borders, touching, skippable)


def _join(placed: list[_Piece], times: NDArray[np.intp], arrays: Sequence[Points]) -> list[Points]:
    """Pieces as strokes in the order in which they were drawn, cut ones joined again."""
    joined: list[list[_Piece]] = []
    last: tuple[int, int] | None = None
    for rank in np.argsort(times):
        time, piece = int(times[rank]), placed[rank]
        if last == (time - 1, piece.stroke):
            joined[-1].append(piece)
        else:
            joined.append([piece])
        last = time, piece.stroke
    return [
        arrays[parts[0].stroke]  # with the points that were given
        if len(parts) == parts[0].count
        else np.concatenate([part.points for part in parts])
        for parts in joined
    ]


def _draw(drawing: list[Points], channels: bool) -> tuple[Frame, Channels | None]:
    if channels:
        return strokes.render_with_channels(drawing, drop_taps=True)
    return strokes.render(drawing, drop_taps=True), None


def _cut(stroke: Points, height: float, spacing: float) -> list[Points]:
    """The parts of a stroke, neighbors sharing their point; the stroke alone where it has none.

    A stroke may be cut where all that comes before is left of all that comes after, or nearly.
    """
    if np.ptp(stroke[:, 0]) < MIN_CUT_WIDTH * height:
        return [stroke]
    dense = _resample(stroke, spacing)
    back = _reach_back(dense) / height
    good = back <= MAX_BACK
    edges = np.flatnonzero(np.diff(np.concatenate([[False], good, [False]])))
    cuts: list[int] = []
    for start, stop in edges.reshape(-1, 2):
        low = start + int(back[start:stop].argmin())
        cuts += [int(start), low, int(stop) - 1]
    parts, begin = [], 0
    for cut in sorted(set(cuts)):
        long = np.ptp(dense[begin : cut + 1], axis=0).max() >= MIN_END * height
        if long and np.ptp(dense[cut:], axis=0).max() >= MIN_END * height:
            parts.append(dense[begin : cut + 1])
            begin = cut
    return [*parts, dense[begin:]] if parts and len(parts) <= MAX_CUTS else [stroke]


def _reach_back(points: Points) -> NDArray[np.float64]:
    """How far the part after each point reaches to the left of that before it, either way round."""
    x = points[:, 0]

    def back(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.maximum.accumulate(x) - np.minimum.accumulate(x[::-1])[::-1]

    return np.minimum(back(x), back(-x))


def _resample(stroke: Points, spacing: float) -> Points:
    """Points along the stroke, ``spacing`` apart or less."""
    along = _arc(stroke)
    at = np.linspace(0, along[-1], max(2, int(np.ceil(along[-1] / spacing)) + 1))
    return np.stack([np.interp(at, along, axis) for axis in stroke.T], axis=1)


def _arc(stroke: Points) -> NDArray[np.float64]:
    """The length of the stroke up to each point, ``[n]``."""
    return np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(stroke, axis=0).T))])
