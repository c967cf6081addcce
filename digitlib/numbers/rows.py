"""The input of the row network: a picture or pen strokes as ink, ``HEIGHT`` px high."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

HEIGHT = 32  # px of a row
STRIDE = 2  # px of a row per column of the network's output
MIN_WIDTH, MAX_WIDTH = 12, 1024  # px
PADDING = 8  # empty px on the left and on the right
CYCLE = 3  # shades in which strokes are numbered: neighbors differ
PAPER = 5, 7  # quarter px: window in which the lightest shade is paper
FULL, LEAST = 98, 8.0  # percentile of the ink that is full; gray levels that ink has at least

RowInput = NDArray[np.uint8]  # [2, HEIGHT, W]: ink, and the shades of strokes or 0


def picture_row(gray: NDArray[np.uint8], wider: float = 1.0) -> RowInput:
    """A picture of one row, dark on light, gray 0-255 ``[H, W]``, as input of the network.

    ``wider`` stretches it.
    """
    height, width = gray.shape
    wide = int(np.clip(round(wider * width * HEIGHT / height), MIN_WIDTH, MAX_WIDTH))
    way = Image.Resampling.BOX if height > HEIGHT else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(gray).resize((wide, HEIGHT), way), np.float32)
    quarter = Image.fromarray(small).resize((max(wide // 4, 1), HEIGHT // 4), Image.Resampling.BOX)
    paper = scipy.ndimage.maximum_filter(np.asarray(quarter), PAPER, mode="nearest")
    paper = scipy.ndimage.gaussian_filter(paper, 1.5, mode="nearest", truncate=2)
    level = np.asarray(Image.fromarray(paper).resize((wide, HEIGHT), Image.Resampling.BILINEAR))
    ink = np.maximum(level - small, 0)
    full = max(float(np.percentile(ink[::2, ::2], FULL)), LEAST)
    shades = np.rint(255 * np.minimum(ink / full, 1)).astype(np.uint8)
    return _padded(shades, np.zeros_like(shades))


def pad(rows: Sequence[RowInput]) -> NDArray[np.uint8]:
    """Rows in one array ``[N, 2, HEIGHT, W]``; W is even, and padding on the right is empty."""
    widest = max(row.shape[2] for row in rows)
    padded = np.zeros((len(rows), 2, HEIGHT, widest + widest % STRIDE), np.uint8)
    for place, row in enumerate(rows):
        padded[place, :, :, : row.shape[2]] = row
    return padded


def stroke_row(ink: NDArray[np.uint8], numbers: NDArray[np.uint8]) -> RowInput:
    """Ink and stroke numbers ``[HEIGHT, W]`` of :func:`strokes.draw_numbered` as input."""
    shades = np.where(numbers > 0, (numbers % CYCLE + 1) * (255 // CYCLE), 0)
    return _padded(ink, shades.astype(np.uint8))


def _padded(*channels: NDArray[np.uint8]) -> RowInput:
    """Both channels with empty columns on both sides, so that digits at an end are whole."""
    return np.pad(np.stack(channels), ((0, 0), (0, 0), (PADDING, PADDING)))
