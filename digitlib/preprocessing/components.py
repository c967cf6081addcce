"""Decide which connected components of ink belong to the digit."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from digitlib.preprocessing.limits import check_busy
from digitlib.preprocessing.read import Box, Picture
from digitlib.preprocessing.ruling import NEIGHBORS_8, remove_rules

MIN_INK = 0.35  # of full ink: below it, soft edges would join neighboring strokes
SOFT_EDGE = 2  # px around a component that are its soft edge and are erased with it
MIN_PART = 0.04  # of the main component's area; smaller ones are specks
MAX_GAP = 0.3  # of the main component's longer side; a part farther away is not of the same digit
MIN_SECOND, MAX_SECOND = 0.5, 2  # of the main component's longer side: as long as another digit
WHOLE_MARGIN = 1  # px between a second digit and the picture's border; else it may be a shadow

MAX_COMPONENTS = 10_000  # more are not a digit; chalk and spray have hundreds
MAX_STROKES = 8  # components; more may be chalk, spray or dots, whose grains are one stroke
MAX_GRAIN_GAP = 0.04  # of the drawing's longer side: half the widest gap between grains
MIN_GRAIN_GAP = 2  # px: half the widest gap between grains in small drawings
GAP_STEPS = 12  # widths tried between 1 px and the widest gap, evenly in logarithm
JOINED_INK = 0.9  # of the ink that must hang together once gaps are closed
CLOSING_REACH = 1.5  # of the gap: the ink grows by so much before it shrinks by one gap again

BOX_MARGIN = 0.08  # of the shorter side of a printed box in which its lines lie, tilted or not
MIN_BOX_MARGIN = 3  # px; in smaller components lines and digit cannot be separated
BOX_SIDE = 0.85  # of a box's side that its line covers
MAX_BOX_CORE = 0.1  # of a box's or frame's ink that may lie inside its margin, if it is empty
MIN_BOXED_DIGIT = 0.4  # of the box's height; less inside it is a speck, and the box a drawn zero

MAX_EDGE_DEPTH = 0.15  # of the picture's side: thinner lines across the picture are not a digit
MIN_FRAME = 0.75  # of the picture's sides: a larger hollow component is a frame around the digit
MIN_FRAME_MARGIN = 2  # px of a frame's line


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """The rows and columns from the first to the last true pixel, or None."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    tall = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[tall].any(axis=0))
    return tall, slice(int(columns[0]), int(columns[-1]) + 1)


def border(picture: NDArray[Any]) -> NDArray[Any]:
    """The pixels at the picture's border, the corners twice."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def largest_component(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The 4-connected component with the most pixels, of a mask with at least one."""
    labels, _ = scipy.ndimage.label(mask)
    return labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))


def isolate_digit(ink: Picture) -> Picture:
    """Remove specks, lines, a box or frame and edges of the page from the ink.

    The grains of chalk, spray or dots become one component. A second digit is kept, so that the
    network rejects the picture.

    Raises:
        InputError: there are more than ``MAX_COMPONENTS``.
    """
    if (window := bounding_box(ink > MIN_INK)) is None:
        return ink
    mask = ink[window] > MIN_INK  # labeling is slow, so only where there is ink
    labels, count = _components(mask)
    check_busy("picture", count, MAX_COMPONENTS, "parts of ink")
    if (lines := _box_around(labels, count)) is not None:
        ink = _erase(ink, window, lines, mask & ~lines)
        mask &= ~lines
        labels, count = _components(mask)
    if count > MAX_STROKES and (joined := _join_grains(mask)) is not None:
        ink = ink.copy()
        ink[window][joined] = 1
        labels, count = _components(mask | joined)
    if count <= 1:
        return ink
    keep = _digit_parts(labels, window, ink.shape)[labels]
    drop = (labels > 0) & ~keep
    return _erase(ink, window, drop, keep) if drop.any() else ink


