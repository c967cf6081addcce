"""Find the digit's ink in any picture.

A drawing on an even background is subtracted from it. All other pictures (photos, forms, boxes,
frames, drawings in several parts) go through InkNet, a small segmentation network
(:mod:`models.unet`). It estimates how much of each pixel the digit covers, and leaves out paper,
lines, print, marks and parts of other digits. It sees the whole picture first. If the digit is
small in it, the network looks again at the part around the digit.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image

from digitlib.errors import BlankDrawingError
from digitlib.preprocessing.read import Box, Picture

NETWORK = Path(__file__).parents[1] / "models" / "inknet.onnx"
SIDE = 128  # px of the network's input and output

# --- input of the network
PAD = 1 / 12  # of the padded picture, on each side
SHADES = 64  # bins of the histogram in which the most common shade is found
RANGE = 1, 99  # percentiles of the shades that become 0 and 1
LOCAL = 12.0  # px, standard deviation of the window for local contrast
LEAST = 1 / 255  # of full scale: weaker local contrast is noise
SCALE = 0.25  # of local contrast in standard deviations, so that it is about -1 to 1

# --- output
INKED = 0.5  # coverage that some pixel of a digit has
SEEN = 0.2  # coverage from which a closer look includes a pixel
MIN_PART = 0.08  # of the largest component's area; a closer look may leave out smaller ones
LARGE = 0.5  # of the picture's side: a digit as large needs no closer look
ROOM = 0.3  # of the digit's longer side, around it in a closer look
LOOKS = 3  # at most

# --- drawings on an even background
MIN_CONTRAST = 4 / 255  # of full scale; less in a picture is one color
EVEN = 2.5 / 255  # of full scale: the largest difference of shades in an even background
FAINT = 0.15  # of full ink: the least that is ink
SPECK = 0.04  # of the largest component's area; smaller components are specks
SOFT_EDGE = 2  # px around a component that are its soft edge
PAGE = 0.5  # of the picture: a larger shape is a page, not a digit
BOX_SIDE, BOX_LINE = 0.85, 0.08  # of a box's side that is drawn; of the box, depth of its lines
NEIGHBORS_8 = np.ones((3, 3), np.int8)  # the eight neighbors of a pixel


def find_digit(gray: Picture) -> Picture:
    """Find the digit's ink in a gray picture 0-1 ``[H, W]``.

    Returns:
        ink, float ``[h, w]``, 0-1, of the part of the picture around the digit.

    Raises:
        BlankDrawingError: there is no digit.
    """
    darkest, lightest = gray.min(), gray.max()
    if lightest - darkest < MIN_CONTRAST:
        raise BlankDrawingError("The picture has only one color: there is no digit to read.")
    alone = _lone_shape(gray, darkest, lightest)
    return _look(_pad(gray)) if alone is None else alone


# --- drawings --------------------------------------------------------------------------------


def _lone_shape(gray: Picture, darkest: np.float32, lightest: np.float32) -> Picture | None:
    """The ink of a picture with one shape on an even background; None for other pictures.

    Most drawings are such pictures, and this takes a tenth of the network's time.
    """
    rim = border(gray)
    paper = rim[0]
    if max(rim.max() - paper, paper - rim.min()) > EVEN:
        return None
    full = max(paper - darkest, lightest - paper)  # ink is on the side of the larger contrast
    dark = full == paper - darkest
    window = bounding_box(gray < paper - FAINT * full if dark else gray > paper + FAINT * full)
    if window is None:
        return None
    ink = (paper - gray[window] if dark else gray[window] - paper) * np.float32(1 / full)
    np.maximum(ink, 0, out=ink)
    labels, count = scipy.ndimage.label(ink > FAINT, NEIGHBORS_8)
    shape = labels == 1
    if count > 1:
        areas = np.bincount(labels.ravel())[1:]
        if (areas > SPECK * areas.max()).sum() > 1:
            return None
        shape = labels == 1 + areas.argmax()
        ink[~scipy.ndimage.binary_dilation(shape, NEIGHBORS_8, SOFT_EDGE)] = 0
    return None if shape.sum() > PAGE * gray.size or _is_box(shape) else ink


def _is_box(shape: NDArray[np.bool_]) -> bool:
    """Whether all four sides of a shape are lines, as of a box that touches its digit."""
    rows, columns = (np.flatnonzero(shape.any(axis=axis)) for axis in (1, 0))
    cut = shape[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    depth = max(round(BOX_LINE * min(cut.shape)), 1)
    sides = cut[:depth], cut[-depth:], cut[:, :depth].T, cut[:, -depth:].T
    return all(side.any(axis=0).mean() > BOX_SIDE for side in sides)


def border(picture: NDArray[Any]) -> NDArray[Any]:
    """The pixels at the picture's border, the corners twice."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """The rows and columns from the first to the last true pixel, or None."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    tall = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[tall].any(axis=0))
    return tall, slice(int(columns[0]), int(columns[-1]) + 1)


