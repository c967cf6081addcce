"""Files, their content, PIL images and arrays become float greyscale ``[H, W]``.

The sensitivity of each constant is in ``reports/preprocessing_constants.md``.
"""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError as BlankDrawingError
from digitlib.preprocessing.formats import KINDS, teach_pillow

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_SIDE = 12_000  # px; a larger picture is refused before it fills the memory
WORK_SIDE = 640  # px; larger pictures are reduced to this by area averaging first
MIN_CONTRAST = 0.04  # of full scale; less between ink and paper, or between channels, is noise
RANGE_TOLERANCE = 1e-3  # of full scale that float pictures may exceed 0 and 1 by, from resampling
LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # of red, green and blue: ITU-R BT.601
COLOUR_SAMPLES = 64  # rows and columns of the pixels sampled to find out if there is any colour
CHANNEL_GAIN = 2  # times the luminance's contrast that a colour channel has to offer to replace it

Picture = NDArray[np.float32]  # [H, W], 0-1
Made = TypeVar("Made")


def read_grey(image: Any) -> Picture:
    """Read a picture as float grey ``[H, W]``, 0 black to 1 white, transparency composited.

    Args:
        image: path, content of a file, PIL image or array.

    Raises:
        ValueError: it is no picture that is read, or too large; the message says what to do.
    """
    values = _to_unit(_read_pixels(image))
    return values if values.ndim == 2 else _grey(_on_paper(values))


