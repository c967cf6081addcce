"""Find rows of writing: on a page, and among pen strokes."""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from digitlib.numbers.reading import Box
from digitlib.preprocessing.limits import check_busy

SEARCH_SIDES = 320, 640  # px of the longer side of the picture in which rows are searched
MAX_PARTS, MIN_AREA = 5_000, 5  # components of ink in it; px of a component that isn't noise
OTSU_BINS = 256  # of the histogram of contrast in which paper and ink are parted
MIN_CONTRAST = 10  # gray levels of ink above the noise of the paper
# Straight runs of ink are lines, not digits, if they are this long: px, and parts of the picture's
# width and height.
MIN_LINE, ACROSS, DOWN = 25, 0.6, 0.7
MIN_RING, ROUND = 60, 0.06  # px of a ring; standard deviation from its circle, in radii
FULL, STAIN = 90, 0.8  # percentile of the contrast of full ink; the part of it that a ring has
GAP = 9  # px above and below a line that a stroke crosses, in all
SMALL = 0.4  # of a tall part's height: smaller parts belong to rows, but don't make one
SAME_ROW = 0.35  # of its height that a part shares with the nearest part of its row
SAME_HEIGHT = 0.6  # of the lower one's height that two rows share, if they are one
FAR = 6.0  # heights between neighbors of a row
MIN_ROW = 0.5  # of the tallest row: lower rows are print
MAX_ROWS = 60


