"""Greyscale becomes ink: the digit's strokes as 0-1, whatever paper they are on.

Even paper (paint programs, screenshots) is subtracted; on uneven paper (photos) the contrast
against the paper around decides, printed rules are taken away, and of the connected components
those stay that can belong to the digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.greyscale import MIN_CONTRAST, Picture

Box = tuple[slice, slice]  # rows and columns

EVEN = 2.5 / 255  # so far does a shade vary where paper is painted, not photographed
NOISE = 4 * EVEN  # what differs less from the paper counts as its noise
GRAINS = 8  # components: with more, the ink may be chalk or spray, whose grains are one stroke
FAINT = 0.12  # of full ink: the least that counts as a printed line


class BlankDrawingError(ValueError):
    """There is no ink in the drawing or picture."""


def find_ink(grey: Picture) -> Picture:
    """Find the ink: float ``[H, W]``, 0 where paper is, 1 where ink is fullest.

    Even paper (paint programs, screenshots) is the shade that most of the border has and is
    subtracted; uneven paper (photos) is estimated locally and the ink thresholded.

    Raises:
        BlankDrawingError: nothing stands out from the paper.
    """
    darkest, lightest = grey.min(), grey.max()
    if float(lightest - darkest) < MIN_CONTRAST:
        raise BlankDrawingError("The picture has one colour: there is no digit in it to read.")
    border = _border(grey)
    paper = _usual_shade(border)
    if (np.abs(border - paper) < EVEN).mean() < 0.9 and (np.abs(grey - paper) < EVEN).mean() <= 0.3:
        return _photo_ink(grey)
    # Ink is on the side that stands out more.
    dark, light = float(paper - darkest), float(lightest - paper)
    full = max(dark, light)
    ink = grey - paper if light > dark else paper - grey
    # The noise deviates by less than NOISE: it is measured only where ink is faint.
    if full < 6 * NOISE and full < 6 * float(ink[np.abs(ink) < NOISE].std()):
        raise BlankDrawingError("No ink stands out from the paper: use more light or a darker pen.")
    np.clip(ink, 0, full, out=ink)
    ink *= np.float32(1 / full)
    if (inner := _page_inside(ink > 0.5)) is not None:
        # The border is a frame around a page, not the paper.
        whole = np.zeros_like(grey)
        whole[inner] = find_ink(grey[inner])
        return whole
    return _without_print(ink)


def _border(picture: NDArray[Any]) -> NDArray[Any]:
    """The pixels at the picture's border, the corners twice."""
    return np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])


def _usual_shade(border: Picture) -> np.float32:
    """The shade that most of the border has."""
    if border.min() == border.max():  # paint programs
        return border[0]
    shades = np.bincount((border * 63.999).clip(0, 63.999).astype(np.int64), minlength=64)
    return np.median(border[np.abs(border * 64 - shades.argmax() - 0.5) <= 1.5])


def _page_inside(solid: NDArray[np.bool_]) -> Box | None:
    """The inside, without its blurred rim, of a page whose surroundings show at the border."""
    from scipy import ndimage

    if np.count_nonzero(solid) / solid.size < 0.2:
        return None
    labels, _ = ndimage.label(solid)
    largest = 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    box = ndimage.find_objects(labels)[largest - 1]
    page = labels[box] == largest
    # A page is a rectangle, perhaps tilted a little, with writing in it.
    filled = ndimage.binary_fill_holes(page)
    if filled.mean() < 0.88 or min(page.shape) < 0.4 * min(solid.shape):
        return None
    rim = 2 + round(0.02 * min(solid.shape)) + round((1 - filled.mean()) * min(page.shape) / 2)
    inner = (
        slice(box[0].start + rim, box[0].stop - rim),
        slice(box[1].start + rim, box[1].stop - rim),
    )
    inside = solid[inner]
    return inner if inside.size and min(inside.shape) > 8 and inside.mean() < 0.999 else None


