"""Pen strokes become frames, or pictures of a canvas.

A drawing is a list of strokes, a stroke an ``(n, 2)`` array of points, x right and y down, in any
unit. The pen's width is relative to the digit, so neither brush, zoom nor canvas size matters.

Rendering: the strokes are sampled so densely (``SPACING``) that the distance from a pixel to the
nearest sample is its distance to the line within 0.02 px, and a pixel's ink is how far it lies
inside the pen's radius, clipped to 0-1. Joints and caps come out round, sparse points leave no
gaps, and one batched implementation serves inference and the augmentation of training data.
"""

from __future__ import annotations

import math
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digitlib.errors import InputError
from digitlib.preprocessing.drawing import Strokes, all_bounds, around, as_arrays, bounds, extent
from digitlib.preprocessing.frame import (
    BOX_SIZE,
    Frame,
    find_corner,
    place_at,
    place_box,
    to_bytes,
)

PEN_WIDTH = 2.5  # frame px: the median stroke width of MNIST's training images
MIN_PEN, MAX_PEN = 0.5, 10.0  # frame px: thinner pens leave gaps, wider ones fill the box
SPACING = 0.5  # frame px between samples along a stroke
SHORT = 1_000  # points of a drawing that is not too long, wherever they lie
MAX_SAMPLES = 2**15  # of a longer one: 800 times the box's side, which cover it several times over
OVERSAMPLE = 4  # pictures are drawn this much larger, then reduced by area averaging
# Of the largest stroke's longer side: a stroke at most so long, and so far outside the bounding box
# of the longer ones, is a stray tap.
MAX_TAP_SIZE, MIN_TAP_GAP = 0.2, 0.5
MIN_PART_HEIGHT = 0.6  # of the whole drawing's: a lower part beside a digit belongs to it

PLANES = ("direction x", "direction y", "time")
BLOCK = 64  # argmin takes so many numbers at once; the rest of a row one by one
SMALLEST_SIDE = 1e-300  # of a drawing in its own unit: the reciprocals of some below are infinite
SMALLEST_MOVE = 1e-9  # of the longer side, between neighbours; below it a dot has no direction

Planes = NDArray[np.float32]  # [3, 28, 28]
Points = NDArray[Any]  # [N], x + iy: each operation runs once for both coordinates


def render(strokes: Strokes, *, width: float = PEN_WIDTH) -> Frame:
    """Draw strokes as a frame.

    Args:
        strokes: ``(n, 2)`` arrays of points, x right, y down, any unit; a single point is a dot.
        width: pen width in frame px, 0.5 to 10.

    Returns:
        uint8 ``[28, 28]``.

    Raises:
        BlankDrawingError: there are no points.
        InputError: a stroke has another shape or type, or NaN, or there are too many.
        ValueError: the width is out of range.
    """
    ink, _ = _draw(_resample(strokes)[0], width)
    return place_box(ink.reshape(BOX_SIZE, BOX_SIZE))


def render_with_planes(strokes: Strokes, *, width: float = PEN_WIDTH) -> tuple[Frame, Planes]:
    """Draw strokes as a frame and as planes that tell the way of the pen.

    A pixel's planes are of the sample nearest to it, times its ink: the pen's direction, a unit
    vector (x right, y down), and its time along the drawing, -1 at the first sample to 1 at the
    last, pen-up left out. A picture has no such planes: there they are 0.

    Args:
        strokes, width: as for :func:`render`.

    Returns:
        uint8 ``[28, 28]``, and float32 ``[3, 28, 28]``, -1 to 1.

    Raises:
        as :func:`render`.
    """
    points, numbers = _resample(strokes)
    ink, nearest = _draw(points, width)
    way, last = _directions(points, numbers), len(points) - 1
    values = np.empty((1 + len(PLANES), last + 1), np.float32)  # ink, then the planes
    time = np.arange(-last, last + 1, 2) / max(last, 1)
    values[0], values[1], values[2], values[3] = 1, way.real, way.imag, time
    boxes = (values.take(nearest, axis=1) * ink).reshape(-1, BOX_SIZE, BOX_SIZE)
    placed = place_at(boxes, find_corner(boxes[0]))
    return to_bytes(placed[0]), placed[1:]


