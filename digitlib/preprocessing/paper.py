"""Greyscale becomes ink: the digit's strokes as 0-1, whatever paper they are on.

Even paper (paint programs, screenshots) is subtracted; on uneven paper (photos) the contrast
against the paper around decides, printed rules are taken away, and of the connected components
those stay that can belong to the digit.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.read import MIN_CONTRAST, BlankDrawingError, Box, Picture
from digitlib.preprocessing.ruling import remove_print

EVEN = 2.5 / 255  # so far does a shade vary where paper is painted, not photographed
NOISE = 4 * EVEN  # what differs less from the paper counts as its noise


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
    return remove_print(ink)


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
    contrast = remove_print(contrast / full) * full
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
