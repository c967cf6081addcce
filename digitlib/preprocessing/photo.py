"""Find the ink in photos: uneven paper, light and shadows, a sheet on a desk.

The background is estimated locally. Ink is the contrast against it: printed lines are removed, and
strong connected components are kept.
"""

from __future__ import annotations

import numpy as np
import scipy
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.preprocessing.components import border, largest_component
from digitlib.preprocessing.read import MIN_CONTRAST, Picture, block_mean
from digitlib.preprocessing.ruling import NEIGHBORS_8, remove_print

SHRUNK_SIDE = 160  # px a side at most for estimates of light and paper, which are smooth
GRAIN_FILTER = 3  # px of the median filter against the grain of shrunk photos
WIDEST_STROKE = 6  # the first window for paper is 1/6 of the shorter side: wider than any stroke
INK_BLUR = 0.8  # px, standard deviation: noise of single pixels is smoothed away
PEAK_BLUR = 1.5  # px, standard deviation, before the fullest ink is measured
MIN_PEAK = 4  # standard deviations of the noise that the fullest ink must stand out by
LOW_INK, LOW_SIGMAS = 0.3, 2.5  # of full ink, and noise deviations: the least connected ink
HIGH_INK = 0.75  # of full ink: drawn as black
STRONG_INK = 0.55  # of full ink that a component must reach somewhere, or it is a smudge
ZERO_INK = 0.5  # of the least connected ink: drawn as white
PAPER_BLUR = 1.0  # shrunk px, standard deviation: takes the closing's corners off the paper
MIN_PAPER = 0.15  # of full scale: darker paper is counted as so light, or noise would be contrast
PEN_INK = 0.5  # of the strongest contrast: the core of the strokes, whose width is measured
PEN_QUANTILE = 0.95  # of the strokes' half-widths: that of the widest, without blots
PEN_ROOM = 3  # half-widths of the stroke that a window's radius has, so that paper shows …
PEN_MARGIN = 2  # shrunk px added …
MIN_PEN_RADIUS = 6  # shrunk px at least: light is smooth over that
LEVEL_TAIL = 0.001  # share of pixels left out at both ends before paper is looked for
LEVEL_BINS = 256  # of the histogram of contrast, over its lower half
LEVEL_BLUR = 3  # bins, standard deviation, before its peak is taken
MAD_TO_SIGMA = 1.4826  # a normal distribution's standard deviation over its median deviation
MIN_INNER = 0.15  # of the largest component's area: ink inside makes ink at the border a shadow

# --- a sheet on a desk, in a photo; pixels are shrunk ones
DESK_OPENING = 2  # px: bridges between the sheet and bright things on the desk are cut
MIN_SHEET, MAX_SHEET = 0.15, 0.95  # of the picture that a sheet on a desk covers
MAX_SHEET_BORDER = 0.15  # of the picture's border that the sheet touches
MAX_BRIGHT_BORDER = 0.5  # of the border that is bright; more is paper again, around a large zero
OTSU_BINS = 256  # of the histogram of shades in which sheet and desk are parted
HULL_TOLERANCE = 1e-9  # px outside of the hull that are rounding
MIN_CONVEX = 0.9  # of the convex hull of the sheet that it fills
SHEET_RIM = 3  # px on both sides of the sheet's edge where its step is blurred
MIN_STEP = 0.08  # of full scale from sheet to desk: a sheet ends abruptly, light does not …
MIN_STEP_PART = 0.5  # … and of the shades on the sheet …
SURE_STEP = 0.25  # … unless it is of this part of full scale
FILL_SPREAD = 12  # paper beyond a tilted sheet is blurred paper: 1/12 of the shorter side
MIN_WEIGHT = 1e-3  # of blurred paper; guards a division

# --- slope of light
SLOPE_ROUNDS = 6  # fits of the quadratic surface; each leaves out the outliers of the last
SLOPE_STRIDE = 7  # every 7th pixel is fitted: enough for 6 numbers
SLOPE_BELOW, SLOPE_ABOVE = 2, 3  # deviations off the surface that are left out: ink is below
MIN_SPREAD = 1e-4  # of full scale; guards against a deviation of zero
MIN_LIGHT = 0.05  # of full scale; guards a division

# --- dark ink or chalk
CHALK_BLUR = 6  # the light around is blurred by 1/6 of the shorter side
MIN_SHADE = 0.02  # of full scale; guards a logarithm
SHADE_TAIL = 0.3  # per cent of the pixels left out at both ends: single ones do not count
DARK_BIAS = 1.15  # weight of the dark side: in doubt ink is dark


