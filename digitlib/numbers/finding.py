"""Find rows of writing: on a page, and among pen strokes."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from digitlib.numbers.reading import Box

SEARCH_SIDE = 900  # px of the longer side of the picture in which rows are searched
LINE = 0.4  # of the picture's width or height: straight runs of ink as long as this are ruling
SMALL = 0.4  # of a tall part's height: smaller parts belong to rows, but don't make one
SAME_ROW = 0.35  # of its height that a part shares with the nearest part of its row
FAR = 6.0  # heights between neighbors of a row
MIN_ROW = 0.5  # of the tallest row: lower rows are print


def darken(gray: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture with dark ink, uint8; light ink on dark paper is inverted.

    Ink covers less than paper, so the differences from the local mean are skewed toward ink.
    """
    small = np.asarray(Image.fromarray(gray).resize((96, 96), Image.Resampling.BOX))
    detail = small - scipy.ndimage.gaussian_filter(small, 16)
    dark = 1 - gray if float((detail**3).mean()) > 0 else gray
    return np.rint(255 * dark.clip(0, 1)).astype(np.uint8)


def find_rows(gray: NDArray[np.uint8]) -> list[Box]:
    """The boxes of rows in a picture with dark ink ``[H, W]``, from top to bottom, px."""
    scale = max(max(gray.shape) / SEARCH_SIDE, 1.0)
    size = max(round(gray.shape[1] / scale), 1), max(round(gray.shape[0] / scale), 1)
    small = np.asarray(Image.fromarray(gray).resize(size, Image.Resampling.BOX), np.float32)
    ink = _without_lines(_mask(small))
    labels, count = scipy.ndimage.label(ink, np.ones((3, 3)))
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    windows = scipy.ndimage.find_objects(labels)
    bounds = np.array(
        [(x.start, y.start, x.stop, y.stop)
         for (y, x), area in zip(windows, areas, strict=True) if area >= 5], float,
    ).reshape(-1, 4)  # fmt: skip
    if not len(bounds):
        return []
    found = [union(bounds[row]) for row in group(bounds)]
    return [tuple(scale * side for side in box) for box in found]  # type: ignore[misc]


def _mask(gray: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where ink is darker than the paper near it by more than the noise."""
    reach = int(np.clip(min(gray.shape) / 2, 15, 121))
    quarter = scipy.ndimage.maximum_filter(scipy.ndimage.uniform_filter(gray, 3)[::4, ::4],
                                           max(reach // 4, 3), mode="nearest")  # fmt: skip
    smooth = scipy.ndimage.gaussian_filter(quarter, reach / 12, mode="nearest")
    paper = Image.fromarray(smooth).resize(gray.shape[::-1], Image.Resampling.BILINEAR)
    contrast = np.maximum(np.asarray(paper) - gray, 0)
    noise = float(np.median(contrast))
    return contrast > max(_otsu(contrast), noise + 10)


def _otsu(values: NDArray[np.float32]) -> float:
    """The threshold that separates two classes best (Otsu 1979)."""
    counts, edges = np.histogram(values, 128)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * middles)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(middles[np.nan_to_num(between).argmax()])


def _without_lines(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink without long straight lines; gaps that these leave in strokes are closed."""
    height, width = ink.shape
    thick = scipy.ndimage.binary_dilation(ink, np.ones((2, 2)))
    lines = np.zeros_like(ink)
    for shape in ((1, max(25, round(LINE * width))), (max(25, round(0.7 * height)), 1)):
        found = _long_runs(thick, shape)
        lines |= scipy.ndimage.binary_dilation(found, np.ones((3, 3)))
    kept = ink & ~lines
    if kept.sum() < 0.8 * ink.sum():
        kept = scipy.ndimage.binary_closing(kept, np.ones((9, 5)))
    return kept


def _long_runs(ink: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Opening by a straight line, done by minimum and maximum along one axis."""
    axis = 0 if shape[0] > 1 else 1
    size = max(shape)
    if size > ink.shape[axis]:
        return np.zeros_like(ink)
    shrunk = scipy.ndimage.minimum_filter1d(ink.view(np.uint8), size, axis, mode="constant")
    return scipy.ndimage.maximum_filter1d(shrunk, size, axis).astype(bool)


def union(bounds: NDArray[np.float64]) -> Box:
    """The box around boxes ``[N, 4]``."""
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def group(bounds: NDArray[np.float64]) -> list[list[int]]:
    """Rows of parts, such as strokes or components of ink.

    Tall parts join the row of the nearest part that shares enough of their height. Small parts
    join the row in whose height their middle is, if they are near.

    Args:
        bounds: left, top, right, bottom of each part, ``[N, 4]``.

    Returns:
        The parts of each row, from top to bottom.
    """
    heights = bounds[:, 3] - bounds[:, 1]
    tall = float(np.sort(heights)[-min(len(heights), 2)])
    rows: list[list[int]] = []
    for part in np.argsort(bounds[:, 0], kind="stable"):
        if heights[part] < SMALL * tall:
            continue
        best, nearest = None, FAR * tall
        for row in rows:
            last = min(row[-3:], key=lambda other: -_shared(bounds[part], bounds[other]))
            distance = max(float(bounds[part, 0] - bounds[row, 2].max()), 0.0)
            if _shared(bounds[part], bounds[last]) >= SAME_ROW and distance < nearest:
                best, nearest = row, distance
        if best is None:
            rows.append([int(part)])
        else:
            best.append(int(part))
    extents = [union(bounds[row]) for row in rows]
    for part in np.flatnonzero(heights < SMALL * tall):
        x, y = (bounds[part, :2] + bounds[part, 2:]) / 2
        for row, (left, top, right, bottom) in zip(rows, extents, strict=True):
            if top <= y <= bottom and left - tall <= x <= right + tall:
                row.append(int(part))
                break
    highest = max(bottom - top for _, top, _, bottom in extents)
    kept = [(box[1], row) for box, row in zip(extents, rows, strict=True)
            if box[3] - box[1] >= MIN_ROW * highest]  # fmt: skip
    return [row for _, row in sorted(kept)]


def _shared(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The height that two boxes have in common, relative to the lower one."""
    common = min(first[3], second[3]) - max(first[1], second[1])
    return float(common / max(min(first[3] - first[1], second[3] - second[1]), 1e-9))
