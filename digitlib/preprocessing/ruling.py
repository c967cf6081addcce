"""Ink without print: ruled lines, squares and patterns of the paper are removed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.read import Picture

FAINT = 0.12  # of full ink: the least that counts as a printed line


def remove_print(ink: Picture) -> Picture:
    """Take what is printed on the paper away: lines, squares, a pattern that crosses the picture.

    Args:
        ink: 0-1, full ink near 1.
    """
    from scipy import ndimage

    opposite = (ink[:3], ink[-3:]), (ink[:, :3], ink[:, -3:])
    crossed = any(all((side > FAINT).any() for side in sides) for sides in opposite)
    if min(ink.shape) < 64 or not crossed:
        return ink
    rim = np.concatenate([side.ravel() for sides in opposite for side in sides])
    faint = float(np.quantile(rim[rim > FAINT], 0.9))
    if faint < 0.6:  # fainter than the pen: keep what is near full ink
        strong = ink > faint + 0.3 * (1 - faint)
        return np.where(ndimage.binary_dilation(strong, np.ones((3, 3)), iterations=2), ink, 0)
    mask = ink > FAINT
    return np.where(mask & ~remove_rules(mask), 0, ink)


def remove_rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Take printed lines as dark as the pen out of a mask; strokes that cross them stay whole.

    One line alone may be a stroke of the digit: only lines thinner than the strokes count then.
    """
    from scipy import ndimage

    whole = mask
    for turned in (False, True):
        rules = _rules(whole.T if turned else whole)
        if not rules.any():
            continue
        view = mask.T if turned else mask
        depth = 2 + round(rules.sum() / max(1, int(rules.any(axis=0).sum())))
        left = view & ~rules
        bridged = ndimage.binary_closing(np.pad(left, depth), np.ones((2 * depth + 1, 3)))
        left |= bridged[depth:-depth, depth:-depth] & rules & view
        mask = left.T if turned else left
    return mask if mask.sum() > 0.02 * whole.sum() else whole


def _rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bands along the straight lines that cross the picture from left to right."""
    from scipy import ndimage

    height, width = mask.shape
    rules = np.zeros_like(mask)
    found, thickest = 0, 0.0
    rows = np.arange(height)[:, None]
    # A slight tilt is bridged by thickening; the opening leaves what is long and straight.
    thick = ndimage.binary_dilation(mask, np.ones((3, 1)))
    runs = ndimage.binary_opening(thick, np.ones((1, max(5, width // 6))))
    labels, _ = ndimage.label(runs, np.ones((3, 3)))
    for number, box in enumerate(ndimage.find_objects(labels), 1):
        if box[1].stop - box[1].start < 0.8 * width:
            continue
        line = (labels == number) & mask
        columns = np.flatnonzero(line.any(axis=0))
        counts = line[:, columns].sum(axis=0)
        thickness = float(np.quantile(counts, 0.3))
        if thickness > max(4, 0.02 * width):
            continue
        alone = columns[counts <= 1.5 * thickness]  # where no stroke joins the line
        if len(alone) < 0.3 * width:
            continue
        columns, middle = alone, (line * rows).sum(axis=0)[alone] / line.sum(axis=0)[alone]
        for _ in range(3):  # a parabola, without what lies off it
            fit = np.polyfit(columns, middle, 2)
            off = np.abs(np.polyval(fit, columns) - middle)
            close = off <= max(0.5, 1.5 * float(np.median(off)))
            columns, middle = columns[close], middle[close]
        center = np.polyval(fit, np.arange(width))
        rules |= np.abs(rows - center) <= thickness / 2 + 1
        found, thickest = found + 1, max(thickest, thickness)
    if found < 2:
        depth = ndimage.distance_transform_edt(mask & ~rules)
        if 2 * float(depth.max(initial=0)) < 1.5 * thickest:
            return np.zeros_like(mask)
    return rules