def photo_ink(gray: Picture) -> Picture:
    """Ink on uneven paper: contrast against the paper around it, kept where it is connected."""
    small = _shrink(gray)
    if (page := _page_on_desk(small)) is not None:
        gray = _on_its_page(gray, page)
        small = _shrink(gray)
    if not _is_ink_dark(small):  # chalk: turn it into ink
        gray, small = 1 - gray, 1 - small
    # First a window wider than any stroke; then one for these strokes, which follows shadows.
    widest = min(small.shape) // WIDEST_STROKE
    contrast = _contrast(small, small, widest)
    pen = _pen_radius(contrast, widest)
    contrast = scipy.ndimage.gaussian_filter(_contrast(gray, small, pen), INK_BLUR)
    usual, noise = _paper_level(contrast)
    contrast = np.maximum(contrast - usual, 0)
    full = float(scipy.ndimage.gaussian_filter(contrast, PEAK_BLUR).max())
    if full < max(MIN_CONTRAST, MIN_PEAK * noise):
        raise BlankDrawingError("No ink stands out from the paper: use more light or a darker pen.")
    return _connected_ink(remove_print(contrast / full) * full, full, noise)


def _connected_ink(contrast: Picture, full: float, noise: float) -> Picture:
    """Ink 0-1 of the connected components that are strong somewhere.

    Args:
        contrast: against the paper.
        full: contrast of full ink.
        noise: standard deviation of bare paper.
    """
    low, high = max(LOW_INK * full, LOW_SIGMAS * noise), HIGH_INK * full
    labels, count = scipy.ndimage.label(contrast > low, NEIGHBORS_8)
    keep = np.zeros(count + 1, bool)
    keep[labels[contrast > STRONG_INK * full]] = True
    keep[0] = False  # what is weaker than the weakest ink
    keep = _prefer_inside(keep, labels)
    near = scipy.ndimage.binary_dilation(keep[labels], NEIGHBORS_8)
    zero = ZERO_INK * low
    ink = np.clip((contrast - zero) / (high - zero), 0, 1)
    return np.where(near, ink, 0).astype(np.float32)


