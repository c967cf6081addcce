"""Remove print from the ink: ruled lines, squares and patterns of the paper."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from digitlib.preprocessing.read import Picture

MIN_RULED_SIDE = 64  # px; print on smaller pictures resembles strokes
RIM_DEPTH = 3  # px from the border in which print that crosses the picture must show
FAINT = 0.12  # of full ink: the least that counts as printed; below it is noise of the paper
PRINT_QUANTILE = 0.9  # of the rim's ink: the shade of the print, without its few darkest pixels
MAX_PALE_PRINT = 0.6  # of full ink; paler print differs from the pen by its shade alone
PEN_ABOVE_PRINT = 0.3  # of the way from the print's shade to full ink: where the pen begins
PEN_EDGE = 2  # px around the pen's core that belong to its soft edge
NEIGHBORS_8 = np.ones((3, 3), np.int8)  # the eight neighbors of a pixel

MIN_MASK_LEFT = 0.02  # of the ink; where less is left, the "lines" were the drawing itself
RUN_PART = 6  # a line is found by straight runs of 1/6 of the picture's width …
MIN_RUN = 5  # … and of at least 5 px, longer than noise
MAX_RULES = 200  # in one direction; more are a pattern and left alone
MIN_RULE_LENGTH = 0.8  # of the picture's width that a printed line spans, broken or not
BARE_QUANTILE = 0.3  # of a line's thickness over its columns: that of columns without strokes
MAX_RULE_PX = 4  # px; a thicker line is a stroke …
MAX_RULE_PART = 0.02  # … unless it is thinner than this part of the picture's width
MAX_BARE_THICKNESS = 1.5  # of the line's thickness: thicker columns have a stroke across the line
MIN_BARE = 0.3  # of the picture's width that must be bare of strokes to fit the line's course
FIT_ROUNDS = 3  # fits of a parabola; each leaves out the columns far from the last one
MAX_FIT_ERROR = 0.5  # px off the parabola that are always rounding …
FIT_SPREAD = 1.5  # … and off it, in medians of the distance, beyond which a column is left out
RULE_EDGE = 1  # px on both sides of a line that are its soft edge
LONE_RULE = 1.5  # a single line is printed if some stroke is this many times as thick
BRIDGE_MARGIN = 2  # px added to the lines' thickness when strokes across them are closed


def remove_print(ink: Picture) -> Picture:
    """Remove print from the ink: lines, squares, a pattern that crosses the picture.

    Args:
        ink: 0-1, full ink near 1.
    """
    opposite = (ink[:RIM_DEPTH], ink[-RIM_DEPTH:]), (ink[:, :RIM_DEPTH], ink[:, -RIM_DEPTH:])
    crossed = any(all((side > FAINT).any() for side in sides) for sides in opposite)
    if min(ink.shape) < MIN_RULED_SIDE or not crossed:
        return ink
    rim = np.concatenate([side.ravel() for sides in opposite for side in sides])
    shade = float(np.quantile(rim[rim > FAINT], PRINT_QUANTILE))
    if shade < MAX_PALE_PRINT:
        pen = ink > shade + PEN_ABOVE_PRINT * (1 - shade)
        return np.where(
            scipy.ndimage.binary_dilation(pen, NEIGHBORS_8, iterations=PEN_EDGE), ink, 0
        )
    mask = ink > FAINT
    return np.where(mask & ~remove_rules(mask), 0, ink)


def remove_rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Remove printed lines as dark as the pen from a mask; strokes that cross them stay whole.

    A single line may be a stroke of the digit: it counts only if it is thinner than the strokes.
    """
    whole = mask
    for turned in (False, True):
        found = _rules(whole.T if turned else whole)
        if found is None:
            continue
        rules, thickest = found
        view = mask.T if turned else mask
        left = view & ~rules
        left |= _bridge(left, BRIDGE_MARGIN + round(thickest + 2 * RULE_EDGE)) & rules & view
        mask = left.T if turned else left
    return mask if mask.sum() > MIN_MASK_LEFT * whole.sum() else whole