def _photo_ink(grey: Picture) -> Picture:
    """Ink on uneven paper: contrast against the paper around it, kept where it is connected."""
    from scipy import ndimage

    small = _shrink(grey)
    if (page := _page_on_desk(small)) is not None:
        grey = _on_its_page(grey, page)
        small = _shrink(grey)
    if not _is_ink_dark(small):  # chalk: turn it into ink
        grey, small = 1 - grey, 1 - small
    # First a window wider than any stroke; then one for these strokes, which follows shadows.
    widest = min(small.shape) // 6
    contrast = _contrast(small, small, widest)
    pen = _pen_radius(contrast, widest)
    contrast = ndimage.gaussian_filter(_contrast(grey, small, pen), 0.8)
    usual, noise = _paper_level(contrast)
    contrast = np.maximum(contrast - usual, 0)
    full = float(ndimage.gaussian_filter(contrast, 1.5).max())
    if full < max(MIN_CONTRAST, 4 * noise):
        raise BlankDrawingError("No ink stands out from the paper: use more light or a darker pen.")
    low, high = max(0.3 * full, 2.5 * noise), 0.75 * full
    contrast = _without_print(contrast / full) * full
    labels, count = ndimage.label(contrast > low, np.ones((3, 3), np.int8))
    strongest = ndimage.maximum(contrast, labels, np.arange(1, count + 1))
    keep = np.concatenate([[False], np.asarray(strongest) > 0.55 * full])
    keep = _prefer_inside(keep, labels)
    near = ndimage.binary_dilation(keep[labels], np.ones((3, 3)))
    ink = np.clip((contrast - 0.5 * low) / (high - 0.5 * low), 0, 1)
    return np.where(near, ink, 0).astype(np.float32)


