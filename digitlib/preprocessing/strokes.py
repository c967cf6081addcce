"""Render pen strokes as frames, or as pictures of a canvas.

A drawing is a list of strokes. A stroke is an ``(n, 2)`` array of points, x right and y down, in
any unit. The pen width is relative to the digit, so brush, zoom and canvas size don't matter.

Rendering samples the strokes densely (``SPACING``). The distance from a pixel to the nearest sample
is then its distance to the line within 0.02 px. The ink of a pixel is how far it is inside the
pen's radius, clipped to 0-1. Joints and caps are round, and sparse points leave no gaps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate, compress, pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from digitlib.errors import BlankDrawingError, InputError
from digitlib.preprocessing.frame import BOX_SIZE, CHANNELS, Frame, place
from digitlib.preprocessing.limits import check_busy

MAX_STROKES, MAX_POINTS = 20_000, 1_000_000  # of a drawing; larger drawings are refused
REAL = "fiub"  # NumPy kinds that coordinates may have: floats, integers, bool
PEN_WIDTH = 2.5  # frame px: the median stroke width of MNIST's training images
MIN_PEN, MAX_PEN = 0.5, 10.0  # frame px: thinner pens leave gaps, wider ones fill the box
SPACING = 0.5  # frame px between samples along a stroke
SHORT = 1_000  # points; drawings with more points are sampled more sparsely if their lines are long
MAX_SAMPLES = 2**15  # of a long drawing: 800 times the box's side
OVERSAMPLE = 4  # pictures are drawn this much larger, then reduced by area averaging
# A stroke is a stray tap if its longer side is at most MAX_TAP_SIZE, and it is at least MIN_TAP_GAP
# outside the bounding box of the longer strokes. The unit is the largest stroke's longer side.
MAX_TAP_SIZE, MIN_TAP_GAP = 0.2, 0.5
MIN_PART_HEIGHT = 0.6  # of the drawing's height; a lower part beside a digit belongs to the digit

BLOCK = 64  # argmin is fast for rows of a multiple of this many numbers
SMALLEST_SIDE = 1e-300  # of a drawing in its own unit; reciprocals of smaller numbers may overflow
SMALLEST_MOVE = 1e-9  # of the longer side, between neighbors; a dot moves less

Strokes = Sequence[NDArray[np.floating[Any]]]
Points = NDArray[Any]  # [N], x + iy: each operation runs once for both coordinates
Boxes = NDArray[np.float64]  # [N, 4]: left, top, right, bottom

# [400, 4]: 1, -2x, -2y, x^2 + y^2 of the box's pixels, relative to its middle
_Y, _X = (np.indices((BOX_SIZE, BOX_SIZE)) + (1 - BOX_SIZE) / 2).reshape(2, -1)
_PIXELS = np.stack([np.ones_like(_X), -2 * _X, -2 * _Y, _X * _X + _Y * _Y], 1).astype(np.float32)
_ROWS = np.arange(len(_PIXELS))
_MIDDLE = complex(BOX_SIZE / 2, BOX_SIZE / 2)


# --- frames --------------------------------------------------------------------------------


def render(strokes: Strokes, *, width: float = PEN_WIDTH, drop_taps: bool = False) -> Frame:
    """Draw strokes as a frame with stroke direction and order.

    Each pixel takes the values of the sample nearest to it, times its ink. The direction is a unit
    vector (x right, y down): from the sample before to the sample after, or 0 for a dot. The time
    is -1 at the first sample and 1 at the last one, without pauses.

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
    points, numbers = _resample(*_validate(strokes, drop_taps))
    ink, nearest = _draw(points, width)
    steps = points[1:] - points[:-1]
    if numbers[-1]:  # there are several strokes
        steps *= numbers[1:] == numbers[:-1]
    moves = np.zeros(len(points), points.dtype)
    moves[1:] = steps
    moves[:-1] += steps
    moves /= np.maximum(np.abs(moves), SMALLEST_MOVE)
    last = len(points) - 1
    values = np.empty((len(CHANNELS), last + 1), np.float32)
    time = np.arange(-last, last + 1, 2) / max(last, 1)
    values[0], values[1], values[2], values[3] = 1, moves.real, moves.imag, time
    return place((values.take(nearest, axis=1) * ink).reshape(-1, BOX_SIZE, BOX_SIZE))


