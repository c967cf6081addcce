"""The ink of a page becomes lines of pieces: connected components, and parts of wide ones.

Ruled lines are gone already (:func:`paper.find_ink`); edges of the page, long strokes, rings and
specks are left out here. Touching digits are one component: it is cut along seams, paths from top
to bottom through as little ink as possible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import scipy
from numpy.typing import NDArray

from digitlib.preprocessing import seams, segmentation
from digitlib.preprocessing.components import MAX_COMPONENTS, MIN_INK, SOFT_EDGE
from digitlib.preprocessing.frame import (
    Frame,
    normalize_stroke_width,
    place_box,
    reduce_to_box,
    square_window,
    stroke_width,
)
from digitlib.preprocessing.limits import check_busy
from digitlib.preprocessing.read import Box, Picture
from digitlib.preprocessing.rings import on_rings
from digitlib.preprocessing.ruling import NEIGHBORS_8, spread
from digitlib.preprocessing.segmentation import MOST_PIECES, Bounds, Candidate, Line

Labels = NDArray[np.intp]  # [H, W], 0 for paper
CUT, CROSSED = (segmentation.BORDER.index(name) for name in ("cut", "crossed"))
SQUARED = segmentation.BORDER.index("crossed squared")
UNSHARED = segmentation.FORM.index("unshared")

RIM = SOFT_EDGE + 1  # px around a piece that may be its soft edge

# --- what is no digit
MIN_HEIGHT = 7  # px of a component that may be a digit or a large part of one
MIN_AREA = 0.02  # of the ink of the tallest component of a line; less is a speck
MAX_SIDES = 6.0  # times as long as high: a line under the number
MAX_ACROSS = 0.9  # of the picture's width or height: the edge of the page
MIN_SHADE = 0.6  # of the darkest component; paler ones are stains …
SHADE_QUANTILE = 0.8  # … by this quantile of their ink
MAX_PARTS = 300  # the largest components are read

SHARED = 0.75  # widths of a stroke beyond a cut that belong to both sides

# --- what is too busy
MAX_CANDIDATES = 24_000  # a page of 300 digits has three quarters of it
MAX_COVERED = 4  # times the picture's area in the boxes of components, or of lines
MAX_DRAWN = 300_000_000  # px of the squares in which candidates are drawn


@dataclass(frozen=True)
class _Component:
    """Connected ink: its box in the picture, its mask there ``[h, w]``."""

    box: Box
    mask: NDArray[np.bool_]

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in the picture."""
        rows, columns = self.box
        return columns.start, rows.start, columns.stop, rows.stop

    def points(self) -> NDArray[np.float64]:
        """x and y of its pixels in the picture, ``[n, 2]``."""
        rows, columns = np.nonzero(self.mask)
        return np.stack([columns + self.box[1].start, rows + self.box[0].start], axis=1) * 1.0


@dataclass(frozen=True)
class _Divided:
    """A line cut into pieces.

    Attributes:
        window: its ink, and where that lies in the picture …
        corner: … left, top, left, top.
        height: of its digits, px.
        pieces: numbered from 1 in reading order, in the window.
        bounds: of the pieces, in the window, ``[N, 4]``.
        crossings: number of cuts, and ink crossed by them, at each border, ``[N + 1, 2]``.
        groups: start and stop of those that may be digits, ``[G, 2]``.
    """

    window: Picture
    corner: NDArray[np.intp]
    height: float
    pieces: Labels
    bounds: Bounds
    crossings: NDArray[np.float64]
    groups: NDArray[np.intp]

    @property
    def touching(self) -> NDArray[np.bool_]:
        """Whether ink was cut at each border, ``[N + 1]``."""
        return self.crossings[:, 0] > 0

    def drawn_areas(self) -> NDArray[np.float64]:
        """Pixels of the squares in which candidates are drawn: one or two of each group."""
        left, top, right, bottom = self.bounds.T
        wide = [right[a:b].max() - left[a:b].min() for a, b in self.groups]
        areas = np.maximum(wide, bottom.max() - top.min()) ** 2
        return np.repeat(areas, 1 + self.touching[self.groups].any(axis=1))


def segment_ink(ink: Picture) -> list[Line]:
    """The lines of a page, from above, with all groups of pieces that may be digits.

    Args:
        ink: of :func:`paper.find_ink`, 0-1 ``[H, W]``.

    Returns:
        Lines with bounds in px of the ink; none where nothing looks like a part of a digit.
    """
    components = _find_components(ink)
    if not components:
        return []
    bounds = np.array([each.bounds for each in components], float)
    width = max(stroke_width(ink), 1.0)
    lines = []
    for numbers in segmentation.find_lines(bounds):
        parts = [components[number] for number in numbers]
        tallest = max(parts, key=lambda part: len(part.mask))
        least = MIN_AREA * np.count_nonzero(tallest.mask)
        kept = [part for part in parts if np.count_nonzero(part.mask) >= least]
        if len(tallest.mask) >= MIN_HEIGHT:
            lines.append(kept)
    _check_covered([_around(parts) for parts in lines], ink)
    divided = [_divide(parts, ink, width) for parts in lines]
    _check_work(divided)
    return [_line(each, width) for each in divided]


