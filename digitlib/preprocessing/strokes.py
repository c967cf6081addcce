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
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digitlib.preprocessing.frame import (
    BOX_SIZE,
    Frame,
    find_corner,
    place_at,
    place_box,
    to_bytes,
)
from digitlib.preprocessing.read import BlankDrawingError

PEN_WIDTH = 2.5  # frame px: the median stroke width of MNIST's training images
MIN_PEN, MAX_PEN = 0.5, 10.0  # frame px: thinner pens leave gaps, wider ones fill the box
SPACING = 0.5  # frame px between samples along a stroke
OVERSAMPLE = 4  # pictures are drawn this much larger, then reduced by area averaging
# Of the largest stroke's longer side: a stroke at most so long, and so far outside the bounding box
# of the longer ones, is a stray tap.
MAX_TAP_SIZE, MIN_TAP_GAP = 0.2, 0.5
MIN_PART_HEIGHT = 0.6  # of the whole drawing's: a lower part beside a digit belongs to it

PLANES = ("direction x", "direction y", "time")
SMALLEST_MOVE = 1e-9  # of the longer side, between neighbours; below it a dot has no direction

Strokes = Sequence[NDArray[np.floating[Any]]]
Planes = NDArray[np.float32]  # [3, 28, 28]


def render(strokes: Strokes, *, width: float = PEN_WIDTH) -> Frame:
    """Draw strokes as a frame.

    Args:
        strokes: ``(n, 2)`` arrays of points, x right, y down, any unit; a single point is a dot.
        width: pen width in frame px, 0.5 to 10.

    Returns:
        uint8 ``[28, 28]``.

    Raises:
        BlankDrawingError: there are no points.
        ValueError: a stroke has another shape, or NaN, or the width is out of range.
    """
    return place_box(_draw(resample(strokes)[0], width)[0])


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
    samples, numbers = resample(strokes)
    box, terms = _draw(samples, width)
    corner = find_corner(box)
    inked = np.flatnonzero(box)
    nearest = (_PIXELS.take(inked, axis=0) @ terms).argmin(axis=1)
    ink = box.take(inked)
    way = _directions(samples, numbers).take(nearest) * ink
    last = len(samples) - 1
    time = (nearest * (2 / max(last, 1)) - (last > 0)) * ink
    planes = np.zeros((len(PLANES), BOX_SIZE * BOX_SIZE), np.float32)
    for plane, values in zip(planes, (way.real, way.imag, time), strict=True):
        plane[inked] = values
    boxes = planes.reshape(-1, BOX_SIZE, BOX_SIZE)
    return to_bytes(place_at(box, corner)), place_at(boxes, corner)