def _draw(points: Points, width: float) -> tuple[NDArray[np.float32], NDArray[np.intp]]:
    """Ink of the box's pixels, 0-1, and the number of the sample nearest to each, ``[400]``.

    The samples are scaled so that their ink fills the box, aspect kept. A dot is in the middle.
    """
    if not MIN_PEN <= width <= MAX_PEN:
        raise ValueError(f"The pen must be {MIN_PEN:g} to {MAX_PEN:g} frame px wide, not {width}.")
    columns = points.view(np.float32).reshape(-1, 2).T.copy()
    (left, top), (right, bottom) = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
    side = float(np.float32(max(right - left, bottom - top)))  # as precise as the samples
    scale = (BOX_SIZE - width) / side if side > 0 else 0.0
    fitted = (points - complex(left + right, top + bottom) / 2) * scale + _MIDDLE
    fitted -= _MIDDLE  # rounded as px of the box
    x, y, count = fitted.real, fitted.imag, len(fitted)
    terms = np.zeros((4, -(-count // BLOCK) * BLOCK), np.float32)
    terms[0, count:] = np.inf  # padding is infinitely far away
    terms[0, :count], terms[1, :count], terms[2, :count], terms[3] = x * x + y * y, x, y, 1
    squares = _PIXELS @ terms  # |g - p|^2 = |p|^2 - 2 g.p + |g|^2: [400, P]
    nearest = squares.argmin(axis=1)
    distances = np.sqrt(np.maximum(squares.take(nearest + _ROWS * terms.shape[1]), 0))
    return np.minimum(np.maximum(width / 2 + 0.5 - distances, 0), 1), nearest


def resample(strokes: Strokes) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
    """Sample strokes evenly, ``SPACING`` apart once fitted to a frame, or fewer if they are long.

    Returns:
        points ``[P, 2]``: the upper left corner of their bounding box is 0, 0, and its longer side
        has length 1; and the stroke number of each point, from 0, int16 ``[P]``.
    """
    points, numbers = _resample(*_validate(strokes))
    return points.view(np.float32).reshape(-1, 2), numbers


def _resample(arrays: list[NDArray[np.float64]], boxes: Boxes) -> tuple[Points, NDArray[np.int16]]:
    """As :func:`resample` of valid strokes with their bounding boxes; the points are x + iy."""
    lefts, tops, rights, bottoms = boxes.T
    left, top = float(lefts.min()), float(tops.min())
    side = max(float(rights.max()) - left, float(bottoms.max()) - top)
    if 0 < side < SMALLEST_SIDE:
        raise InputError("The drawing is too small for its numbers: multiply the coordinates.")
    unit = np.concatenate(arrays).view(np.complex128)[:, 0] - complex(left, top)
    unit *= 1 / side if side > 0 else 0.0
    spacing = SPACING / BOX_SIZE
    if len(unit) > SHORT:
        spacing = max(spacing, np.abs(np.diff(unit)).sum().item() / MAX_SAMPLES)
    parts = []
    for start, stop in pairwise(accumulate(map(len, arrays), initial=0)):
        points = unit[start:stop]
        arc = np.zeros(len(points))
        np.abs(points[1:] - points[:-1]).cumsum(out=arc[1:])
        length = arc[-1].item()
        gaps = math.ceil(length / spacing)  # equally long, at most ``spacing``; both ends included
        parts.append(np.interp(np.arange(gaps + 1.0) * (length / max(gaps, 1)), arc, points))
    numbers = np.arange(len(parts), dtype=np.int16).repeat([*map(len, parts)])
    return np.concatenate(parts, dtype=np.complex64, casting="same_kind"), numbers


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
        InputError: a coordinate is NaN or infinite, or the points are too far apart.
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