def _bridge(mask: NDArray[np.bool_], depth: int) -> NDArray[np.bool_]:
    """The closing of a mask: gaps of up to ``2 * depth`` rows between strokes are filled."""
    padded, high = np.pad(mask, depth), 2 * depth + 1
    grown = spread(spread(padded, high, axis=0), 3, axis=1)
    closed = ~spread(spread(~grown, high, axis=0), 3, axis=1)
    return closed[depth:-depth, depth:-depth]


def spread(mask: NDArray[np.bool_], size: int, axis: int, origin: int = 0) -> NDArray[np.bool_]:
    """Dilation by a line of so many px along one axis, in time that does not grow with it."""
    return scipy.ndimage.maximum_filter1d(mask, size, axis, mode="constant", origin=origin)


def _long_runs(mask: NDArray[np.bool_], length: int) -> NDArray[np.bool_]:
    """The runs of at least so many px along rows: an opening."""
    starts = scipy.ndimage.minimum_filter1d(mask, length, axis=1, mode="constant")
    return spread(starts, length, axis=1, origin=length % 2 - 1)


def _rules(mask: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float] | None:
    """Bands along the straight lines that cross the picture from left to right, if there are any.

    Returns:
        the bands ``[H, W]``, and the thickness of the thickest one, px."""
    width = mask.shape[1]
    rules, count, thickest = np.zeros_like(mask), 0, 0.0
    # A slight tilt is bridged by thickening; the opening leaves long straight runs.
    runs = _long_runs(spread(mask, 3, axis=0), max(MIN_RUN, width // RUN_PART))
    labels, _ = scipy.ndimage.label(runs, NEIGHBORS_8)
    long = [
        (number, rows)
        for number, (rows, columns) in enumerate(scipy.ndimage.find_objects(labels), 1)
        if columns.stop - columns.start >= MIN_RULE_LENGTH * width
    ]
    if len(long) > MAX_RULES:
        return None
    for number, rows in long:
        found = _band((labels[rows] == number) & mask[rows], rules, rows.start)
        if found is not None:
            count, thickest = count + 1, max(thickest, found)
    if not count:
        return None
    if count == 1:
        depth = scipy.ndimage.distance_transform_edt(mask & ~rules)
        if 2 * float(depth.max(initial=0)) < LONE_RULE * thickest:
            return None
    return rules, thickest


def _band(line: NDArray[np.bool_], rules: NDArray[np.bool_], top: int) -> float | None:
    """Add the band along a line to the rules, if it is as thin as print; return its thickness, px.

    Args:
        line: the rows from ``top`` on that it takes.
        rules: the bands of the whole picture ``[H, W]``.
    """
    height, width = rules.shape
    rows = top + np.arange(len(line))[:, None]
    columns = np.flatnonzero(line.any(axis=0))
    if not columns.size:  # between two rows of dots
        return None
    counts = line[:, columns].sum(axis=0)
    thickness = float(np.quantile(counts, BARE_QUANTILE))
    bare = columns[counts <= MAX_BARE_THICKNESS * thickness]
    if thickness > max(MAX_RULE_PX, MAX_RULE_PART * width) or len(bare) < MIN_BARE * width:
        return None
    middle = (line * rows).sum(axis=0)[bare] / line.sum(axis=0)[bare]
    center, half = _course(bare, middle, width), thickness / 2 + RULE_EDGE
    # Around the line alone: a page may have hundreds.
    near = np.floor(center - half).astype(int) + np.arange(int(2 * half) + 2)[:, None]
    inside = (np.abs(near - center) <= half) & (near >= 0) & (near < height)
    rules[near[inside], np.broadcast_to(np.arange(width), near.shape)[inside]] = True
    return thickness


def _course(
    columns: NDArray[np.intp], middle: NDArray[np.float64], width: int
) -> NDArray[np.floating[Any]]:
    """The row of a line at each of ``width`` columns: a parabola, fitted without outliers."""
    for _ in range(FIT_ROUNDS):
        fit = np.polyfit(columns, middle, 2)
        off = np.abs(np.polyval(fit, columns) - middle)
        close = off <= max(MAX_FIT_ERROR, FIT_SPREAD * float(np.median(off)))
        columns, middle = columns[close], middle[close]
    return np.polyval(fit, np.arange(width))