def _shrink(gray: Picture) -> Picture:
    """The picture at most ``SHRUNK_SIDE`` px a side, without grain."""
    factor = -(-max(gray.shape) // SHRUNK_SIDE)
    return scipy.ndimage.median_filter(
        gray if factor == 1 else block_mean(gray, factor), GRAIN_FILTER
    )


def _contrast(gray: Picture, small: Picture, radius: int) -> Picture:
    """How much darker each pixel is than the paper, as part of the paper's light.

    The paper is a smooth slope of light times the closing (a running maximum, then minimum) of
    the shrunk picture ``small``, which removes dark objects narrower than its window.
    """
    light = _slope(small)
    closed = scipy.ndimage.grey_closing(small / light, 1 + 2 * radius, mode="nearest") * light
    paper = scipy.ndimage.gaussian_filter(closed, PAPER_BLUR)
    if paper.shape != gray.shape:
        zoom = [full / part for full, part in zip(gray.shape, paper.shape, strict=True)]
        paper = scipy.ndimage.zoom(paper, zoom, order=1, mode="nearest", grid_mode=True)
    return (paper - gray) / np.maximum(paper, MIN_PAPER)


def _pen_radius(contrast: Picture, widest: int) -> int:
    """Half of a window that is safely wider than the strokes, px of the shrunk picture."""
    strong = contrast > PEN_INK * float(contrast.max())
    inside = scipy.ndimage.distance_transform_edt(np.pad(strong, 1))
    ridge = inside[(inside > 0) & (inside == scipy.ndimage.maximum_filter(inside, 3))]
    if not ridge.size:
        return widest
    radius = PEN_ROOM * np.quantile(ridge, PEN_QUANTILE) + PEN_MARGIN
    return int(min(max(radius, MIN_PEN_RADIUS), widest))


def _paper_level(contrast: Picture) -> tuple[float, float]:
    """The most common contrast, that of bare paper, and the deviation of the noise below it."""
    low, high = np.quantile(contrast, [LEVEL_TAIL, 1 - LEVEL_TAIL])
    middle = max((low + high) / 2, low + 1e-6)  # a marker may cover more than the paper left
    counts, edges = np.histogram(contrast, LEVEL_BINS, (low, middle))
    peak = int(scipy.ndimage.gaussian_filter1d(counts.astype(float), LEVEL_BLUR).argmax())
    usual = float(edges[peak : peak + 2].mean())
    below = usual - contrast[contrast < usual]
    return usual, MAD_TO_SIGMA * float(np.median(below)) if below.size else 0.0


def _page_on_desk(small: Picture) -> NDArray[np.bool_] | None:
    """Where the page is, if the picture shows a whole page on a much darker desk, else None."""
    bright = scipy.ndimage.binary_opening(small > threshold_otsu(small), iterations=DESK_OPENING)
    if not bright.any():
        return None
    page = scipy.ndimage.binary_fill_holes(largest_component(bright))
    if not MIN_SHEET < page.mean() < MAX_SHEET or border(page).mean() > MAX_SHEET_BORDER:
        return None
    if border(bright).mean() > MAX_BRIGHT_BORDER:
        return None
    if page.sum() < MIN_CONVEX * hull_area(page):
        return None
    inner, step = _step_at_edge(small, page)
    if not inner.any():
        return None
    clear = step > max(MIN_STEP, MIN_STEP_PART * float(np.ptp(small[inner]))) or step > SURE_STEP
    return inner if clear else None


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


def hull_area(mask: NDArray[np.bool_]) -> int:
    """Number of pixels with their center in the convex hull of a mask."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([np.stack([rows, each], axis=1) for each in (first, last)])
    sides = np.array([(-0.5, 0), (0.5, 0), (0, -0.5), (0, 0.5)])  # the middles of a pixel's sides
    lines = scipy.spatial.ConvexHull((ends[:, None] + sides).reshape(-1, 2)).equations
    beyond = np.indices(mask.shape).reshape(2, -1).T @ lines[:, :2].T + lines[:, 2]
    return int(np.count_nonzero(beyond.max(axis=1) < HULL_TOLERANCE))


def _step_at_edge(small: Picture, page: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], float]:
    """The sheet inside its blurred edge, and how much lighter it is there than the desk beside."""
    inner = scipy.ndimage.binary_erosion(page, iterations=SHEET_RIM)
    outer = scipy.ndimage.binary_dilation(page, iterations=SHEET_RIM)
    sheet = inner & ~scipy.ndimage.binary_erosion(inner, iterations=SHEET_RIM)
    desk = scipy.ndimage.binary_dilation(outer, iterations=SHEET_RIM) & ~outer
    if not sheet.any() or not desk.any():  # the picture is too small to show both
        return inner, 0.0
    return inner, float(np.median(small[sheet]) - np.median(small[desk]))


def _on_its_page(gray: Picture, page: NDArray[np.bool_]) -> Picture:
    """The page cut out of the picture, with its paper extended to the corners."""
    zoom = [full / part for full, part in zip(gray.shape, page.shape, strict=True)]
    mask = scipy.ndimage.zoom(
        page.astype(np.float32), zoom, order=1, mode="nearest", grid_mode=True
    )
    (box,) = scipy.ndimage.find_objects((mask > 0.5).astype(np.int8))
    gray, mask = gray[box], mask[box] > 0.5
    spread = min(gray.shape) / FILL_SPREAD
    weight = scipy.ndimage.gaussian_filter(mask.astype(np.float32), spread)
    blurred = scipy.ndimage.gaussian_filter(np.where(mask, gray, 0), spread)
    paper = blurred / np.maximum(weight, MIN_WEIGHT)
    return np.where(mask, gray, paper).astype(np.float32)


def _prefer_inside(keep: NDArray[np.bool_], labels: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Drop components at the picture's edge (shadows, margins) if there are large ones inside."""
    inside = keep.copy()
    inside[np.unique(border(labels))] = False
    areas = np.bincount(labels.ravel(), minlength=len(keep))
    largest = areas[keep].max(initial=0)
    return inside if areas[inside].max(initial=0) > MIN_INNER * largest else keep


def _slope(small: Picture) -> Picture:
    """A quadratic surface through the paper, fitted repeatedly without outliers."""
    y, x = np.mgrid[-1 : 1 : small.shape[0] * 1j, -1 : 1 : small.shape[1] * 1j]
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1).reshape(-1, 6)
    values = small.ravel()
    kept = np.ones(len(values), bool)
    for _ in range(SLOPE_ROUNDS):
        sampled = np.flatnonzero(kept)[::SLOPE_STRIDE]
        factors, *_ = np.linalg.lstsq(basis[sampled], values[sampled], rcond=None)
        off = values - basis @ factors
        spread = MAD_TO_SIGMA * float(np.median(np.abs(off[kept]))) + MIN_SPREAD
        kept = (off > -SLOPE_BELOW * spread) & (off < SLOPE_ABOVE * spread)
    return np.maximum(basis @ factors, MIN_LIGHT).reshape(small.shape).astype(np.float32)


def _is_ink_dark(small: Picture) -> bool:
    """Whether the strongest deviation from the light around it is darker; in doubt it is."""
    around = scipy.ndimage.gaussian_filter(small, min(small.shape) / CHALK_BLUR, mode="nearest")
    ratio = np.log(np.maximum(small, MIN_SHADE) / np.maximum(around, MIN_SHADE))
    low, high = np.percentile(ratio, [SHADE_TAIL, 100 - SHADE_TAIL])
    return bool(-low * DARK_BIAS >= high)
