"""What a drawing is: strokes of points within limits, and the boxes around them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError, InputError
from digitlib.preprocessing.limits import check_busy

MAX_STROKES, MAX_POINTS = 20_000, 1_000_000  # of a drawing; more are refused
REAL = "fiub"  # kinds of NumPy's types that coordinates may have: floats, integers, bool
NOT_FINITE = "A stroke has NaN or infinite coordinates, or too large ones: drop those points first."

Strokes = Sequence[NDArray[np.floating[Any]]]
Box = tuple[float, float, float, float]  # left, top, right, bottom


def as_arrays(strokes: Strokes) -> list[NDArray[np.float64]]:
    """The strokes as float arrays ``[n, 2]``, C-contiguous, without empty ones.

    Raises:
        BlankDrawingError: there are no points.
        InputError: a stroke has another shape or type, or there are too many; NaN is found by
            :func:`bounds`.
    """
    try:
        count = len(strokes)
    except TypeError as error:
        kind = type(strokes).__name__
        raise InputError(f"A drawing is a list of strokes, (n, 2) each, not {kind}.") from error
    check_busy("drawing", count, MAX_STROKES, "strokes")
    arrays = [array for array in map(_as_array, strokes) if array.size]
    if not arrays:
        raise BlankDrawingError("There are no strokes in the drawing: draw a digit first.")
    for array in arrays:
        if array.ndim != 2 or array.shape[1] != 2:
            raise InputError(f"A stroke is an array (n, 2) of x and y; this one is {array.shape}.")
    check_busy("drawing", sum(map(len, arrays)), MAX_POINTS, "points")
    return arrays


def _as_array(stroke: Any) -> NDArray[np.float64]:
    """A stroke as floats, row by row in memory."""
    try:
        array = np.asarray(stroke, order="C")
        if array.dtype.kind in REAL:
            return array.astype(np.float64, copy=False)
    except (TypeError, ValueError, OverflowError, RuntimeError) as error:
        raise InputError(f"A stroke is an array (n, 2) of numbers: {error}.") from error
    raise InputError(f"A stroke is an array (n, 2) of real numbers, not of {array.dtype}.")


def bounds(points: NDArray[np.floating[Any]]) -> Box:
    """The bounding box of points ``[N, 2]``.

    Raises:
        InputError: a coordinate is NaN or infinite, or the points lie too far apart.
    """
    columns = points.T.copy()
    (left, top), (right, bottom) = columns.min(axis=1).tolist(), columns.max(axis=1).tolist()
    if not math.isfinite(right - left + bottom - top):
        raise InputError(NOT_FINITE)
    return left, top, right, bottom


def all_bounds(arrays: Sequence[NDArray[np.float64]]) -> list[Box]:
    """As :func:`bounds`, of each array, none of them empty; of thousands at once."""
    columns = np.concatenate(arrays).T.copy()
    starts = [0, *accumulate(map(len, arrays[:-1]))]
    low = np.minimum.reduceat(columns, starts, axis=1).tolist()
    high = np.maximum.reduceat(columns, starts, axis=1).tolist()
    boxes = [*zip(*low, *high, strict=True)]
    if not all(math.isfinite(box[2] - box[0] + box[3] - box[1]) for box in boxes):
        raise InputError(NOT_FINITE)
    return boxes


def extent(box: Box) -> float:
    """The length of a box's longer side."""
    left, top, right, bottom = box
    return max(right - left, bottom - top)


def around(boxes: Sequence[Box]) -> Box:
    """The bounding box of boxes."""
    left, top, right, bottom = zip(*boxes, strict=True)
    return min(left), min(top), max(right), max(bottom)