def _find_components(ink: Picture) -> list[_Component]:
    """The components that may be digits or parts of them."""
    labels, count = scipy.ndimage.label(ink > MIN_INK, NEIGHBORS_8)
    check_busy("picture", count, MAX_COMPONENTS, "parts of ink")
    boxes = {
        number: box
        for number, box in enumerate(scipy.ndimage.find_objects(labels), 1)
        if not _is_no_digit(box, ink.shape)
    }
    _check_covered([*boxes.values()], ink)
    found = [_Component(box, labels[box] == number) for number, box in boxes.items()]
    rings = on_rings([each.points() for each in found])
    found = [each for each, ring in zip(found, rings, strict=True) if not ring]
    if not found:
        return []
    shades = np.array([np.quantile(ink[each.box][each.mask], SHADE_QUANTILE) for each in found])
    found = [
        each for each, shade in zip(found, shades, strict=True) if shade > MIN_SHADE * shades.max()
    ]
    return sorted(found, key=lambda each: -each.mask.sum())[:MAX_PARTS]


def _check_covered(boxes: Sequence[Box], ink: Picture) -> None:
    """InputError where boxes lie over each other again and again."""
    areas = sum((y.stop - y.start) * (x.stop - x.start) for y, x in boxes)
    check_busy("picture", -(-areas // ink.size), MAX_COVERED, "layers of ink")


def _is_no_digit(box: Box, shape: tuple[int, ...]) -> bool:
    """Whether the component in a box is an edge of the page, or a line under the number."""
    high, wide = (side.stop - side.start for side in box)
    across = wide > MAX_ACROSS * shape[1] or high > MAX_ACROSS * shape[0]
    at_rim = any(
        side.start == 0 or side.stop == length for side, length in zip(box, shape, strict=True)
    )
    return (across and at_rim) or wide > MAX_SIDES * high


def _around(parts: list[_Component]) -> Box:
    """The box around components and their soft edges."""
    left, top, right, bottom = map(int, segmentation.union(np.array([p.bounds for p in parts])))
    return slice(max(top - RIM, 0), bottom + RIM), slice(max(left - RIM, 0), right + RIM)


def _divide(parts: list[_Component], ink: Picture, width: float) -> _Divided:
    """The line of these components, cut into pieces.

    Args:
        parts: in any order.
        ink: of the whole picture.
        width: of its strokes, px.
    """
    rows, columns = _around(parts)
    window = ink[rows, columns]
    corner = np.array([columns.start, rows.start] * 2)
    height = segmentation.line_height(np.array([part.bounds for part in parts], float))
    pieces, cuts = _pieces(parts, corner, window, height, width)
    pieces, bounds, ranks = _in_order(pieces)
    crossings = np.zeros((len(bounds) + 1, 2))
    for first, second, crossed in cuts:
        low, high = sorted((ranks[first], ranks[second]))
        crossings[low + 1 : high + 1] += 1, crossed
    groups = np.array(segmentation.groups(bounds, height))
    return _Divided(window, corner, height, pieces, bounds, crossings, groups)


def _check_work(divided: list[_Divided]) -> None:
    """InputError where it takes too long to draw and read all groups."""
    pieces = sum(len(each.bounds) for each in divided)
    check_busy("picture", pieces, MOST_PIECES, "parts of digits")
    areas = [area for each in divided for area in each.drawn_areas().tolist()]
    check_busy("picture", len(areas), MAX_CANDIDATES, "possible digits")
    check_busy("picture", int(sum(areas)), MAX_DRAWN, "pixels in possible digits")


def _line(divided: _Divided, width: float) -> Line:
    """The line with its candidates; strokes of the picture are ``width`` px wide."""
    window, pieces, bounds, height = (
        divided.window, divided.pieces, divided.bounds, divided.height,
    )  # fmt: skip
    apart = segmentation.distances(
        [
            _outline(pieces, rank + 1, box)
            for rank, box in enumerate(scipy.ndimage.find_objects(pieces))
        ]
    )
    apart = np.maximum(apart - 1, 0)  # neighboring pixels touch
    borders = segmentation.border_features(bounds, apart, height)
    borders[:, [CUT, CROSSED]] = divided.crossings
    borders[:, SQUARED] = borders[:, CROSSED] ** 2
    inked, touching = _with_edges(pieces, window), divided.touching
    candidates = []
    for start, stop in divided.groups.tolist():
        part = slice(start, stop)
        bounded = segmentation.union(bounds[part] + divided.corner)
        form = segmentation.form_features(bounds[part], apart[part, part], height)
        near = slice(max(int(bounds[part, 0].min()) - RIM, 0), int(bounds[part, 2].max()) + RIM)
        edges = touching[[start, stop]]
        for beyond in (0, SHARED * width) if edges.any() else (0,):
            digit = _digit(window[:, near], inked[:, near], start, stop, edges, beyond)
            form = form.copy()
            form[UNSHARED] = edges.any() and not beyond
            candidates.append(Candidate(start, stop, bounded, _frame(digit), form))
    joints = np.zeros(len(bounds), bool)
    return Line(bounds + divided.corner, height, candidates, borders, touching, joints)


def _pieces(
    parts: list[_Component], corner: NDArray[np.intp], window: Picture, height: float, width: float
) -> tuple[Labels, list[tuple[int, int, float]]]:
    """Pieces numbered from 1 in the window, and the cuts: pieces on both sides, ink crossed."""
    pieces, count = np.zeros(window.shape, np.intp), 0
    cuts: list[tuple[int, int, float]] = []
    for part in parts:
        rows, columns = (
            slice(side.start - start, side.stop - start)
            for side, start in zip(part.box, (corner[1], corner[0]), strict=True)
        )
        own = np.where(part.mask, window[rows, columns], 0)
        sides = np.zeros(part.mask.shape, np.intp)
        across = np.arange(part.mask.shape[1])
        found = seams.find_seams(own, height, width)
        for seam in found:
            sides += across > seam.columns[:, None]
        # Seams may meet: only sides with ink are pieces.
        present = np.unique(sides[part.mask])
        numbers = np.zeros(len(found) + 1, np.intp)
        numbers[present] = count + 1 + np.arange(len(present))
        target = pieces[rows, columns]
        target[part.mask] = numbers[sides[part.mask]]
        for first, second in pairwise(present):
            crossed = max(found[side].crossed for side in range(first, second))
            cuts.append((int(numbers[first]), int(numbers[second]), crossed))
        count += len(present)
    return pieces, cuts


def _in_order(pieces: Labels) -> tuple[Labels, Bounds, NDArray[np.intp]]:
    """Pieces numbered in reading order, their bounds, and the rank of each old number, from 0."""
    boxes = scipy.ndimage.find_objects(pieces)
    bounds = np.array([[x.start, y.start, x.stop, y.stop] for y, x in boxes], float)
    order = segmentation.reading_order(bounds)
    ranks = np.zeros(len(order) + 1, np.intp)
    ranks[order + 1] = np.arange(len(order))
    return np.where(pieces > 0, ranks[pieces] + 1, 0), bounds[order], ranks


def _outline(pieces: Labels, number: int, box: Box) -> NDArray[np.float64]:
    """The pixels at the edge of a piece, as points."""
    part = np.pad(pieces[box] == number, 1)
    rows, columns = np.nonzero(part & ~scipy.ndimage.binary_erosion(part))
    return np.stack([columns + box[1].start, rows + box[0].start], axis=1).astype(float)


def _with_edges(pieces: Labels, window: Picture) -> Labels:
    """The pieces with their soft edges: paler ink near them."""
    distance, nearest = scipy.ndimage.distance_transform_edt(pieces == 0, return_indices=True)
    return np.where((distance <= RIM) & (window > 0), pieces[tuple(nearest)], 0)


def _digit(
    window: Picture, inked: Labels, start: int, stop: int, edges: NDArray[np.bool_], beyond: float
) -> Picture:
    """The ink of a group, and a little beyond its cuts: touching digits may share a stroke.

    Args:
        window: the line's ink.
        inked: numbers of the pieces there.
        start, stop: of the group.
        edges: whether the group's first and last piece are cut off there.
        beyond: those cuts, px.
    """
    own = (inked > start) & (inked <= stop)
    if edges.any() and beyond:
        beside = (edges[0] & (inked == start)) | (edges[1] & (inked == stop + 1))
        reach = 2 * max(round(beyond), 1) + 1
        own |= beside & spread(spread(own, reach, axis=0), reach, axis=1)
    return np.where(own, window, 0)


def _frame(digit: Picture) -> Frame:
    """As :func:`frame.ink_to_frame`, of ink that is known to be all of one digit."""
    return place_box(reduce_to_box(normalize_stroke_width(square_window(digit))))
