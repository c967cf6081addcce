"""Greyscale becomes ink: the digit's strokes as 0-1, whatever paper they are on.

Even paper (paint programs, screenshots) is subtracted; on uneven paper (photos) the contrast
against the paper around decides, printed rules are taken away, and of the connected components
those stay that can belong to the digit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from digitlib.greyscale import MIN_CONTRAST, Picture

EVEN = 2.5 / 255  # so far does a shade vary where paper is painted, not photographed
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
    if float(np.ptp(grey)) < MIN_CONTRAST:
        raise BlankDrawingError("The picture has one colour: there is no digit in it to read.")
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    shades = np.bincount((border * 63.999).clip(0, 63.999).astype(np.int64), minlength=64)
    paper = float(np.median(border[np.abs(border * 64 - shades.argmax() - 0.5) <= 1.5]))
    even = float((np.abs(grey - paper) < EVEN).mean()) > 0.3
    if not even and float((np.abs(border - paper) < EVEN).mean()) < 0.9:
        return _photo_ink(grey)
    difference = grey - np.float32(paper)
    noise = float(difference[np.abs(difference) < 4 * EVEN].std())
    if float(np.abs(difference).max()) < 6 * noise:
        raise BlankDrawingError("No ink stands out from the paper: use more light or a darker pen.")
    ink = _towards_ink(difference)
    if (inner := _page_inside(ink > 0.5)) is not None:
        # The border is a frame around a page, not the paper.
        whole = np.zeros_like(grey)
        whole[inner] = find_ink(grey[inner])
        return whole
    return _without_print(ink)


def _towards_ink(difference: Picture) -> Picture:
    """Scale the difference from paper to 0-1, taking the sign that stands out more."""
    dark, light = -float(difference.min()), float(difference.max())
    ink = np.maximum(difference, 0) if light > dark else np.maximum(-difference, 0)
    return ink * np.float32(1 / max(dark, light))


def _page_inside(solid: NDArray[np.bool_]) -> tuple[slice, slice] | None:
    """The inside, without its blurred rim, of a page whose surroundings show at the border."""
    from scipy import ndimage

    if solid.mean() < 0.2:
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
    border = np.concatenate([page[0], page[-1], page[:, 0], page[:, -1]])
    if not 0.15 < page.mean() < 0.95 or border.mean() > 0.15:
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
    border = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    inside = keep.copy()
    inside[np.unique(border)] = False
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

    mask = ink > FAINT
    sides = (mask[:, :3].any(), mask[:, -3:].any(), mask[:3].any(), mask[-3:].any())
    if min(ink.shape) < 64 or not ((sides[0] and sides[1]) or (sides[2] and sides[3])):
        return ink
    rim = np.concatenate(
        [ink[:3].ravel(), ink[-3:].ravel(), ink[:, :3].ravel(), ink[:, -3:].ravel()]
    )
    faint = float(np.quantile(rim[rim > FAINT], 0.9))
    if faint < 0.6:  # fainter than the pen: keep what is near full ink
        strong = ink > faint + 0.3 * (1 - faint)
        return np.where(ndimage.binary_dilation(strong, np.ones((3, 3)), iterations=2), ink, 0)
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


def keep_digit(ink: Picture) -> Picture:
    """Drop what is no part of the digit: specks, ruled lines, a drawn frame, edges of the page."""
    from scipy import ndimage

    mask = ink > 0.35
    labels, count = ndimage.label(mask, np.ones((3, 3), np.int8))
    if count <= 1:
        return ink
    areas = np.bincount(labels.ravel())[1:]
    boxes = ndimage.find_objects(labels)
    kept = [
        index
        for index, (box, area) in enumerate(zip(boxes, areas, strict=True))
        if not _is_page_edge(box, int(area), labels, index + 1)
    ] or list(range(count))
    main = max(kept, key=lambda index: areas[index])
    kept = [
        index
        for index in kept
        if areas[index] >= 0.04 * areas[main] and not _is_far(boxes[index], boxes[main])
    ]
    drop = np.ones(count + 1, bool)
    drop[[0] + [index + 1 for index in kept]] = False
    if not drop.any():
        return ink
    # Soft edges belong to the nearest component: grow what is dropped by the blur of its rim.
    gone = ndimage.binary_dilation(drop[labels], np.ones((3, 3)), iterations=2)
    return np.where(gone & ~(mask & ~drop[labels]), 0, ink).astype(np.float32)


def _is_far(box: tuple[slice, slice], main: tuple[slice, slice]) -> bool:
    """Whether a part lies too far from the main one to belong to the same digit."""
    gaps = [max(a.start - b.stop, b.start - a.stop, 0) for a, b in zip(box, main, strict=True)]
    return max(gaps) > 0.4 * max(side.stop - side.start for side in main)


def _is_page_edge(
    box: tuple[slice, slice], area: int, labels: NDArray[np.int32], label: int
) -> bool:
    """Whether a component is a ruled line across the picture, a frame, or a dark margin."""
    height, width = labels.shape
    tall, wide = box[0].stop - box[0].start, box[1].stop - box[1].start
    sides = [
        box[0].start == 0,
        box[1].start == 0,
        box[0].stop == height,
        box[1].stop == width,
    ]
    across = (sides[1] and sides[3] and tall < 0.15 * height) or (
        sides[0] and sides[2] and wide < 0.15 * width
    )
    if across:
        return True
    if tall > 0.75 * height and wide > 0.75 * width:
        margin = max(2, round(0.08 * min(tall, wide)))
        core = labels[
            box[0].start + margin : box[0].stop - margin,
            box[1].start + margin : box[1].stop - margin,
        ]
        return int((core == label).sum()) < 0.1 * area
    return False
