"""Pictures of digits become 28x28 frames in MNIST's convention.

The convention is LeCun's (http://yann.lecun.com/exdb/mnist/) as rebuilt by QMNIST (Yadav and
Bottou, arXiv 1905.10498): white ink on black, a square window around the digit reduced by area
overlap to a 20x20 box, brightest ink at 255, the box placed in 28x28 so that the centre of mass
lies at index 14, by a whole number of pixels. Other constants were chosen on simulated pictures;
their sensitivity is in ``reports/preprocessing_constants.md``.

Pictures go through :func:`to_frame`, pen strokes (:mod:`strokes`) through :func:`place_box`; so do
the training data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from digitlib.errors import BlankDrawingError
from digitlib.preprocessing.components import bounding_box, isolate_digit
from digitlib.preprocessing.paper import find_ink
from digitlib.preprocessing.read import Picture, read_grey

if TYPE_CHECKING:
    from torch import Tensor

FRAME_SIZE = 28
BOX_SIZE = 20
MASS_CENTER = 14.0  # index of the centre of mass, rows and columns; QMNIST, section 2
MNIST_MEAN = 0.1307  # of the 60,000 training images, scaled to 0-1
MNIST_STD = 0.3081

MIN_EDGE = 0.2  # of full ink; fainter pixels do not widen the bounding box
SOLID = 0.5  # of full ink: where a soft edge is cut to measure and thin strokes
DETAIL = 2  # pixels a frame px from which a picture shows the form of its strokes
THIN_DETAIL = 8  # pixels a frame px for strokes to be thinned by parts of a small picture's px
MIN_WIDENING = 1  # px of the picture; a max-filter cannot widen strokes by less
MIN_STROKE = 1.3  # frame px; thinner strokes are widened, or area averaging would dim them
MAX_STROKE = 4.0  # frame px; wider strokes are thinned while the picture still shows their form

Pixels = TypeVar("Pixels", NDArray[np.floating[Any]], "Tensor")
Frame = NDArray[np.uint8]  # [28, 28], 0-255, white ink on black


def to_frame(image: Any, *, thicken: int = 0) -> Frame:
    """Turn a picture of one digit into its frame.

    Args:
        image: PIL image, path, or array ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]`` of uint8,
            uint16, bool or float 0-1; dark ink on light paper or the reverse.
        thicken: size in frame px of an optional max-filter against thin strokes and gaps,
            0 for none.

    Returns:
        uint8 ``[28, 28]``.

    Raises:
        BlankDrawingError: the picture has one colour, or no ink that stands out.
        InputError: the picture cannot be read as one; the message names the remedy.
    """
    return _run(image, thicken, {})


def frame_steps(image: Any, *, thicken: int = 0) -> dict[str, NDArray[Any]]:
    """Run :func:`to_frame` and return every step, in order, by name.

    Returns:
        ``greyscale``, ``ink``, ``digit``, ``crop``, ``box`` (float 0-1, of growing or shrinking
        size), ``frame`` (uint8 ``[28, 28]``) and ``input`` (float ``[1, 28, 28]``, normalised).
    """
    record: dict[str, NDArray[Any]] = {}
    frame = _run(image, thicken, record)
    record["frame"] = frame
    record["input"] = normalize(frame[None].astype(np.float32) / np.float32(255))
    return record


def normalize(frames: Pixels) -> Pixels:
    """Shift and scale frames of 0-1, arrays or tensors, to MNIST's mean 0 and deviation 1."""
    return (frames - MNIST_MEAN) / MNIST_STD


def _run(image: Any, thicken: int, record: dict[str, NDArray[Any]]) -> Frame:
    """The whole pipeline; each step leaves its result in ``record``."""
    if not 0 <= thicken <= 5:
        raise ValueError(f"thicken is a max-filter size of 0 to 5 frame pixels, not {thicken}.")
    record["greyscale"] = grey = read_grey(image)
    record["ink"] = ink = find_ink(grey)
    return ink_to_frame(ink, thicken, record)


