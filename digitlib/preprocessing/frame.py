"""Turn pictures of digits into 28x28 frames in MNIST's convention.

The convention is LeCun's (http://yann.lecun.com/exdb/mnist/), as reconstructed by QMNIST (Yadav and
Bottou, arXiv 1905.10498). Ink is white on black. Area overlap reduces a square window around the
digit to a 20x20 box, its brightest pixel at 255. The box moves by whole pixels in the 28x28 frame
until the center of mass is at index 14. The other constants were chosen on simulated pictures.

Pictures go through :func:`to_frame`, pen strokes (:mod:`strokes`) through :func:`place`. The
training data go through the same functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import scipy
from numpy.typing import NDArray
from PIL import Image, ImageFilter, ImageOps

from digitlib.errors import BlankDrawingError
from digitlib.preprocessing.read import Picture, read_gray
from digitlib.preprocessing.segmentation import bounding_box, find_digit

if TYPE_CHECKING:
    from torch import Tensor

FRAME_SIZE = 28
BOX_SIZE = 20
CHANNELS = ("ink", "direction x", "direction y", "time")
MASS_CENTER = 14.0  # index of the center of mass, rows and columns; QMNIST, section 2
MNIST_MEAN = 0.1307  # of the 60,000 training images, scaled to 0-1
MNIST_STD = 0.3081

MIN_EDGE = 0.2  # of full ink; fainter pixels don't widen the bounding box
SOLID = 0.5  # of full ink: where a soft edge is cut to measure and thin strokes
DETAIL = 2  # px of the picture per frame px, from which on it shows the shape of its strokes
THIN_DETAIL = 8  # px per frame px, so that strokes can be thinned by parts of a small picture's px
MIN_WIDENING = 1  # px of the picture; a max-filter can't widen strokes by less
MIN_STROKE = 1.3  # frame px; thinner strokes are widened, or area averaging would dim them
MAX_STROKE = 4.0  # frame px; wider strokes are thinned if the picture shows their shape
BASELINE_THICKEN = 3  # px of the max-filter

Pixels = TypeVar("Pixels", NDArray[np.floating[Any]], "Tensor")
# [4, 28, 28]: ink 0-1 in steps of 1/255; stroke direction x and y and time, -1 to 1, 0 for pictures
Frame = NDArray[np.float32]

# [2, 28]: factors of the sum of rows or columns, and of their first moment
_MOMENTS = np.stack([np.ones(FRAME_SIZE), np.arange(FRAME_SIZE)])
_overlaps: dict[int, NDArray[np.float32]] = {}


def to_frame(image: Any) -> Frame:
    """Turn a picture of one digit into its frame.

    Args:
        image: as for :func:`read.read_gray`; dark ink on light paper or the reverse.

    Returns:
        float32 ``[4, 28, 28]``: the ink, 0-1, and three channels of 0.

    Raises:
        BlankDrawingError: the picture has one color, or no ink that stands out.
        InputError: the picture can't be read; the message says what to do.
    """
    return ink_to_frame(find_digit(read_gray(image)))


def ink_to_frame(ink: NDArray[np.floating[Any]]) -> Frame:
    """Turn the ink of one digit into its frame: the second half of :func:`to_frame`.

    Args:
        ink: float ``[H, W]``, 0 paper to 1 ink.

    Raises:
        BlankDrawingError: there is no ink.
    """
    crop = square_window(ink.astype(np.float32, copy=False))
    return place(reduce_to_box(normalize_stroke_width(crop))[None])


def frame_steps(image: Any) -> dict[str, NDArray[Any]]:
    """Return every step of :func:`to_frame`, in order, by name.

    Returns:
        ``grayscale``, ``digit``, ``crop``, ``box`` (float 0-1, of different sizes), ``frame``
        (float32 ``[4, 28, 28]``) and ``input`` (its ink normalized, ``[1, 28, 28]``).
    """
    gray = read_gray(image)
    digit = find_digit(gray)
    crop = square_window(digit)
    box = reduce_to_box(normalize_stroke_width(crop))
    frame = place(box[None])
    return {
        "grayscale": gray, "digit": digit, "crop": crop, "box": box, "frame": frame,
        "input": normalize(frame[:1]),
    }  # fmt: skip


def images_to_frames(images: NDArray[np.uint8]) -> Frame:
    """The frames ``[..., 4, 28, 28]`` of images in MNIST's form, ``[..., 28, 28]``, 0-255."""
    frames = np.zeros((*images.shape[:-2], len(CHANNELS), FRAME_SIZE, FRAME_SIZE), np.float32)
    frames[..., 0, :, :] = images / np.float32(255)
    return frames


