"""Render pen strokes as frames, or as pictures of a canvas.

A drawing is a list of strokes. A stroke is an ``(n, 2)`` array of points, x right and y down, in
any unit. The pen width is relative to the digit, so brush, zoom and canvas size don't matter.

A frame follows from the distances of its pixels to the lines between the points. Ink is half the
pen's width plus 0.5 minus the distance, clipped to 0-1: joints and caps are round, and sparse
points leave no gaps. All positions are float64, and no result depends on an order of summation, so
other languages can compute the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, compress
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digitlib.errors import BlankDrawingError, InputError
from digitlib.preprocessing.frame import BOX_SIZE, Frame, place
from digitlib.preprocessing.limits import check_busy

MAX_STROKES, MAX_POINTS = 20_000, 1_000_000  # of a drawing; larger drawings are refused
REAL = "fiub"  # NumPy kinds that coordinates may have: floats, integers, bool
PEN_WIDTH = 2.5  # frame px: the median stroke width of MNIST's training images
MIN_PEN, MAX_PEN = 0.5, 10.0  # frame px: thinner pens leave gaps, wider ones fill the box
LIFT = 0.5  # frame px that a pen lift counts in time
MANY = 2**13  # points; of more, only evenly spaced ones are kept
BLOCK = 2**12  # windows of pixels that are in memory at once
# A line is near a pixel by a key: the squared distance, rounded, and in its last digits the number
# of the line. So the first of equally near lines is the nearest, whatever the rounding errors.
ROUNDED, NUMBERS = 2.0**-24, 2**20
MARGIN = 2  # px on each side of the box, where windows of pixels may reach
OVERSAMPLE = 4  # pictures are drawn this much larger, then reduced by area averaging
# A stroke is a stray tap if its longer side is at most MAX_TAP_SIZE, and it is at least MIN_TAP_GAP
# outside the bounding box of the longer strokes. The unit is the largest stroke's longer side.
MAX_TAP_SIZE, MIN_TAP_GAP = 0.2, 0.5
MIN_PART_HEIGHT = 0.6  # of the drawing's height; a lower part next to a digit belongs to the digit

SMALLEST_SIDE = 1e-300  # of a drawing in its own unit; reciprocals of smaller numbers may overflow

Strokes = Sequence[NDArray[np.floating[Any]]]
Points = NDArray[np.complex128]  # [N], x + iy: each operation runs once for both coordinates
Boxes = NDArray[np.float64]  # [N, 4]: left, top, right, bottom

_CENTERS = np.arange(BOX_SIZE) + 0.5  # of the box's pixels, px


# --- frames --------------------------------------------------------------------------------


def render(strokes: Strokes, *, width: float = PEN_WIDTH, drop_taps: bool = False) -> Frame:
    """Draw strokes as a frame with stroke direction and order.

    The direction is a unit vector, x right, y down; a dot has none. The time is -1 at the start of
    the drawing and 1 at its end, without pauses; a single dot has 0. Both are multiplied by the
    ink.

    Args:
        strokes: ``(n, 2)`` arrays of points, x right, y down, any unit; a single point is a dot.
        width: pen width in frame px, 0.5 to 10.
        drop_taps: leave out what :func:`drop_stray_taps` leaves out.

    Returns:
        float32 ``[4, 28, 28]``.

    Raises:
        BlankDrawingError: there are no points.
        InputError: a stroke has the wrong shape or type or a NaN, or there are too many points.
        ValueError: the width is out of range.
    """
    arrays, boxes = _validate(strokes, drop_taps)
    if not MIN_PEN <= width <= MAX_PEN:
        raise ValueError(f"The pen must be {MIN_PEN:g} to {MAX_PEN:g} frame px wide, not {width}.")
    (left, top), (right, bottom) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = max(right - left, bottom - top)
    scale = float((BOX_SIZE - width) / side) if side else 0.0
    half = complex(right - left, bottom - top) * scale / 2
    if (count := sum(map(len, arrays))) > MANY:
        every = -(-count // MANY)
        arrays = [np.concatenate([stroke[:-1:every], stroke[-1:]]) for stroke in arrays]
    points = np.concatenate(arrays).view(np.complex128)[:, 0]
    points = (points - complex(left, top)) * scale + (complex(BOX_SIZE, BOX_SIZE) / 2 - half)
    last = np.cumsum([*map(len, arrays)]) - 1
    steps = np.empty_like(points)  # to the next point: a line
    np.subtract(points[1:], points[:-1], out=steps[:-1])
    steps[last] = 0
    lengths = np.sqrt(steps.real**2 + steps.imag**2)
    units = steps * (1 / np.maximum(lengths, SMALLEST_SIDE))
    moved = lengths.copy()
    moved[last] = LIFT
    times = np.zeros(len(points))
    moved[:-1].cumsum(out=times[1:])

    reach = width / 2 + 0.5  # farther pixels have no ink
    line = _nearest(points, units, lengths, reach)
    away, unit = _CENTERS + 1j * _CENTERS[:, None] - points[line], units[line]
    along = away.real * unit.real + away.imag * unit.imag
    along = np.minimum(np.maximum(along, 0), lengths[line])
    away -= along * unit
    ink = np.minimum(np.maximum(reach - np.sqrt(away.real**2 + away.imag**2), 0), 1)
    time = (times[line] + along) * (2 / times[-1]) - 1 if times[-1] else np.zeros_like(ink)
    return place(np.stack([ink, ink * unit.real, ink * unit.imag, ink * time]))


def _nearest(
    points: Points, units: Points, lengths: NDArray[np.float64], reach: float
) -> NDArray[np.intp]:
    """The number of the line nearest to each pixel ``[20, 20]``, the first of equally near ones.

    Lines are compared only in windows around parts of at most 1 px, as far as the pen reaches.
    Other pixels have the number 0.
    """
    parts = np.maximum(np.ceil(lengths), 1).astype(np.intp)
    every = np.arange(len(parts)).repeat(parts)
    number = np.arange(len(every)) - (parts.cumsum() - parts)[every]
    middles = points[every] + units[every] * ((number + 0.5) * (lengths / parts)[every])
    corners = middles - complex(reach + 1, reach + 1)
    window = np.arange(int(2 * reach + 1) + 1)[:, None]
    size = BOX_SIZE + 2 * MARGIN
    keys = np.full(size * size, 2.0**60)
    for start in range(0, len(every), BLOCK):
        line, corner = every[start : start + BLOCK], corners[start : start + BLOCK]
        columns, rows = np.ceil(corner.real) + window, np.ceil(corner.imag) + window
        point, unit = points[line], units[line]
        x, y = columns + 0.5 - point.real, rows + 0.5 - point.imag
        # With c for the place a along the line, clipped to it: |g - p|^2 + c (c - 2a)
        squares = (y * unit.imag)[:, None] + x * unit.real  # [side, side, windows]
        clipped = np.minimum(np.maximum(squares, 0), lengths[line])
        squares = clipped * (clipped - 2 * squares) + ((y * y)[:, None] + x * x)
        pixels = ((rows + MARGIN) * size)[:, None] + (columns + MARGIN)
        found = np.rint(squares * (1 / ROUNDED)) * NUMBERS + line
        np.minimum.at(keys, pixels.astype(np.intp).ravel(), found.ravel())
    box = keys.reshape(size, size)[MARGIN:-MARGIN, MARGIN:-MARGIN]
    return box.astype(np.int64) & (NUMBERS - 1)


# --- valid strokes -------------------------------------------------------------------------


def validate_strokes(strokes: Strokes) -> list[NDArray[np.float64]]:
    """Return the strokes as float arrays ``[n, 2]`` without empty ones; raise as ``render``."""
    return _validate(strokes)[0]


def drop_stray_taps(strokes: Strokes) -> list[NDArray[np.float64]]:
    """Return the strokes without short ones far from the digit, a palm's or finger's touches."""
    return _validate(strokes, drop_taps=True)[0]


def _validate(strokes: Strokes, drop_taps: bool = False) -> tuple[list[NDArray[np.float64]], Boxes]:
    """Strokes as C-contiguous float arrays ``[n, 2]`` without empty ones, with bounding boxes."""
    try:
        if len(strokes) > MAX_STROKES:
            check_busy("drawing", len(strokes), MAX_STROKES, "strokes")
    except TypeError as error:
        kind = type(strokes).__name__
        raise InputError(f"A drawing is a list of (n, 2) strokes, not {kind}.") from error
    arrays = []
    for stroke in strokes:
        try:
            array = np.asarray(stroke, order="C")
        except (TypeError, ValueError, OverflowError, RuntimeError) as error:
            raise InputError(f"A stroke is an array (n, 2) of numbers: {error}.") from error
        if array.dtype.kind not in REAL:
            raise InputError(f"A stroke is an array (n, 2) of real numbers, not of {array.dtype}.")
        if array.size:
            if array.ndim != 2 or array.shape[1] != 2:
                shape = array.shape
                raise InputError(f"A stroke is an array (n, 2) of x and y; this one is {shape}.")
            arrays.append(array.astype(np.float64, copy=False))
    if not arrays:
        raise BlankDrawingError("There are no strokes in the drawing: draw a digit first.")
    if (points := sum(map(len, arrays))) > MAX_POINTS:
        check_busy("drawing", points, MAX_POINTS, "points")
    boxes = bounding_boxes(arrays)
    if drop_taps and len(arrays) > 1:
        sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
        longer = boxes[sides > MAX_TAP_SIZE * sides.max()]
        if 0 < len(longer) < len(arrays):
            outside = np.maximum(longer[:, :2].min(axis=0) - boxes[:, 2:],
                                 boxes[:, :2] - longer[:, 2:].max(axis=0))  # fmt: skip
            kept = outside.max(axis=1) <= MIN_TAP_GAP * sides.max()
            arrays, boxes = [*compress(arrays, kept)], boxes[kept]
    return arrays, boxes


def bounding_boxes(arrays: Sequence[NDArray[np.float64]]) -> Boxes:
    """The bounding box of each array of points ``[n, 2]``, none of them empty.

    Raises:
        InputError: a coordinate is NaN or infinite, or the points are too far apart or too close.
    """
    columns = np.concatenate(arrays).T.copy()
    starts = [0, *accumulate(map(len, arrays[:-1]))]
    low = np.minimum.reduceat(columns, starts, axis=1)
    high = np.maximum.reduceat(columns, starts, axis=1)
    (left, top), (right, bottom) = low.min(axis=1).tolist(), high.max(axis=1).tolist()
    if not math.isfinite(right - left + bottom - top):
        raise InputError(
            "A stroke has NaN or infinite coordinates, or too large ones: drop those points first."
        )
    if 0 < max(right - left, bottom - top) < SMALLEST_SIDE:
        raise InputError("The drawing is too small for its numbers: multiply the coordinates.")
    return np.concatenate([low, high]).T


def side_by_side(strokes: Strokes) -> bool:
    """Whether the strokes may be several characters in a row.

    They may be if gaps from left to right divide the drawing into parts, and at least two of these
    parts have ``MIN_PART_HEIGHT`` of its height.

    Raises:
        as :func:`render`.
    """
    boxes = sorted(_validate(strokes)[1].tolist())
    parts = [boxes[0]]
    for left, top, right, bottom in boxes[1:]:
        if left > parts[-1][2]:
            parts.append([left, top, right, bottom])
        else:
            last = parts[-1]
            parts[-1] = [last[0], min(last[1], top), max(last[2], right), max(last[3], bottom)]
    height = max(part[3] for part in parts) - min(part[1] for part in parts)
    return sum(bottom - top >= MIN_PART_HEIGHT * height for _, top, _, bottom in parts) > 1


# --- pictures of a canvas ------------------------------------------------------------------


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


def draw_numbered(strokes: Strokes, shape: tuple[int, int], brush: float) -> NDArray[np.uint8]:
    """Draw strokes with a round brush, and number them.

    Args:
        strokes: ``(n, 2)`` arrays of points in px of the picture, x right, y down.
        shape: height and width of the picture, px.
        brush: diameter, px.

    Returns:
        uint8 ``[2, H, W]``: ink coverage, 0-255, and the number of the stroke at each pixel, from 1
        to 255 and then from 1 again; 0 without ink. Where strokes cross, the later one counts.
    """
    size, fine_size = (shape[1], shape[0]), (shape[1] * OVERSAMPLE, shape[0] * OVERSAMPLE)
    layers = Image.new("L", fine_size), Image.new("L", size)
    pens = [ImageDraw.Draw(layer) for layer in layers]
    for number, stroke in enumerate(strokes):
        for pen, scale, value in zip(pens, (OVERSAMPLE, 1), (255, number % 255 + 1), strict=True):
            path = (stroke * scale).ravel().tolist()
            diameter = max(brush * scale, 1)
            if len(path) > 2:
                pen.line(path, value, max(round(diameter), 1), joint="curve")
            for x, y in (path[:2], path[-2:]):
                reach = diameter / 2
                pen.ellipse((x - reach, y - reach, x + reach, y + reach), fill=value)
    ink = np.asarray(layers[0].reduce(OVERSAMPLE))
    return np.stack([ink, np.where(ink > 0, np.asarray(layers[1]), 0)])
