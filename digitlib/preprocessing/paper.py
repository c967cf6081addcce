"""Find the ink in a gray picture, 0-1, on any paper.

The even background of digital pictures is subtracted; :mod:`photo` handles uneven paper.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.preprocessing.components import border, largest_component
from digitlib.preprocessing.photo import photo_ink
from digitlib.preprocessing.read import MIN_CONTRAST, Box, Picture
from digitlib.preprocessing.ruling import remove_print

EVEN_SHADE = 2.5 / 255  # of full scale: the largest variation of shade in a digital background
EVEN_BORDER = 0.9  # of the border in one even shade: the picture is digital, or …
EVEN_AREA = 0.3  # … of the whole picture, where strokes cover the border
NOISE_BAND = 4 * EVEN_SHADE  # of full scale around the paper in which its noise is measured
BLANK_SIGMAS = 6  # standard deviations of the noise that ink must stand out by
SHADE_BINS = 64  # of the border's histogram: 4 gray levels of 255 each
SHADE_REACH = 1.5  # bins around the fullest one over which the border's usual shade is averaged

# --- a page with its surroundings, in a digital picture
PAGE_INK = 0.5  # of full ink: the least contrast of a page with the shade of the border
MIN_SOLID = 0.2  # of the picture that a page covers at least
MIN_RECTANGLE = 0.88  # of a page's bounding box that it fills; a zero fills less
MIN_PAGE_SIDE = 0.4  # of the picture's shorter side
PAGE_RIM = 2  # px of a page's edge that are cut off: its blur …
PAGE_RIM_PART = 0.02  # … in larger pictures this part of the shorter side
MIN_INSIDE = 8  # px of a page's sides inside its rim that can show a digit
MAX_BLANK_PAGE = 0.999  # of the page's inside that is paper; above it nothing is written there


def find_ink(gray: Picture) -> Picture:
    """Find the ink: float ``[H, W]``, 0 for paper, 1 for the fullest ink.

    Even paper (paint programs, screenshots) has the most common shade of the border, which is
    subtracted. Uneven paper (photos) is estimated locally, and the ink is thresholded.

    Raises:
        BlankDrawingError: nothing stands out from the paper.
    """
    darkest, lightest = gray.min(), gray.max()
    if float(lightest - darkest) < MIN_CONTRAST:
        raise BlankDrawingError("The picture has only one color: there is no digit to read.")
    rim = border(gray)
    paper = _usual_shade(rim)
    if _share_even(rim, paper) < EVEN_BORDER and _share_even(gray, paper) <= EVEN_AREA:
        return photo_ink(gray)
    # Ink is on the side of the larger contrast.
    dark, light = float(paper - darkest), float(lightest - paper)
    full = max(dark, light)
    ink = gray - paper if light > dark else paper - gray
    # Noise matters only below faint ink, and measuring it takes as long as the rest.
    least = BLANK_SIGMAS * NOISE_BAND
    if full < least and full < BLANK_SIGMAS * float(ink[np.abs(ink) < NOISE_BAND].std()):
        raise BlankDrawingError("No ink stands out from the paper: use more light or a darker pen.")
    np.clip(ink, 0, full, out=ink)
    ink *= np.float32(1 / full)
    if (inner := _page_inside(ink > PAGE_INK)) is not None:
        # The border is a frame around a page, not the paper.
        page = find_ink(gray[inner])
        whole = np.zeros_like(gray)
        if page.shape != whole[inner].shape:  # a photo of a sheet, cropped to the sheet
            return page
        whole[inner] = page
        return whole
    return remove_print(ink)


def _share_even(shades: NDArray[Any], paper: np.float32) -> np.floating[Any]:
    """The share of pixels in the paper's shade."""
    return (np.abs(shades - paper) < EVEN_SHADE).mean()


def _usual_shade(rim: Picture) -> np.float32:
    """The shade that most of the border has."""
    if rim.min() == rim.max():  # paint programs
        return rim[0]
    last = SHADE_BINS - 0.001  # shade 1 belongs to the last bin
    counts = np.bincount((rim * last).clip(0, last).astype(np.int64), minlength=SHADE_BINS)
    offset = np.abs(rim * SHADE_BINS - counts.argmax() - 0.5)  # bins from its middle
    return np.median(rim[offset <= SHADE_REACH])


def _page_inside(solid: NDArray[np.bool_]) -> Box | None:
    """The inside, without its blurred rim, of a page with its surroundings at the border."""
    if np.count_nonzero(solid) / solid.size < MIN_SOLID:
        return None
    whole = largest_component(solid)
    (box,) = scipy.ndimage.find_objects(whole.astype(np.int8))
    page = whole[box]
    # A page is a rectangle, perhaps tilted a little, with writing in it.
    filled = scipy.ndimage.binary_fill_holes(page)
    if filled.mean() < MIN_RECTANGLE or min(page.shape) < MIN_PAGE_SIDE * min(solid.shape):
        return None
    tilt = round((1 - filled.mean()) * min(page.shape) / 2)
    rim = PAGE_RIM + round(PAGE_RIM_PART * min(solid.shape)) + tilt
    rows, columns = (slice(side.start + rim, side.stop - rim) for side in box)
    inside = solid[rows, columns]
    written = inside.size and min(inside.shape) > MIN_INSIDE and inside.mean() < MAX_BLANK_PAGE
    return (rows, columns) if written else None