def frames_to_images(frames: Frame) -> NDArray[np.uint8]:
    """The ink of frames ``[..., 4, 28, 28]`` as images in MNIST's form, ``[..., 28, 28]``."""
    return np.rint(frames[..., 0, :, :] * 255).astype(np.uint8)


def normalize(frames: Pixels) -> Pixels:
    """Shift and scale frames of 0-1, arrays or tensors, to MNIST's mean 0 and deviation 1."""
    return (frames - MNIST_MEAN) / MNIST_STD


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


def normalize_stroke_width(window: Picture) -> Picture:
    """Bring the strokes in a square window ``[S, S]`` to a width that the box can show.

    Strokes thinner than ``MIN_STROKE`` frame px are widened. Strokes wider than ``MAX_STROKE`` are
    thinned if the window shows more of their shape than the box can. The size of the window may
    change; a small window is enlarged.
    """
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
    return scipy.ndimage.maximum_filter(np.pad(window, size // 2), size=size)


def _thin(window: Picture) -> Picture:
    """Erode strokes until they are ``MAX_STROKE`` frame px wide, unless that breaks them."""
    window = _enlarge(window, THIN_DETAIL * BOX_SIZE)
    solid = np.pad(window > SOLID, 1)
    depth = scipy.ndimage.distance_transform_edt(solid)[1:-1, 1:-1]
    # Strokes at the window's sides lose as much as the others: the window shrinks with them.
    target = MAX_STROKE / BOX_SIZE
    cut = (stroke_width(window) - target * len(window)) / (1 - target) / 2
    # Gray inside a stroke stays: it may be all that is left of a loop in a soft picture.
    thin = np.clip(depth - cut, 0, 1).astype(np.float32) * window
    parts = [scipy.ndimage.label(ink, np.ones((3, 3)))[1] for ink in (solid, thin > MIN_EDGE)]
    return square_window(thin) if parts[0] == parts[1] else window


def _enlarge(window: Picture, least: int) -> Picture:
    """A window of at least ``least`` px a side, enlarged by interpolation if it is smaller."""
    if len(window) >= least:
        return window
    return scipy.ndimage.zoom(
        window, -(-least // len(window)), order=1, mode="nearest", grid_mode=True
    )


def reduce_to_box(window: Picture) -> Picture:
    """Reduce a square window ``[S, S]`` to the 20x20 box by area overlap."""
    side = len(window)
    if side not in _overlaps:  # weights [20, S]: the part of each pixel in each of 20 equal cells
        edges = np.linspace(0, side, BOX_SIZE + 1)
        cells = np.arange(side)
        upper = np.minimum(edges[1:, None], cells + 1)
        lower = np.maximum(edges[:-1, None], cells)
        _overlaps[side] = (np.clip(upper - lower, 0, None) * (BOX_SIZE / side)).astype(np.float32)
    box = _overlaps[side] @ window @ _overlaps[side].T
    return np.asarray(box * (1 / max(float(box.max()), 1e-6)), np.float32)


def place(boxes: NDArray[np.floating[Any]]) -> Frame:
    """Place the ink ``[1, H, W]``, or all channels ``[4, H, W]``, in a frame.

    The center of mass of the ink moves to index 14. The shift is a whole number of pixels, and it
    stops where the box would leave the frame.

    Raises:
        BlankDrawingError: there is no ink.
    """
    count, height, width = boxes.shape
    levels = np.rint(boxes[0] * 255).astype(np.float64)  # whole numbers: their sums are exact
    (total, x), (y, _) = (_MOMENTS[:, :height] @ levels @ _MOMENTS[:, :width].T).tolist()
    if not total:
        raise BlankDrawingError("There is no ink in the drawing: draw a digit first.")
    top = min(max(round(MASS_CENTER - y / total), 0), FRAME_SIZE - height)
    left = min(max(round(MASS_CENTER - x / total), 0), FRAME_SIZE - width)
    frame = np.zeros((len(CHANNELS), FRAME_SIZE, FRAME_SIZE), np.float32)
    placed = frame[:count, top : top + height, left : left + width]
    placed[0], placed[1:] = levels / 255, boxes[1:]
    return frame


def baseline_frame(image: Image.Image) -> Frame:
    """Turn a picture of dark ink on light paper into a frame: the textbook preprocessing.

    Returns:
        as :func:`to_frame`.

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
    return images_to_frames(np.asarray(frame))
