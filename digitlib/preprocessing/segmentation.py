"""Find the digit's ink in any picture.

A drawing on an even background is subtracted from it. All other pictures (photos, forms, boxes,
frames, drawings in several parts) go through InkNet, a small segmentation network
(:mod:`models.unet`). It estimates how much of each pixel the digit covers, and leaves out paper,
lines, print, marks and parts of other digits. It sees the whole picture first. If the digit is
small in it, the network looks again at the part around the digit. Strokes of which it finds only a
part are completed.
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
SEEN = 0.2  # coverage from which a pixel may belong to the digit
MIN_PART = 0.08  # of the largest component's area; a closer look may leave out smaller ones
LARGE = 0.5  # of the picture's side: a digit as large needs no closer look
ROOM = 0.3  # of the digit's longer side, around it in a closer look
LOOKS = 3  # at most
CLOSEST = 64  # px of the picture that a closer look shows at least: enlarged more, it is blurred

# --- whole strokes
GROUND, CORE = 0.1, 0.8  # coverage below which there is no digit, and above which there is ink
MIN_CORE = 5  # px of sure ink from which its shade is known
PAPER_BLUR = 6.0  # px, standard deviation: paper is the mean shade around
HALF_INK = 0.5  # of full ink, from which a pixel belongs to a stroke
FOUND, FOUND_AT_EDGE = 0.3, 0.6  # of a component's pixels that the network finds in a digit's …
# … stroke; the second for components that reach the picture's edge, as printed lines do
EDGE = 3  # px

# --- a single stroke
MAD_TO_SIGMA = 1.4826  # a normal distribution's standard deviation over its median deviation
CLEAR = 6.0  # standard deviations of the paper's noise by which the stroke differs from it
MIN_BAR, ALONE = 12, 4  # px that it is long; times the area of any other component

# --- drawings on an even background
MIN_CONTRAST = 4 / 255  # of full scale; less in a picture is one color
EVEN = 2.5 / 255  # of full scale: the largest difference of shades in an even background
FAINT = 0.15  # of full ink: the least that is ink
SPECK = 0.04  # of the largest component's area; smaller components are specks
SOFT_EDGE = 2  # px around a component that are its soft edge
PAGE = 0.1  # of the picture that a page in it covers at least
BOX_SIDE, BOX_LINE = 0.85, 0.08  # of a box's side that is drawn; of the box, depth of its lines
HOLLOW = 0.5  # of a box's area that is ink, at most
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
    return _look(*_pad(gray)) if alone is None else alone


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
    return None if _is_frame(shape, PAGE * gray.size) else ink


def _is_frame(shape: NDArray[np.bool_], page: float) -> bool:
    """Whether a shape is a rectangle: a page in another shade, or a box that touches its digit.

    Args:
        shape: ``[H, W]``, not empty.
        page: px that a page has at least; smaller rectangles are hollow, or the digit 1.
    """
    cut = shape[bounding_box(shape)]
    depth = max(round(BOX_LINE * min(cut.shape)), 1)
    sides = cut[:depth], cut[-depth:], cut[:, :depth].T, cut[:, -depth:].T
    if any(side.any(axis=0).mean() <= BOX_SIDE for side in sides):
        return False
    area = np.count_nonzero(cut)
    return bool(area > page or area < HOLLOW * cut.size)


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


def _pad(gray: Picture) -> tuple[Picture, Box]:
    """The picture in a square ``[S, S]`` with margins in its most common shade, and its place."""
    rows, columns = (max(side // SHADES, 1) for side in gray.shape)
    shades = gray[::rows, ::columns]
    counts, edges = np.histogram(shades, SHADES, (0, 1))
    most = counts.argmax()
    usual = np.median(shades[(shades >= edges[most]) & (shades <= edges[most + 1])])
    height, width = gray.shape
    side = round(max(height, width) / (1 - 2 * PAD))
    padded = np.full((side, side), usual, np.float32)
    top, left = (side - height) // 2, (side - width) // 2
    place = slice(top, top + height), slice(left, left + width)
    padded[place] = gray
    return padded, place


def _look(gray: Picture, place: Box) -> Picture:
    """The coverage by the digit ``[SIDE, SIDE]``, 0-1, in a padded picture or part of it.

    Args:
        gray: square ``[S, S]``.
        place: of the picture in it.

    Raises:
        BlankDrawingError: the network finds no digit.
    """
    side, found = len(gray), None
    top, left, size = 0, 0, side  # of the part that the network sees
    for _ in range(LOOKS):
        small = _reduce(gray[top : top + size, left : left + size])
        cover = _cover(network_input(small))
        pixel = size / SIDE  # px of the picture
        edge = np.ones((SIDE, SIDE), bool)
        edge[tuple(
            slice(int(max((span.start - start) / pixel, 0)) + EDGE,
                  max(int(min((span.stop - start) / pixel, SIDE)) - EDGE, 0))
            for span, start in zip(place, (top, left), strict=True)
        )] = False  # fmt: skip
        if cover.max() > SEEN:
            found = _complete(small, cover, edge)
        elif found is None and (bar := _lone_bar(small, edge)) is not None:
            found = bar
        else:
            break  # there is nothing, or it is only visible from afar
        rows, columns = _around(found > SEEN)
        longer = pixel * max(rows.stop - rows.start, columns.stop - columns.start)
        if longer > LARGE * size:
            break
        y = top + pixel * (rows.start + rows.stop) / 2
        x = left + pixel * (columns.start + columns.stop) / 2
        closer = max(round((1 + 2 * ROOM) * longer), CLOSEST)
        if closer >= size:
            break
        size = closer
        top, left = (int(np.clip(round(at - size / 2), 0, side - size)) for at in (y, x))
    if found is None:
        raise BlankDrawingError("There is no digit in the picture: use more light, a darker pen.")
    return found


def _complete(small: Picture, cover: Picture, edge: NDArray[np.bool_]) -> Picture:
    """The coverage with whole strokes where the network found enough of a stroke.

    A straight stroke of a digit resembles a printed line, but a line reaches the picture's edge.

    Args:
        small: the picture ``[SIDE, SIDE]``, 0-1.
        cover: estimated by the network, ``[SIDE, SIDE]``, 0-1.
        edge: which pixels are at the picture's edge or padding, ``[SIDE, SIDE]``.
    """
    core = cover > CORE
    if np.count_nonzero(core) < MIN_CORE:
        return cover
    ground = (cover < GROUND).astype(np.float32)
    weight = scipy.ndimage.gaussian_filter(ground, PAPER_BLUR, truncate=2)
    paper = scipy.ndimage.gaussian_filter(small * ground, PAPER_BLUR, truncate=2)
    contrast = small - paper / np.maximum(weight, 1e-3)
    full = float(np.median(contrast[core]))
    if abs(full) < LEAST:
        return cover
    ink = (contrast / full).clip(0, 1)
    labels, _ = scipy.ndimage.label(ink > HALF_INK, NEIGHBORS_8)
    areas = np.bincount(labels.ravel())
    found = np.bincount(labels.ravel(), cover.ravel() > 0.5) / areas
    least = np.full(len(areas), FOUND)
    least[np.unique(labels[edge])] = FOUND_AT_EDGE
    whole = found > least
    whole[0] = False  # paper
    return np.maximum(cover, np.where(whole[labels], ink, 0)).astype(np.float32)


def _lone_bar(small: Picture, edge: NDArray[np.bool_]) -> Picture | None:
    """The ink ``[SIDE, SIDE]``, 0-1, of a single stroke that doesn't reach the picture's edge.

    To the network, a straight 1 alone resembles a printed line. None if there is no such stroke.
    """
    if edge.all():  # of a picture few pixels wide
        return None
    contrast = small - scipy.ndimage.gaussian_filter(small, LOCAL, truncate=2)
    strong = max(CLEAR * MAD_TO_SIGMA * float(np.median(np.abs(contrast[~edge]))), LEAST)
    ink = -contrast if -contrast[~edge].min() >= contrast[~edge].max() else contrast
    labels, count = scipy.ndimage.label(ink > strong, NEIGHBORS_8)
    areas = np.bincount(labels.ravel(), minlength=count + 1)
    areas[np.unique(labels[edge])] = 0
    areas[0] = 0
    first, second = np.sort([0, 0, *areas])[:-3:-1]
    if not first or first < ALONE * second:
        return None
    bar = labels == areas.argmax()
    if max(np.ptp(np.nonzero(bar), axis=1)) < MIN_BAR:
        return None
    full = float(np.median(ink[bar]))
    return np.where(scipy.ndimage.binary_dilation(bar, NEIGHBORS_8), ink / full, 0).clip(0, 1)


def _around(mask: NDArray[np.bool_]) -> Box:
    """The box around the components of a mask that aren't much smaller than the largest one."""
    labels, _ = scipy.ndimage.label(mask, NEIGHBORS_8)
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    box = bounding_box((areas > MIN_PART * areas.max())[labels])
    assert box is not None  # there is a largest component
    return box


def _reduce(gray: Picture) -> Picture:
    """A square picture as ``[SIDE, SIDE]``."""
    return np.asarray(Image.fromarray(gray).resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def network_input(small: Picture) -> NDArray[np.float32]:
    """A gray picture ``[SIDE, SIDE]``, 0-1, as input of the network, float ``[2, SIDE, SIDE]``.

    The first channel has the shades, stretched to 0-1. The second has the local contrast: the
    difference from the mean around a pixel, in standard deviations.
    """
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
