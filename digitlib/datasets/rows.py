"""Rows of digits made of real pen strokes, from far apart to touching, and pictures of them.

The digits of a row are of one writer, each as large as he wrote it beside his others.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets.pen import PenDrawing
from digitlib.preprocessing.strokes import rasterize, resample

Points = NDArray[np.float64]

# Clear paper between the ink of neighbors at their nearest, in heights of a digit.
SPACINGS = {"wide": 0.5, "usual": 0.25, "close": 0.12, "just apart": 0.05}
# By so much the ink of neighbors overlaps: their strokes meet, or half of one is over the other.
TOUCHING = {"just touching": -0.01, "half a stroke in common": -0.04}
PEN = 0.08  # width of the pen, in heights of a digit
MIN_SIZE, MAX_SIZE = 0.7, 1.3  # heights of a digit beside its writer's median
MAX_OVERLAP = 0.2  # heights that a digit may reach below or above its neighbor
TRIES = 20  # choices of digits for a row; where they touch, some would reach farther
MARGIN = 0.6  # heights of a digit around the picture of a row
UNSTEADY = 0.04  # heights of a digit, standard deviation off the line


@dataclass(frozen=True)
class Row:
    """Digits side by side.

    Attributes:
        digits: the strokes of each, ``(n, 2)`` arrays in heights of a usual digit, x right, y down,
            from left to right.
        text: what they say, ``?`` for what is no digit.
        writer: number of the writer.
    """

    digits: tuple[list[Points], ...]
    text: str
    writer: int

    @property
    def strokes(self) -> list[Points]:
        """All strokes in the order in which they were written."""
        return [stroke for digit in self.digits for stroke in digit]

    def joined(self) -> list[Points]:
        """The strokes, the pen not lifted between one digit and the next."""
        written = list(self.digits[0])
        for digit in self.digits[1:]:
            written[-1] = np.concatenate([written[-1], digit[0]])
            written += digit[1:]
        return written


def make_rows(
    drawings: Sequence[PenDrawing], count: int, gap: float, seed: int, lengths: tuple[int, int]
) -> list[Row]:
    """Rows of digits of one writer each.

    Args:
        drawings: labelled; none is taken twice for one row.
        count: number of rows.
        gap: clear paper between neighbors, in heights of a digit; below 0 they touch.
        seed: of the choice.
        lengths: smallest and largest number of digits.

    Raises:
        ValueError: no writer has drawn so many digits.
    """
    random = RandomState(seed)
    writers: dict[int, list[PenDrawing]] = defaultdict(list)
    for drawing in drawings:
        writers[drawing.writer].append(drawing)
    least, most = lengths
    able = [writer for writer, own in sorted(writers.items()) if len(own) >= most]
    if not able:
        raise ValueError(f"No writer has drawn {most} digits.")
    rows: list[Row] = []
    while len(rows) < count:
        writer = random.choice(able)
        own = writers[int(writer)]
        length = random.randint(least, most + 1)
        for _ in range(TRIES):
            chosen = [own[i] for i in random.permutation(len(own))[:length]]
            row = _row(chosen, _usual_size(own), gap, random)
            if not _is_interlocked(row):
                rows.append(row)
                break
    return rows


def _is_interlocked(row: Row) -> bool:
    """Whether a digit reaches far below or above its neighbor, as hardly anybody writes."""
    spans = [np.concatenate(digit)[:, 0] for digit in row.digits]
    return any(a.max() - b.min() > MAX_OVERLAP + 1e-6 for a, b in pairwise(spans))


def _usual_size(drawings: Sequence[PenDrawing]) -> float:
    """The median of the longer sides, in the drawings' unit."""
    return float(np.median([np.ptp(np.concatenate(d.strokes), axis=0).max() for d in drawings]))


def _row(chosen: Sequence[PenDrawing], usual: float, gap: float, random: RandomState) -> Row:
    """Digits side by side, each moved left until its ink is ``gap`` from that before it."""
    placed: list[list[Points]] = []
    for drawing in chosen:
        points = np.concatenate(drawing.strokes)
        low, high = points.min(axis=0), points.max(axis=0)
        size = max(float((high - low).max()), 1e-9)
        scale = np.clip(size / usual, MIN_SIZE, MAX_SIZE) / size
        middle = np.array([low[0], (low[1] + high[1]) / 2])
        shift = np.array([0.0, UNSTEADY * random.randn()])
        digit = [(stroke - middle) * scale + shift for stroke in drawing.strokes]
        right = _push(placed, digit, gap + PEN) if placed else 0.0
        placed.append([stroke + np.array([right, 0.0]) for stroke in digit])
    text = "".join(str(drawing.label) if drawing.label < 10 else "?" for drawing in chosen)
    return Row(tuple(placed), text, chosen[0].writer)


def _push(placed: list[list[Points]], digit: list[Points], distance: float) -> float:
    """How far right a digit stands so that its line is so far from all those before it."""
    before = np.concatenate([_dense(each) for each in placed[-2:]])
    own = _dense(digit)
    down = before[:, None, 1] - own[None, :, 1]
    near = np.maximum(distance**2 - down**2, 0)
    right = before[:, None, 0] - own[None, :, 0] + np.sqrt(near)
    # Where no part is at the same height, the boxes keep the distance.
    facing = np.abs(down) <= max(distance, 0.02)
    least = float(before[:, 0].max() if not facing.any() else before[:, 0].min() + MAX_OVERLAP)
    if distance >= PEN:  # those apart may be farther apart
        least = max(least, float(before[:, 0].max()) - MAX_OVERLAP)
    return max(float(right[facing].max()) if facing.any() else least, least)


def _dense(strokes: list[Points]) -> Points:
    """Points along the strokes, near each other, in their unit."""
    points = np.concatenate(strokes)
    low, size = points.min(axis=0), max(float(np.ptp(points, axis=0).max()), 1e-9)
    return resample(strokes)[0] * size + low


def picture(strokes: Sequence[Points], height: float, pen: float = PEN) -> Image.Image:
    """Strokes as a paint program draws them, black on white (mode ``L``).

    Args:
        strokes: in heights of a usual digit.
        height: of a usual digit, px.
        pen: width, in heights of a digit.
    """
    points = np.concatenate(list(strokes))
    low, high = points.min(axis=0) - MARGIN, points.max(axis=0) + MARGIN
    wide, tall = (int(side) for side in np.ceil((high - low) * height))
    ink = rasterize([(stroke - low) * height for stroke in strokes], (tall, wide), pen * height)
    return Image.fromarray(np.rint(255 * (1 - ink)).astype(np.uint8))