def _draw(
    samples: NDArray[np.float32], width: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Ink of the box ``[20, 20]``, 0-1, and the samples' terms of squared distances, ``[4, P]``."""
    if not MIN_PEN <= width <= MAX_PEN:
        raise ValueError(f"The pen is {MIN_PEN:g} to {MAX_PEN:g} frame px wide, not {width}.")
    fitted = _as_complex(fit_to_box(samples, width)) - _MIDDLE
    x, y = fitted.real, fitted.imag
    terms = np.array([x * x + y * y, x, y, np.ones_like(x)])
    # |g - p|^2 = |p|^2 - 2 g.p + |g|^2, for all samples and pixels at once: [P, 400]
    squares = terms.T @ _PIXELS.T
    nearest = np.sqrt(np.maximum(squares.min(axis=0), 0)).reshape(BOX_SIZE, BOX_SIZE)
    return (width / 2 + 0.5 - nearest).clip(0, 1), terms


def _as_complex(points: NDArray[np.floating[Any]]) -> NDArray[Any]:
    """Points ``[N, 2]`` as x + iy, so that each operation runs once for both coordinates."""
    return points.view(np.result_type(points, np.complex64))[:, 0]


def _directions(samples: NDArray[np.float32], numbers: NDArray[np.int16]) -> NDArray[np.complex64]:
    """The pen's direction at each sample, a unit vector as x + iy.

    It is the way from the neighbour before to the one after; at an end of a stroke the sample
    itself takes the place of the neighbour, and dots have 0.
    """
    points = _as_complex(samples)
    steps = points[1:] - points[:-1]
    if numbers[-1]:  # there are several strokes
        steps *= numbers[1:] == numbers[:-1]
    moves = np.zeros_like(points)
    moves[1:] = steps
    moves[:-1] += steps
    return moves / np.maximum(np.abs(moves), SMALLEST_MOVE)


def _pixels() -> NDArray[np.float32]:
    """``[400, 4]``: 1, -2x, -2y, x^2 + y^2 of the box's pixels, counted from its middle."""
    y, x = (np.indices((BOX_SIZE, BOX_SIZE)) + (1 - BOX_SIZE) / 2).reshape(2, -1)
    return np.stack([np.ones_like(x), -2 * x, -2 * y, x * x + y * y], axis=1).astype(np.float32)


_PIXELS = _pixels()
_MIDDLE = complex(BOX_SIZE / 2, BOX_SIZE / 2)


def validate_strokes(strokes: Strokes) -> list[NDArray[np.float64]]:
    """Return the strokes as float arrays ``[n, 2]`` without empty ones; raise as ``render``."""
    arrays = [np.asarray(stroke, np.float64) for stroke in strokes]
    arrays = [array for array in arrays if array.size]
    if not arrays:
        raise BlankDrawingError("There are no strokes in the drawing: draw a digit first.")
    for array in arrays:
        if array.ndim != 2 or array.shape[1] != 2:
            raise ValueError(f"A stroke is an array (n, 2) of x and y; this one is {array.shape}.")
        if not np.isfinite(array).all():
            raise ValueError("A stroke has NaN or infinite coordinates: drop those points first.")
    return arrays


def drop_stray_taps(strokes: Strokes) -> list[NDArray[np.float64]]:
    """The strokes without short ones far from the digit, touches of a palm or resting finger.

    Raises:
        as :func:`render`.
    """
    arrays = validate_strokes(strokes)
    if len(arrays) == 1:
        return arrays
    low = np.array([array.min(axis=0) for array in arrays])
    high = np.array([array.max(axis=0) for array in arrays])
    sizes = (high - low).max(axis=1)
    tiny = sizes <= MAX_TAP_SIZE * sizes.max()
    if not tiny.any() or tiny.all():
        return arrays
    gaps = np.maximum(low - high[~tiny].max(axis=0), low[~tiny].min(axis=0) - high).max(axis=1)
    taps = tiny & (gaps > MIN_TAP_GAP * sizes.max())
    return [array for array, tap in zip(arrays, taps, strict=True) if not tap]


def side_by_side(strokes: Strokes) -> bool:
    """Whether the strokes may be several characters in a row.

    They are where the drawing falls into parts with a gap in between from left to right, and two of
    them are at least ``MIN_PART_HEIGHT`` of its height.

    Raises:
        as :func:`render`.
    """
    boxes = sorted((*a.min(axis=0), *a.max(axis=0)) for a in validate_strokes(strokes))
    parts = [boxes[0]]
    for left, top, right, bottom in boxes[1:]:
        before = parts[-1]
        if left > before[2]:
            parts.append((left, top, right, bottom))
        else:
            higher, lower = min(before[1], top), max(before[3], bottom)
            parts[-1] = (before[0], higher, max(before[2], right), lower)
    heights = [bottom - top for _, top, _, bottom in parts]
    whole = max(box[3] for box in boxes) - min(box[1] for box in boxes)
    return sum(height >= MIN_PART_HEIGHT * whole for height in heights) > 1


def resample(strokes: Strokes) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Sample strokes evenly, ``SPACING`` apart once fitted to a frame.

    Returns:
        points ``[P, 2]`` without unit: the longer side of the bounding box has length 1, its upper
        left corner is 0, 0; and the number of each one's stroke, from 0, int16 ``[P]``.

    Raises:
        as :func:`render`.
    """
    arrays = validate_strokes(strokes)
    points = _as_complex(np.concatenate(arrays))
    left, right, top, bottom = _bounds(points)
    extent = max(right - left, bottom - top)
    points = (points - complex(left, top)) * (1 / extent if extent > 0 else 0.0)
    ends = accumulate(map(len, arrays), initial=0)
    parts = [_resample_polyline(points[a:b], SPACING / BOX_SIZE) for a, b in pairwise(ends)]
    sampled = np.concatenate(parts, dtype=np.complex64, casting="same_kind")
    numbers = np.repeat(np.arange(len(parts), dtype=np.int16), [*map(len, parts)])
    return sampled.view(np.float32).reshape(-1, 2), numbers


def _resample_polyline(points: NDArray[np.complex128], spacing: float) -> NDArray[np.complex128]:
    """Sample a polyline at equal arc lengths, at most ``spacing`` apart, both ends included."""
    arc = np.zeros(len(points))
    np.abs(points[1:] - points[:-1]).cumsum(out=arc[1:])
    gaps = math.ceil(arc[-1] / spacing)
    at = np.arange(gaps + 1) * (arc[-1] / max(gaps, 1))
    return np.interp(at, arc, points)


def _bounds(points: NDArray[np.complexfloating[Any, Any]]) -> tuple[Any, Any, Any, Any]:
    """Left, right, top and bottom of points."""
    x, y = points.real, points.imag
    return x.min(), x.max(), y.min(), y.max()


def fit_to_box(points: NDArray[np.float32], width: float) -> NDArray[np.float32]:
    """Scale and move samples ``[P, 2]`` so that their ink fills the 20x20 box, aspect kept.

    A dot, or a drawing smaller than the pen, stays at the middle of the box.
    """
    given = _as_complex(points)
    left, right, top, bottom = _bounds(given)
    extent = max(right - left, bottom - top)
    scale = np.float32((BOX_SIZE - width) / float(extent)) if extent > 0 else np.float32(0)
    fitted = (given - complex(left + right, top + bottom) / 2) * scale + _MIDDLE
    return fitted.view(np.float32).reshape(-1, 2)


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