# --- all other pictures ----------------------------------------------------------------------


def _pad(gray: Picture) -> Picture:
    """The picture in the middle of a square ``[S, S]`` with margins in its most common shade."""
    rows, columns = (max(side // SHADES, 1) for side in gray.shape)
    shades = gray[::rows, ::columns]
    counts, edges = np.histogram(shades, SHADES, (0, 1))
    most = counts.argmax()
    usual = np.median(shades[(shades >= edges[most]) & (shades <= edges[most + 1])])
    height, width = gray.shape
    side = round(max(height, width) / (1 - 2 * PAD))
    padded = np.full((side, side), usual, np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    padded[top : top + height, left : left + width] = gray
    return padded


def _look(gray: Picture) -> Picture:
    """The coverage by the digit ``[SIDE, SIDE]``, 0-1, in a square picture or part of it.

    Raises:
        BlankDrawingError: the network finds no digit.
    """
    side, found = len(gray), None
    top, left, size = 0, 0, side  # of the part that the network sees
    for _ in range(LOOKS):
        cover = _cover(network_input(gray[top : top + size, left : left + size]))
        if cover.max() < INKED:
            break  # it was only visible from afar
        found = cover
        rows, columns = _around(cover > SEEN)
        pixel = size / SIDE  # px of the picture
        longer = pixel * max(rows.stop - rows.start, columns.stop - columns.start)
        if longer > LARGE * size:
            break
        y = top + pixel * (rows.start + rows.stop) / 2
        x = left + pixel * (columns.start + columns.stop) / 2
        size = min(round((1 + 2 * ROOM) * longer) + 8, size)
        top, left = (int(np.clip(round(at - size / 2), 0, side - size)) for at in (y, x))
    if found is None:
        raise BlankDrawingError("There is no digit in the picture: use more light, a darker pen.")
    return found


def _around(mask: NDArray[np.bool_]) -> Box:
    """The box around the components of a mask that aren't much smaller than the largest one."""
    labels, _ = scipy.ndimage.label(mask, NEIGHBORS_8)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    box = bounding_box((areas > MIN_PART * areas.max())[labels])
    assert box is not None
    return box


def network_input(gray: Picture) -> NDArray[np.float32]:
    """A gray picture 0-1 as input of the network, float ``[2, SIDE, SIDE]``.

    The first channel has the shades, stretched to 0-1. The second has the local contrast: the
    difference from the mean around a pixel, in standard deviations.
    """
    small = np.asarray(Image.fromarray(gray).resize((SIDE, SIDE), Image.Resampling.BILINEAR))
    low, high = np.percentile(small[::2, ::2], RANGE)
    shades = ((small - low) / max(float(high - low), LEAST)).clip(-0.5, 1.5)
    mean = scipy.ndimage.gaussian_filter(small, LOCAL, truncate=2)
    variance = scipy.ndimage.gaussian_filter((small - mean) ** 2, LOCAL, truncate=2)
    local = ((small - mean) / (np.sqrt(variance) + LEAST) * SCALE).clip(-1.5, 1.5)
    return np.stack([shades, local]).astype(np.float32)


def _cover(given: NDArray[np.float32]) -> Picture:
    """The estimated coverage ``[SIDE, SIDE]``, 0-1, for an input of the network."""
    return scipy.special.expit(_session().run(None, {"pictures": given[None]})[0][0])


@cache
def _session() -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(NETWORK.read_bytes(), options)
