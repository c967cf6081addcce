"""Connected components of ink: which of them are the digit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.read import Box, Picture
from digitlib.preprocessing.ruling import remove_rules

GRAINS = 8  # components: with more, the ink may be chalk or spray, whose grains are one stroke


def bounding_box(mask: NDArray[np.bool_]) -> Box | None:
    """The rows and columns from the first to the last that have a true pixel, if there is one."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not rows.size:
        return None
    tall = slice(int(rows[0]), int(rows[-1]) + 1)
    columns = np.flatnonzero(mask[tall].any(axis=0))
    return tall, slice(int(columns[0]), int(columns[-1]) + 1)


def keep_digit(ink: Picture) -> Picture:
    """Drop what is no part of the digit: specks, lines, a box or frame, edges of the page.

    The grains of chalk, spray or dots become one. A second digit beside the first stays, so that
    whoever reads the picture can say that it is not one digit.
    """
    mask = ink > 0.35
    if (window := bounding_box(mask)) is None:
        return ink
    labels, count = _components(mask[window])  # they take long: only where there is ink
    if (lines := _box_around(labels, count)) is not None:
        ink = _erase(ink, window, lines, mask[window] & ~lines)
        mask[window] &= ~lines
        labels, count = _components(mask[window])
    if count <= 1:
        return ink
    areas = np.bincount(labels.ravel())[1:]
    if count > GRAINS and (joined := _joined(mask[window], areas.sum())) is not None:
        ink = ink.copy()
        ink[window][joined] = 1
        labels, count = _components(mask[window] | joined)
        areas = np.bincount(labels.ravel())[1:]
    boxes = _boxes(labels)
    kept = [
        index
        for index, box in enumerate(boxes)
        if not _is_page_edge(labels[box] == index + 1, ink.shape)
    ] or list(range(count))
    main = max(kept, key=lambda index: areas[index])
    kept = [
        index
        for index in kept
        if areas[index] >= 0.04 * areas[main]
        and (
            not _is_far(boxes[index], boxes[main])
            or _is_another(boxes[index], boxes[main], window, ink.shape)
        )
    ]
    drop = np.ones(count + 1, bool)
    drop[[0] + [index + 1 for index in kept]] = False
    return _erase(ink, window, drop[labels], (labels > 0) & ~drop[labels]) if drop.any() else ink


def _components(mask: NDArray[np.bool_]) -> tuple[NDArray[np.intp], int]:
    """Number the 8-connected components from 1; how many there are."""
    from scipy import ndimage

    return ndimage.label(mask, np.ones((3, 3), np.int8), np.intp)


def _boxes(labels: NDArray[np.intp]) -> list[Box]:
    """The bounding box of each component."""
    from scipy import ndimage

    return ndimage.find_objects(labels)


def _erase(ink: Picture, window: Box, drop: NDArray[np.bool_], keep: NDArray[np.bool_]) -> Picture:
    """Ink without what is dropped in a window; soft edges go with what they are the rim of."""
    from scipy import ndimage

    gone, left = np.zeros(ink.shape, bool), np.zeros(ink.shape, bool)
    gone[window], left[window] = drop, keep
    rim = ndimage.binary_dilation(gone, np.ones((3, 3)), iterations=2)
    return np.where(rim & ~left, 0, ink).astype(np.float32)


def _joined(mask: NDArray[np.bool_], area: int) -> NDArray[np.bool_] | None:
    """Ink ``[H, W]`` and the gaps between its grains, if it consists of grains: chalk, spray, dots.

    Args:
        mask: the ink, as large as the drawing.
        area: how many of its pixels are set.
    """
    from scipy import ndimage

    farthest = max(2, round(0.04 * max(mask.shape)))
    distance = ndimage.distance_transform_edt(~np.pad(mask, 2 * farthest))
    # The shortest reach by which nearly all ink hangs together; specks far apart never do.
    for reach in (0, *np.geomspace(1, farthest, 12)):
        grown, _ = _components(distance <= reach)
        counts = np.bincount(grown[distance == 0])
        if counts.max() > 0.9 * area:
            break
    else:
        return None
    if not reach:
        return None
    # Only there: a line of text elsewhere is none of the digit's grains.
    closed = ndimage.distance_transform_edt(distance <= 1.5 * reach) > reach
    closed &= grown == counts.argmax()
    return closed[2 * farthest : -2 * farthest, 2 * farthest : -2 * farthest]


def _is_far(box: Box, main: Box) -> bool:
    """Whether a part lies too far from the main one to belong to the same digit."""
    gaps = [max(a.start - b.stop, b.start - a.stop, 0) for a, b in zip(box, main, strict=True)]
    return max(gaps) > 0.3 * max(side.stop - side.start for side in main)


def _is_another(box: Box, main: Box, window: Box, shape: tuple[int, ...]) -> bool:
    """Whether a part is another digit: about as large as the main one, and whole in the picture.

    Args:
        box: of the part, in the window.
        main: of the main part, likewise.
        window: in the picture.
        shape: of the picture.
    """
    size, usual = (max(side.stop - side.start for side in part) for part in (box, main))
    whole = all(
        side.start + place.start > 1 and side.stop + place.start < length - 1
        for side, place, length in zip(box, window, shape, strict=True)
    )
    return whole and 0.5 * usual < size < 2 * usual


def _box_around(labels: NDArray[np.intp], count: int) -> NDArray[np.bool_] | None:
    """The lines of a box around the digit, as forms have it, if there is one.

    Args:
        labels: components of the ink ``[H, W]``; the digit may touch the box.
        count: how many there are.
    """
    for number, place in zip(range(1, count + 1), _boxes(labels), strict=True):
        part = labels[place] == number
        margin = round(0.08 * min(part.shape))
        if margin < 3:
            continue
        sides = part[:margin], part[-margin:], part[:, :margin].T, part[:, -margin:].T
        if not all(side.any(axis=0).mean() > 0.85 for side in sides):
            continue
        core = part[margin:-margin, margin:-margin]
        lines = part
        if np.count_nonzero(core) > 0.1 * np.count_nonzero(part):
            lines = part & ~remove_rules(part)
        inside = bounding_box((labels[place] > 0) & ~lines)
        if (
            lines.any()
            and inside is not None
            and inside[0].stop - inside[0].start > 0.4 * len(part)
        ):
            box = np.zeros(labels.shape, bool)
            box[place] = lines
            return box
    return None


def _is_page_edge(part: NDArray[np.bool_], shape: tuple[int, ...]) -> bool:
    """Whether a component, cut out, is a line across the picture, a frame, or a dark margin."""
    (tall, wide), (height, width) = part.shape, shape
    if (wide == width and tall < 0.15 * height) or (tall == height and wide < 0.15 * width):
        return True
    if tall > 0.75 * height and wide > 0.75 * width:
        margin = max(2, round(0.08 * min(tall, wide)))
        core = part[margin:-margin, margin:-margin]
        return bool(np.count_nonzero(core) < 0.1 * np.count_nonzero(part))
    return False