def _shrink(grey: Picture) -> Picture:
    """At most 160 px a side, without grain."""
    from scipy import ndimage

    factor = -(-max(grey.shape) // 160)
    return ndimage.median_filter(grey if factor == 1 else _block_mean(grey, factor), 3)


def _contrast(grey: Picture, small: Picture, radius: int) -> Picture:
    """How much darker than the paper each place is, as part of the paper's light.

    The paper is a smooth slope of light times what a closing (a running maximum, then minimum)
    leaves of the shrunk picture ``small``: dark things narrower than its window are gone.
    """
    from scipy import ndimage

    light = _slope(small)
    closed = ndimage.grey_closing(small / light, 1 + 2 * radius, mode="nearest") * light
    paper = ndimage.gaussian_filter(closed, 1.0)
    if paper.shape != grey.shape:
        zoom = [full / part for full, part in zip(grey.shape, paper.shape, strict=True)]
        paper = ndimage.zoom(paper, zoom, order=1, mode="nearest", grid_mode=True)
    return (paper - grey) / np.maximum(paper, 0.15)


def _pen_radius(contrast: Picture, widest: int) -> int:
    """Half of a window that is safely wider than the strokes, px of the shrunk picture."""
    from scipy import ndimage

    strong = contrast > 0.5 * float(contrast.max())
    inside = ndimage.distance_transform_edt(np.pad(strong, 1))
    ridge = inside[(inside > 0) & (inside == ndimage.maximum_filter(inside, 3))]
    if not ridge.size:
        return widest
    return int(min(max(3 * np.quantile(ridge, 0.95) + 2, 6), widest))


def _paper_level(contrast: Picture) -> tuple[float, float]:
    """The most common contrast, that of bare paper, and the deviation of the noise below it."""
    from scipy import ndimage

    low, high = np.quantile(contrast, [0.001, 0.999])
    middle = max((low + high) / 2, low + 1e-6)  # a marker may cover more than the paper left
    counts, edges = np.histogram(contrast, 256, (low, middle))
    peak = int(ndimage.gaussian_filter1d(counts.astype(float), 3).argmax())
    usual = float(edges[peak : peak + 2].mean())
    below = usual - contrast[contrast < usual]
    return usual, 1.4826 * float(np.median(below)) if below.size else 0.0


def _page_on_desk(small: Picture) -> NDArray[np.bool_] | None:
    """Where the page is, if the picture shows one whole on something much darker, else None."""
    from scipy import ndimage
    from skimage.filters import threshold_otsu
    from skimage.morphology import convex_hull_image

    bright = ndimage.binary_opening(small > threshold_otsu(small), iterations=2)
    labels, count = ndimage.label(bright)
    if not count:
        return None
    page = labels == 1 + int(np.argmax(np.bincount(labels.ravel())[1:]))
    page = ndimage.binary_fill_holes(page)
    if not 0.15 < page.mean() < 0.95 or _border(page).mean() > 0.15:
        return None
    if _border(bright).mean() > 0.5:  # not a desk: paper again, around a large zero
        return None
    if page.sum() < 0.9 * convex_hull_image(page).sum():
        return None
    # A sheet ends abruptly, light does not.
    inner = ndimage.binary_erosion(page, iterations=3)
    rim = ndimage.binary_dilation(page, iterations=3)
    step = np.median(small[inner & ~ndimage.binary_erosion(inner, iterations=3)]) - np.median(
        small[ndimage.binary_dilation(rim, iterations=3) & ~rim]
    )
    return inner if step > max(0.08, 0.5 * np.ptp(small[inner])) or step > 0.25 else None


def _on_its_page(grey: Picture, page: NDArray[np.bool_]) -> Picture:
    """The part of the picture that the page takes, its paper carried on to the corners."""
    from scipy import ndimage

    zoom = [full / part for full, part in zip(grey.shape, page.shape, strict=True)]
    mask = ndimage.zoom(page.astype(np.float32), zoom, order=1, mode="nearest", grid_mode=True)
    (box,) = ndimage.find_objects((mask > 0.5).astype(np.int8))
    grey, mask = grey[box], mask[box] > 0.5
    spread = min(grey.shape) / 12
    weight = ndimage.gaussian_filter(mask.astype(np.float32), spread)
    paper = ndimage.gaussian_filter(np.where(mask, grey, 0), spread) / np.maximum(weight, 1e-3)
    return np.where(mask, grey, paper).astype(np.float32)


def _prefer_inside(keep: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Drop components at the picture's edge (shadows, margins) where large ones lie inside it."""
    inside = keep.copy()
    inside[np.unique(_border(labels))] = False
    areas = np.bincount(labels.ravel(), minlength=len(keep))
    largest = areas[keep].max(initial=0)
    return inside if areas[inside].max(initial=0) > 0.15 * largest else keep


def _slope(small: Picture) -> Picture:
    """A quadratic surface through the paper, fitted again and again without what is far off."""
    y, x = np.mgrid[-1 : 1 : small.shape[0] * 1j, -1 : 1 : small.shape[1] * 1j]
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    values = small.ravel()
    kept = np.ones(len(values), bool)
    for _ in range(6):
        factors, *_ = np.linalg.lstsq(basis[kept][::7], values[kept][::7], rcond=None)
        off = values - basis @ factors
        spread = 1.4826 * float(np.median(np.abs(off[kept]))) + 1e-4
        kept = (off > -2 * spread) & (off < 3 * spread)
    return np.maximum(basis @ factors, 0.05).reshape(small.shape).astype(np.float32)


def _is_ink_dark(small: Picture) -> bool:
    """Whether the strongest deviation from the light around it is darker; in doubt it is."""
    from scipy import ndimage

    around = ndimage.gaussian_filter(small, min(small.shape) / 6, mode="nearest")
    ratio = np.log(np.maximum(small, 0.02) / np.maximum(around, 0.02))
    low, high = np.percentile(ratio, [0.3, 99.7])
    return bool(-low * 1.15 >= high)


def _block_mean(values: Picture, factor: int) -> Picture:
    from skimage.measure import block_reduce

    rows, columns = (side - side % factor for side in values.shape)
    return block_reduce(values[:rows, :columns], (factor, factor), np.mean)


def _without_print(ink: Picture) -> Picture:
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
    return np.where(mask & ~_without_rules(mask), 0, ink)


def _without_rules(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
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
            lines = part & ~_without_rules(part)
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