def darken(gray: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The picture with dark ink, uint8; light ink on dark paper is inverted.

    Ink covers less than paper, so the differences from the local mean are skewed toward ink.
    """
    small = np.asarray(Image.fromarray(gray).resize((96, 96), Image.Resampling.BOX))
    detail = small - scipy.ndimage.gaussian_filter(small, 16)
    dark = 1 - gray if float((detail**3).mean()) > 0 else gray
    return np.rint(255 * dark.clip(0, 1)).astype(np.uint8)


def find_rows(gray: NDArray[np.uint8]) -> list[Box]:
    """The boxes of rows in a picture with dark ink ``[H, W]``, from top to bottom, px.

    Raises:
        InputError: there are too many parts.
    """
    scale = max(gray.shape) / np.clip(max(gray.shape), *SEARCH_SIDES)
    size = max(round(gray.shape[1] / scale), 1), max(round(gray.shape[0] / scale), 1)
    way = Image.Resampling.BOX if scale >= 1 else Image.Resampling.BILINEAR
    small = np.asarray(Image.fromarray(gray).resize(size, way), np.float32)
    contrast = _contrast(small)
    ink = contrast > max(threshold_otsu(contrast), float(np.median(contrast)) + MIN_CONTRAST)
    full = float(np.percentile(contrast[ink], FULL)) if ink.any() else 0.0
    labels, count = scipy.ndimage.label(_without_lines(ink), np.ones((3, 3)))
    check_busy("picture", count, MAX_PARTS, "parts")
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    windows = scipy.ndimage.find_objects(labels)
    parts = [
        (x.start, y.start, x.stop, y.stop)
        for number, ((y, x), area) in enumerate(zip(windows, areas, strict=True), 1)
        if area >= MIN_AREA and not _is_ring(labels[y, x] == number, contrast[y, x] < STAIN * full)
    ]
    if not parts:
        return []
    bounds = scale * np.array(parts, float)
    return [union(bounds[row]) for row in group(bounds, "picture")]


def threshold_otsu(values: NDArray[np.float32]) -> float:
    """The shade that divides a histogram in two with the least variance within (Otsu, 1979).

    A single shade is its own threshold.
    """
    if values.min() == values.max():
        return float(values.max())
    counts, edges = np.histogram(values, OTSU_BINS)
    shades = (edges[1:] + edges[:-1]) / 2
    below, above = counts.cumsum(), counts[::-1].cumsum()[::-1]
    shade_below = (counts * shades).cumsum() / below
    shade_above = (counts * shades)[::-1].cumsum()[::-1] / above
    between = below[:-1] * above[1:] * (shade_below[:-1] - shade_above[1:]) ** 2
    return float(shades[between.argmax()])


def _contrast(gray: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much darker each pixel is than the paper near it, gray levels ``[H, W]``."""
    reach = int(np.clip(min(gray.shape) / 2, 15, 121))  # px; wider than a stroke
    coarse = scipy.ndimage.uniform_filter(gray, 3)[::4, ::4]
    lightest = scipy.ndimage.maximum_filter(coarse, max(reach // 4, 3), mode="nearest")
    smooth = scipy.ndimage.gaussian_filter(lightest, reach / 12, mode="nearest")
    paper = Image.fromarray(smooth).resize(gray.shape[::-1], Image.Resampling.BILINEAR)
    return np.maximum(np.asarray(paper) - gray, 0)


def _without_lines(ink: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Ink without long straight lines, except where strokes cross them."""
    thick = ink.astype(np.uint8)
    thick[1:, 1:] |= thick[:-1, 1:] | thick[1:, :-1] | thick[:-1, :-1]
    lines = np.zeros_like(thick)
    for axis, share in ((1, ACROSS), (0, DOWN)):
        length = max(MIN_LINE, round(share * ink.shape[axis]))
        if length <= ink.shape[axis]:  # an opening by a straight line
            shrunk = scipy.ndimage.minimum_filter1d(thick, length, axis, mode="constant")
            lines |= scipy.ndimage.maximum_filter1d(shrunk, length, axis)
    if not lines.any():
        return ink
    wide = scipy.ndimage.maximum_filter(lines, 3) > 0
    kept = ink & ~wide
    return kept | (wide & ink & scipy.ndimage.binary_closing(kept, np.ones((GAP, 1))))


def _is_ring(part: NDArray[np.bool_], faint: NDArray[np.bool_]) -> bool:
    """Whether the part is a large circle or an arc of one, and mostly faint: a stain of a cup.

    The circle is fitted by algebraic least squares (Kasa, 1976).
    """
    if max(part.shape) < MIN_RING or faint[part].mean() < 0.5:
        return False
    y, x = np.nonzero(part)
    terms = np.stack([x, y, np.ones_like(x)], axis=1).astype(float)
    a, b, c = np.linalg.lstsq(terms, -(x.astype(float) ** 2 + y**2), rcond=None)[0]
    radius = float(np.sqrt(max(a * a / 4 + b * b / 4 - c, 0)))
    off = np.hypot(x + a / 2, y + b / 2) - radius
    return radius < max(part.shape) and float(off.std()) < ROUND * radius


def union(bounds: NDArray[np.float64]) -> Box:
    """The box around boxes ``[N, 4]``."""
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def group(bounds: NDArray[np.float64], kind: str) -> list[list[int]]:
    """Rows of parts, such as strokes or components of ink.

    Tall parts join the row of the nearest part that shares enough of their height. Small parts
    join a near row if their middle is within its height.

    Args:
        bounds: left, top, right, bottom of each part, ``[N, 4]``.
        kind: ``picture`` or ``drawing``, for the error.

    Returns:
        The parts of each row, from top to bottom.

    Raises:
        InputError: there are too many rows.
    """
    parts: list[Box] = [tuple(each) for each in bounds.tolist()]
    heights = bounds[:, 3] - bounds[:, 1]
    tall = float(np.sort(heights)[-min(len(heights), 2)])
    rows: list[list[int]] = []
    for part in np.argsort(bounds[:, 0], kind="stable").tolist():
        if heights[part] < SMALL * tall:
            continue
        best, nearest = None, FAR * tall
        for row in rows:
            distance = parts[part][0] - max(parts[other][2] for other in row[-3:])
            shared = max(_shared(parts[part], parts[other]) for other in row[-3:])
            if shared >= SAME_ROW and distance < nearest:
                best, nearest = row, distance
        if best is None:
            rows.append([part])
            check_busy(kind, len(rows), MAX_ROWS, "rows")
        else:
            best.append(part)
    rows = _merge(rows, bounds, FAR * tall)
    extents = [union(bounds[row]) for row in rows]
    for part in np.flatnonzero(heights < SMALL * tall).tolist():
        x, y = (parts[part][0] + parts[part][2]) / 2, (parts[part][1] + parts[part][3]) / 2
        for row, (left, top, right, bottom) in zip(rows, extents, strict=True):
            if top <= y <= bottom and left - tall <= x <= right + tall:
                row.append(part)
                break
    highest = max(bottom - top for _, top, _, bottom in extents)
    kept = [
        (box[1], row)
        for box, row in zip(extents, rows, strict=True)
        if box[3] - box[1] >= MIN_ROW * highest
    ]
    return [row for _, row in sorted(kept)]


def _merge(rows: list[list[int]], bounds: NDArray[np.float64], far: float) -> list[list[int]]:
    """Join rows at the same height that aren't far apart."""
    merged: list[list[int]] = []
    for row in rows:
        box = union(bounds[row])
        for other in merged:
            near = union(bounds[other])
            gap = max(box[0], near[0]) - min(box[2], near[2])
            if _shared(box, near) >= SAME_HEIGHT and gap < far:
                other += row
                break
        else:
            merged.append(row)
    return merged


def _shared(first: Box, second: Box) -> float:
    """The height that two boxes have in common, relative to the lower one."""
    common = min(first[3], second[3]) - max(first[1], second[1])
    return common / (min(first[3] - first[1], second[3] - second[1]) or 1.0)