def _digit_parts(
    labels: NDArray[np.intp], window: Box, shape: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Which of the components belong to the digit, or to a second one: ``[count + 1]``, from 0.

    Args:
        labels: of the components in the window, 0 for paper.
        window: in the picture.
        shape: of the picture.
    """
    areas, boxes = np.bincount(labels.ravel())[1:], scipy.ndimage.find_objects(labels)
    every = range(len(areas))
    inside = [i for i in every if not _is_page_edge(labels[boxes[i]] == i + 1, shape)] or every
    main = max(inside, key=lambda index: areas[index])
    reach = MAX_GAP * max(side.stop - side.start for side in boxes[main])
    keep = np.zeros(len(areas) + 1, bool)
    for index in inside:
        sides = zip(boxes[index], boxes[main], strict=True)
        near = max(max(a.start - b.stop, b.start - a.stop, 0) for a, b in sides) <= reach
        speck = areas[index] < MIN_PART * areas[main]
        if not speck and (near or _is_second_digit(boxes[index], boxes[main], window, shape)):
            keep[index + 1] = True
    return keep


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], int]:
    """Number the 8-connected components from 1; how many there are."""
    return scipy.ndimage.label(mask, NEIGHBORS_8, np.intp)


def _erase(ink: Picture, window: Box, drop: NDArray[np.bool_], keep: NDArray[np.bool_]) -> Picture:
    """Ink without the dropped pixels of a window and their soft edges, but with those kept."""
    gone, left = np.zeros(ink.shape, bool), np.zeros(ink.shape, bool)
    gone[window], left[window] = drop, keep
    rim = scipy.ndimage.binary_dilation(gone, NEIGHBORS_8, iterations=SOFT_EDGE)
    return np.where(rim & ~left, 0, ink).astype(np.float32)


def _join_grains(mask: NDArray[np.bool_]) -> NDArray[np.bool_] | None:
    """Ink ``[H, W]`` with the gaps between its grains closed, if it consists of grains.

    Args:
        mask: the ink, as large as the drawing.
    """
    area = np.count_nonzero(mask)
    farthest = max(MIN_GRAIN_GAP, round(MAX_GRAIN_GAP * max(mask.shape)))
    distance = scipy.ndimage.distance_transform_edt(~np.pad(mask, 2 * farthest))
    # The shortest reach that connects nearly all ink; specks far apart are never connected.
    for reach in (0, *np.geomspace(1, farthest, GAP_STEPS)):
        grown, _ = _components(distance <= reach)
        counts = np.bincount(grown[distance == 0])
        if counts.max() > JOINED_INK * area:
            break
    else:
        return None
    if not reach:
        return None
    # Only there: a line of text elsewhere has nothing to do with the digit's grains.
    closed = scipy.ndimage.distance_transform_edt(distance <= CLOSING_REACH * reach) > reach
    closed &= grown == counts.argmax()
    return closed[2 * farthest : -2 * farthest, 2 * farthest : -2 * farthest]


def _is_second_digit(box: Box, main: Box, window: Box, shape: tuple[int, ...]) -> bool:
    """Whether a part is another digit: about as large as the main one, and whole in the picture.

    Args:
        box: of the part, in the window.
        main: the same of the main part.
        window: in the picture.
        shape: of the picture.
    """
    size, usual = (max(side.stop - side.start for side in part) for part in (box, main))
    whole = all(
        side.start + place.start > WHOLE_MARGIN and side.stop + place.start < length - WHOLE_MARGIN
        for side, place, length in zip(box, window, shape, strict=True)
    )
    return whole and MIN_SECOND * usual < size < MAX_SECOND * usual


def _box_around(labels: NDArray[np.intp], count: int) -> NDArray[np.bool_] | None:
    """The lines of a box around the digit, as forms have it, if there is one.

    Args:
        labels: components of the ink ``[H, W]``; the digit may touch the box.
        count: how many there are.
    """
    for number, place in zip(range(1, count + 1), scipy.ndimage.find_objects(labels), strict=True):
        part = labels[place] == number
        margin = round(BOX_MARGIN * min(part.shape))
        if margin < MIN_BOX_MARGIN:
            continue
        sides = part[:margin], part[-margin:], part[:, :margin].T, part[:, -margin:].T
        if not all(side.any(axis=0).mean() > BOX_SIDE for side in sides):
            continue
        core = part[margin:-margin, margin:-margin]
        lines = part
        if np.count_nonzero(core) > MAX_BOX_CORE * np.count_nonzero(part):
            lines = part & ~remove_rules(part)
        inside = bounding_box((labels[place] > 0) & ~lines)
        if (
            lines.any()
            and inside is not None
            and inside[0].stop - inside[0].start > MIN_BOXED_DIGIT * len(part)
        ):
            box = np.zeros(labels.shape, bool)
            box[place] = lines
            return box
    return None


def _is_page_edge(part: NDArray[np.bool_], shape: tuple[int, ...]) -> bool:
    """Whether a component, cut out, is a line across the picture, a frame, or a dark margin."""
    (tall, wide), (height, width) = part.shape, shape
    flat, narrow = tall < MAX_EDGE_DEPTH * height, wide < MAX_EDGE_DEPTH * width
    if (wide == width and flat) or (tall == height and narrow):
        return True
    if tall > MIN_FRAME * height and wide > MIN_FRAME * width:
        margin = max(MIN_FRAME_MARGIN, round(BOX_MARGIN * min(tall, wide)))
        core = part[margin:-margin, margin:-margin]
        return bool(np.count_nonzero(core) < MAX_BOX_CORE * np.count_nonzero(part))
    return False