def read_colours(image: Any) -> NDArray[np.uint8]:
    """Read a picture as it is to be shown: upright, reduced, on paper where it is transparent.

    Arguments and errors as :func:`read_grey`, which makes the same of the result as of the picture.

    Returns:
        uint8 ``[H, W]`` or ``[H, W, 3]``; what is deeper than 8 bits is rounded to them.
    """
    values = _on_paper(_to_unit(_read_pixels(image)))
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def reduction(image: Any) -> int:
    """How many px of a picture are one px of what :func:`read_grey`, with its errors, returns."""
    if isinstance(image, str | os.PathLike | bytes):
        return _from_file(image, reduction)
    size = image.size if hasattr(image, "getbands") else np.shape(image)[:2]
    return max(max(size) // WORK_SIDE, 1)


def _read_pixels(image: Any) -> NDArray[Any]:
    """An upright array, reduced towards ``WORK_SIDE``; arrays stay as they are."""
    if isinstance(image, str | os.PathLike | bytes):
        return _from_file(image, _from_pil)
    return _from_pil(image) if hasattr(image, "getbands") else np.asarray(image)


def _from_file(source: str | os.PathLike[str] | bytes, then: Callable[[Image], Made]) -> Made:
    """What ``then`` makes of the picture at a path, or in the content of a file."""
    from PIL import Image as PILImage

    name = "The file" if isinstance(source, bytes) else os.fspath(source)
    try:
        with io.BytesIO(source) if isinstance(source, bytes) else open(source, "rb") as file:
            teach_pillow(file)
            with PILImage.open(file) as opened:
                return then(opened)
    except FileNotFoundError:
        raise
    except PILImage.UnidentifiedImageError as error:
        raise ValueError(f"{name} cannot be read as a picture: it is no {KINDS}.") from error
    except (OSError, SyntaxError, struct.error, PILImage.DecompressionBombError) as error:
        raise ValueError(f"{name} cannot be read as a picture: {error}") from error


def _from_pil(image: Image) -> NDArray[Any]:
    from PIL import ImageOps

    _check_size(image.width, image.height)
    factor = max(image.size) // WORK_SIDE
    image = ImageOps.exif_transpose(image)
    if image.mode in ("I;16", "I;16B", "I;16L", "I", "F"):
        values = np.asarray(image, np.float32)
        if not np.isfinite(values).all():
            raise ValueError("The picture has NaN or infinite values: clean it first.")
        top = float(values.max(initial=0))
        full = 1.0 if top <= 1 else 255.0 if top <= 255 else 65535.0
        return _reduce(np.maximum(values / full, 0))
    transparent = "A" in image.getbands() or "transparency" in image.info
    mode = "RGBA" if transparent else "L" if image.mode in ("1", "L") else "RGB"
    if image.mode != mode:
        image = image.convert(mode)
    if factor >= 2:
        image = image.reduce(factor)  # area averaging, in C, before anything is copied
    return np.asarray(image)


def _to_unit(array: NDArray[Any]) -> NDArray[np.float32]:
    """Check an array and make it float 0-1, of the same channels, reduced."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ValueError(
            f"A picture is an array [H, W], [H, W, 3] or [H, W, 4]; this one is {array.shape}."
        )
    height, width = array.shape[:2]
    if not height or not width:
        raise ValueError(f"The picture is empty: its shape is {array.shape}.")
    _check_size(width, height)
    if array.dtype == np.bool_:
        scale = 1.0
    elif array.dtype in (np.uint8, np.uint16):
        scale = float(np.iinfo(array.dtype).max)
    elif np.issubdtype(array.dtype, np.floating):
        scale = 1.0
        if not np.isfinite(array).all():
            raise ValueError("The picture has NaN or infinite values: clean the array first.")
        if array.min() < -RANGE_TOLERANCE or array.max() > 1 + RANGE_TOLERANCE:
            raise ValueError(
                f"Float pictures run from 0 to 1; this one from {array.min():g} to "
                f"{array.max():g}. Scale it, or pass uint8."
            )
    else:
        raise ValueError(f"Pictures are uint8, uint16, bool or float arrays, not {array.dtype}.")
    values = array.astype(np.float32)
    values *= np.float32(1 / scale)
    return _reduce(values)


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise ValueError(
            f"The picture is {width} x {height} px; at most {MAX_SIDE} px a side are read. "
            "Make it smaller, or crop it to the digit."
        )


def _reduce(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Average whole blocks of pixels until the longer side fits ``WORK_SIDE``."""
    factor = max(values.shape[:2]) // WORK_SIDE
    return block_mean(values, factor) if factor >= 2 else values


def block_mean(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average blocks of ``factor`` x ``factor`` pixels, or less on a thinner picture."""
    high, wide = (min(factor, side) for side in values.shape[:2])
    rows, columns = values.shape[0] // high, values.shape[1] // wide
    whole = values[: rows * high, : columns * wide]
    blocks = whole.reshape(rows, high, columns, wide, *values.shape[2:])
    return blocks.mean(axis=(1, 3))


def _on_paper(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without transparency: on paper of the ink's opposite, black on white, white on black."""
    if values.ndim == 2 or values.shape[2] == 3:
        return values
    colour, alpha = values[..., :3], values[..., 3:]
    if alpha.min() == 1:
        return colour
    weight = float(alpha.sum())
    light = float((colour * alpha).sum(axis=(0, 1)) @ LUMINANCE) / weight if weight else 0.0
    return colour * alpha + (1 - alpha) * np.float32(light < 0.5)


def _grey(colour: NDArray[np.float32]) -> Picture:
    """Luminance (ITU-R BT.601), or the colour channel that tells ink from paper far better."""
    grey = colour @ LUMINANCE
    rows, columns = (max(1, side // COLOUR_SAMPLES) for side in colour.shape[:2])
    sample = colour[::rows, ::columns]
    # Channel by channel in memory: ten times as fast as along a last axis of three.
    if np.ptp(np.array(sample.transpose(2, 0, 1), order="C"), axis=0).max() > MIN_CONTRAST:
        contrast = colour.max(axis=(0, 1)) - colour.min(axis=(0, 1))
        best = int(contrast.argmax())
        if contrast[best] > CHANNEL_GAIN * np.ptp(grey):  # yellow on white, say
            return np.ascontiguousarray(colour[..., best])
    return grey


Box = tuple[slice, slice]  # rows and columns