def ink_to_frame(
    ink: NDArray[np.floating[Any]], thicken: int = 0, record: dict[str, NDArray[Any]] | None = None
) -> Frame:
    """The second half of :func:`to_frame`, for pictures known to be white ink on black.

    Args:
        ink: float ``[H, W]``, 0 paper to 1 ink.
        thicken: as there.
        record: takes the result of each step, by name.

    Raises:
        BlankDrawingError: there is no ink.
    """
    record = {} if record is None else record
    record["digit"] = digit = isolate_digit(ink.astype(np.float32, copy=False))
    record["crop"] = crop = square_window(digit)
    record["box"] = box = reduce_to_box(even_strokes(crop))
    if thicken > 1:
        from scipy import ndimage

        record["thickened"] = box = ndimage.maximum_filter(box, size=thicken)
    return place_box(box)


def square_window(digit: Picture) -> Picture:
    """Cut the tight box around the digit and pad it to a square, aspect kept.

    Raises:
        BlankDrawingError: there is no ink.
    """
    if (tight := bounding_box(digit > MIN_EDGE)) is None:
        raise BlankDrawingError("There is no ink in the picture: draw a digit first.")
    crop = digit[tight]
    side = max(crop.shape)
    top, left = ((side - length) // 2 for length in crop.shape)
    window = np.zeros((side, side), np.float32)
    window[top : top + crop.shape[0], left : left + crop.shape[1]] = crop
    return window


def stroke_width(picture: Picture) -> float:
    """Mean stroke width of a picture in its own px, from ink area over half the outline's length.

    The outline is counted along rows and columns and scaled by pi/4 (Cauchy-Crofton).
    """
    solid = picture > SOLID
    # Where shades change, and where ink reaches the rim of the picture.
    rims = (solid[0], solid[-1], solid[:, 0], solid[:, -1])
    changes = (solid[1:] != solid[:-1], solid[:, 1:] != solid[:, :-1])
    outline = sum(map(np.count_nonzero, (*rims, *changes)))
    return 2 * np.count_nonzero(solid) / (outline * np.pi / 4) if outline else 0.0


def even_strokes(window: Picture) -> Picture:
    """Bring the strokes in a square window ``[S, S]`` to a width that the box can show.

    Strokes thinner than ``MIN_STROKE`` frame px are widened; strokes wider than ``MAX_STROKE`` are
    thinned where the window shows more of their form than the box would. The window may then have
    another size; a small one is enlarged.
    """
    from scipy import ndimage

    detailed = len(window) >= DETAIL * BOX_SIZE
    if not detailed and len(window) != BOX_SIZE:
        window = _enlarge(window, DETAIL * BOX_SIZE)
    frame_px = len(window) / BOX_SIZE
    width = stroke_width(window)
    if detailed and width > MAX_STROKE * frame_px:
        return _thin(window)
    missing = MIN_STROKE * frame_px - width
    if missing <= MIN_WIDENING:
        return window
    size = 1 + round(missing)
    return ndimage.maximum_filter(np.pad(window, size // 2), size=size)


def _thin(window: Picture) -> Picture:
    """Erode strokes so far that they are ``MAX_STROKE`` frame px wide, unless that breaks them."""
    from scipy import ndimage

    window = _enlarge(window, THIN_DETAIL * BOX_SIZE)
    solid = np.pad(window > SOLID, 1)
    depth = ndimage.distance_transform_edt(solid)[1:-1, 1:-1]
    # Strokes at the window's sides lose as much as the others: the window shrinks with them.
    target = MAX_STROKE / BOX_SIZE
    cut = (stroke_width(window) - target * len(window)) / (1 - target) / 2
    # Grey inside a stroke stays: it may be all that is left of a loop in a soft picture.
    thin = np.clip(depth - cut, 0, 1).astype(np.float32) * window
    parts = [ndimage.label(ink, np.ones((3, 3)))[1] for ink in (solid, thin > MIN_EDGE)]
    return square_window(thin) if parts[0] == parts[1] else window


def reduce_to_box(window: Picture) -> Picture:
    """Reduce a square window ``[S, S]`` to the 20x20 box by area overlap."""
    weights = _overlap(len(window))
    box = weights @ window @ weights.T
    return np.asarray(box * (1 / max(float(box.max()), 1e-6)), np.float32)


def _enlarge(window: Picture, least: int) -> Picture:
    """A window of at least so many px a side, enlarged smoothly, not by repeating pixels."""
    if len(window) >= least:
        return window
    from scipy import ndimage

    return ndimage.zoom(window, -(-least // len(window)), order=1, mode="nearest", grid_mode=True)


_overlaps: dict[int, NDArray[np.float32]] = {}


def _overlap(side: int) -> NDArray[np.float32]:
    """Weights ``[20, side]`` that average the part of a line under each of 20 equal cells."""
    if side not in _overlaps:
        edges = np.linspace(0, side, BOX_SIZE + 1)
        cells = np.arange(side)
        upper = np.minimum(edges[1:, None], cells + 1)
        lower = np.maximum(edges[:-1, None], cells)
        _overlaps[side] = (np.clip(upper - lower, 0, None) * (BOX_SIZE / side)).astype(np.float32)
    return _overlaps[side]


def place_box(box: NDArray[np.floating[Any]]) -> Frame:
    """Place a box of at most 28x28 (float 0-1) in a frame, centre of mass at index 14.

    The shift is a whole number of pixels and stops where ink would leave the frame.
    """
    return to_bytes(place_at(box, find_corner(box)))


def to_bytes(frame: NDArray[np.floating[Any]]) -> Frame:
    """The frame 0-1 as uint8 0-255."""
    return np.rint(frame * 255).astype(np.uint8)


def place_at(box: NDArray[np.floating[Any]], corner: tuple[int, int]) -> NDArray[np.floating[Any]]:
    """A box ``[..., H, W]`` in frames of 0 ``[..., 28, 28]``, its first row and column there."""
    *outer, height, width = box.shape
    frame = np.zeros((*outer, FRAME_SIZE, FRAME_SIZE), box.dtype)
    top, left = corner
    frame[..., top : top + height, left : left + width] = box
    return frame


def find_corner(box: NDArray[np.floating[Any]]) -> tuple[int, int]:
    """Row and column of the frame at which :func:`place_box` places the box."""
    height, width = box.shape
    total = float(box.sum())
    if not total:
        raise BlankDrawingError("There is no ink in the drawing: draw a digit first.")
    y, x = box.sum(axis=1).dot(_indices[:height]), box.sum(axis=0).dot(_indices[:width])
    return _shift(float(y) / total, height), _shift(float(x) / total, width)


def _shift(center: float, length: int) -> int:
    """Where a box of this length starts in the frame, so that this index comes to lie at 14."""
    return min(max(round(MASS_CENTER - center), 0), FRAME_SIZE - length)


_indices = np.arange(FRAME_SIZE, dtype=np.float64)
BASELINE_THICKEN = 3  # px of the max-filter


def baseline_frame(image: Image.Image) -> Frame:
    """Turn a picture of dark ink on light paper into a frame: the textbook preprocessing.

    Returns:
        uint8 ``[28, 28]``.

    Raises:
        BlankDrawingError: there is no ink.
    """
    ink = ImageOps.invert(image.convert("L"))
    box = ink.getbbox()
    if box is None:
        raise BlankDrawingError("There is no ink in the picture: draw a digit first.")
    digit = ink.crop(box).filter(ImageFilter.MaxFilter(BASELINE_THICKEN))
    digit.thumbnail((BOX_SIZE, BOX_SIZE), Image.Resampling.LANCZOS)
    frame = Image.new("L", (FRAME_SIZE, FRAME_SIZE))
    frame.paste(digit, ((FRAME_SIZE - digit.width) // 2, (FRAME_SIZE - digit.height) // 2))
    return np.asarray(frame).copy()