def _draw(points: Points, width: float) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Ink of the box's pixels, 0-1, and the number of the sample nearest to each, ``[400]``."""
    if not MIN_PEN <= width <= MAX_PEN:
        raise ValueError(f"The pen is {MIN_PEN:g} to {MAX_PEN:g} frame px wide, not {width}.")
    fitted = _fit_to_box(points, width) - _MIDDLE
    x, y, count = fitted.real, fitted.imag, len(fitted)
    terms = np.zeros((4, -(-count // BLOCK) * BLOCK), np.float32)
    terms[0, count:] = np.inf  # these are no samples: they are infinitely far away
    terms[0, :count], terms[1, :count], terms[2, :count], terms[3] = x * x + y * y, x, y, 1
    squares = _PIXELS @ terms  # |g - p|^2 = |p|^2 - 2 g.p + |g|^2: [400, P]
    nearest = squares.argmin(axis=1)
    distances = np.sqrt(np.maximum(squares.take(nearest + _ROWS * terms.shape[1]), 0))
    return np.minimum(np.maximum(width / 2 + 0.5 - distances, 0), 1), nearest


def _as_complex(points: NDArray[np.float64]) -> Points:
    """Points ``[N, 2]`` as x + iy."""
    return points.view(np.complex128)[:, 0]


def _as_floats(points: Points) -> NDArray[np.float32]:
    """Samples as floats ``[P, 2]``."""
    return points.view(np.float32).reshape(-1, 2)


def _directions(points: Points, numbers: NDArray[np.int16]) -> Points:
    """The pen's direction at each sample, a unit vector as x + iy.

    It is the way from the neighbour before to the one after; at an end of a stroke the sample
    itself takes the place of the neighbour, and dots have 0.
    """
    steps = points[1:] - points[:-1]
    if numbers[-1]:  # there are several strokes
        steps *= numbers[1:] == numbers[:-1]
    moves = np.zeros(len(points), points.dtype)
    moves[1:] = steps
    moves[:-1] += steps
    return moves / np.maximum(np.abs(moves), SMALLEST_MOVE)


def _pixels() -> NDArray[np.float32]:
    """``[400, 4]``: 1, -2x, -2y, x^2 + y^2 of the box's pixels, counted from its middle."""
    y, x = (np.indices((BOX_SIZE, BOX_SIZE)) + (1 - BOX_SIZE) / 2).reshape(2, -1)
    return np.stack([np.ones_like(x), -2 * x, -2 * y, x * x + y * y], axis=1).astype(np.float32)


_PIXELS = _pixels()
_ROWS = np.arange(len(_PIXELS))
_MIDDLE = complex(BOX_SIZE / 2, BOX_SIZE / 2)


def validate_strokes(strokes: Strokes) -> list[NDArray[np.float64]]:
    """Return the strokes as float arrays ``[n, 2]`` without empty ones; raise as ``render``."""
    arrays = as_arrays(strokes)
    all_bounds(arrays)  # raises for NaN
    return arrays


def drop_stray_taps(strokes: Strokes) -> list[NDArray[np.float64]]:
    """The strokes without short ones far from the digit, touches of a palm or resting finger.

    Raises:
        as :func:`render`, which alone finds NaN in a single stroke.
    """
    arrays = as_arrays(strokes)
    if len(arrays) == 1:
        return arrays
    boxes = all_bounds(arrays)
    largest = max(map(extent, boxes))
    longer = [box for box in boxes if extent(box) > MAX_TAP_SIZE * largest]
    if len(longer) in (0, len(arrays)):
        return arrays
    left, top, right, bottom = around(longer)
    gaps = [max(box[0] - right, left - box[2], box[1] - bottom, top - box[3]) for box in boxes]
    return [a for a, gap in zip(arrays, gaps, strict=True) if gap <= MIN_TAP_GAP * largest]


def side_by_side(strokes: Strokes) -> bool:
    """Whether the strokes may be several characters in a row.

    They are where the drawing falls into parts with a gap in between from left to right, and two of
    them are at least ``MIN_PART_HEIGHT`` of its height.

    Raises:
        as :func:`render`.
    """
    boxes = sorted(all_bounds(as_arrays(strokes)))
    parts = [boxes[0]]
    for box in boxes[1:]:
        if box[0] > parts[-1][2]:
            parts.append(box)
        else:
            parts[-1] = around([parts[-1], box])
    *heights, whole = (bottom - top for _, top, _, bottom in (*parts, around(parts)))
    return sum(height >= MIN_PART_HEIGHT * whole for height in heights) > 1


def resample(strokes: Strokes) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Sample strokes evenly, ``SPACING`` apart once fitted to a frame, endless ones more sparsely.

    Returns:
        points ``[P, 2]`` without unit: the longer side of the bounding box has length 1, its upper
        left corner is 0, 0; and the number of each one's stroke, from 0, int16 ``[P]``.

    Raises:
        as :func:`render`.
    """
    points, numbers = _resample(strokes)
    return _as_floats(points), numbers


def _resample(strokes: Strokes) -> tuple[Points, NDArray[np.int16]]:
    """As :func:`resample`, the points as x + iy."""
    arrays = as_arrays(strokes)
    points = np.concatenate(arrays)
    box = bounds(points)
    if 0 < (side := extent(box)) < SMALLEST_SIDE:
        raise InputError("The drawing is too small for its numbers: multiply the coordinates.")
    unit = (_as_complex(points) - complex(box[0], box[1])) * (1 / side if side > 0 else 0.0)
    ends, spacing = accumulate(map(len, arrays), initial=0), SPACING / BOX_SIZE
    if len(points) > SHORT:
        spacing = max(spacing, np.abs(np.diff(unit)).sum().item() / MAX_SAMPLES)
    parts = [_resample_polyline(unit[a:b], spacing) for a, b in pairwise(ends)]
    numbers = np.arange(len(parts), dtype=np.int16).repeat([*map(len, parts)])
    return np.concatenate(parts, dtype=np.complex64, casting="same_kind"), numbers


def _resample_polyline(points: Points, spacing: float) -> Points:
    """Sample a polyline at equal arc lengths, at most ``spacing`` apart, both ends included."""
    arc = np.zeros(len(points))
    np.abs(points[1:] - points[:-1]).cumsum(out=arc[1:])
    length = arc[-1].item()
    gaps = math.ceil(length / spacing)
    at = np.arange(gaps + 1.0) * (length / max(gaps, 1))
    return np.interp(at, arc, points)


def _fit_to_box(points: Points, width: float) -> Points:
    """Scale and move samples so that their ink fills the 20x20 box, aspect kept.

    A dot, or a drawing smaller than the pen, stays at the middle of the box.
    """
    left, top, right, bottom = box = bounds(_as_floats(points))
    side = float(np.float32(extent(box)))  # as precise as the samples
    scale = (BOX_SIZE - width) / side if side > 0 else 0.0
    return (points - complex(left + right, top + bottom) / 2) * scale + _MIDDLE


def rasterize(strokes: Strokes, shape: tuple[int, int], brush: float) -> NDArray[np.float64]:
    """Draw strokes with a round, anti-aliased brush, as a paint program does.

    Args:
        strokes: ``(n, 2)`` arrays of points in px of the picture, x right, y down.
        shape: height and width of the picture, px.
        brush: diameter, px.

    Returns:
        Ink coverage ``[H, W]``, 0-1.
    """
    height, width = shape
    page = Image.new("L", (width * OVERSAMPLE, height * OVERSAMPLE))
    pen, radius = ImageDraw.Draw(page), brush * OVERSAMPLE / 2
    for stroke in strokes:
        path = [(float(x), float(y)) for x, y in stroke * OVERSAMPLE]
        if len(path) > 1:
            pen.line(path, fill=255, width=max(1, round(2 * radius)), joint="curve")
        for x, y in path:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=255)
    return np.asarray(page.reduce(OVERSAMPLE), np.float64) / 255
