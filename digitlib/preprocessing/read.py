"""Files, their content, PIL images and arrays become float greyscale ``[H, W]``.

The sensitivity of each constant is in ``reports/preprocessing_constants.md``.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import InputError
from digitlib.preprocessing import decode

MAX_SIDE = 12_000  # px; a larger picture is refused before it fills the memory
WORK_SIDE = 640  # px; larger pictures are reduced to this by area averaging first
MIN_CONTRAST = 0.04  # of full scale; less between ink and paper, or between channels, is noise
RANGE_TOLERANCE = 1e-3  # of full scale that float pictures may exceed 0 and 1 by, from resampling
LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # of red, green and blue: ITU-R BT.601
COLOUR_SAMPLES = 64  # rows and columns of the pixels sampled to find out if there is any colour
CHANNEL_GAIN = 2  # times the luminance's contrast that a colour channel has to offer to replace it

Picture = NDArray[np.float32]  # [H, W], 0-1


def read_grey(image: Any) -> Picture:
    """Read a picture as float grey ``[H, W]``, 0 black to 1 white, transparency composited.

    Args:
        image: path, content of a file, PIL image or array.

    Raises:
        InputError: it is no picture that is read, or too large; the message says what to do.
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
        with decode.opened(image) as opened:
            return reduction(opened)
    size = image.size if hasattr(image, "getbands") else np.shape(image)[:2]
    return max(max(size) // WORK_SIDE, 1)


def _read_pixels(image: Any) -> NDArray[Any]:
    """An upright array, reduced towards ``WORK_SIDE``; arrays stay as they are."""
    if isinstance(image, str | os.PathLike | bytes):
        return decode.read_file(image, WORK_SIDE, _check_size)
    if hasattr(image, "getbands"):
        return decode.read_image(image, WORK_SIDE, _check_size)
    try:
        return np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"A picture is a file, a PIL image or an array: {error}.") from error


def _to_unit(array: NDArray[Any]) -> NDArray[np.float32]:
    """Check an array and make it float 0-1, of the same channels, reduced."""
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(
            f"A picture is an array [H, W], [H, W, 3] or [H, W, 4]; this one is {array.shape}."
        )
    height, width = array.shape[:2]
    if not height or not width:
        raise InputError(f"The picture is empty: its shape is {array.shape}.")
    _check_size(width, height)
    if array.dtype != np.bool_ and array.dtype not in (np.uint8, np.uint16):
        if not np.issubdtype(array.dtype, np.floating):
            raise InputError(
                f"Pictures are uint8, uint16, bool or float arrays, not {array.dtype}."
            )
        _check_floats(array)
    scale = 1.0
    # 0 and 1 alone are a mask: no such shades could be told apart.
    if np.issubdtype(array.dtype, np.integer) and array.max() > 1:
        scale = float(np.iinfo(array.dtype).max)
    factor = max(height, width) // WORK_SIDE
    if factor < 2:
        return _scaled(array, scale)
    if array.dtype == np.uint8 and scale > 1:
        return _scaled(_reduce_bytes(array, factor), scale)
    rows = factor * max(decode.STRIP // (factor * width), 1)
    whole = height // factor * factor or height
    strips = (array[top : min(top + rows, whole)] for top in range(0, whole, rows))
    return np.concatenate([block_mean(_scaled(strip, scale), factor) for strip in strips])


def _scaled(array: NDArray[Any], scale: float) -> NDArray[np.float32]:
    values = array.astype(np.float32)
    values *= np.float32(1 / scale)
    return values


def _reduce_bytes(array: NDArray[np.uint8], factor: int) -> NDArray[np.uint8]:
    """Strip by strip, as PIL images are."""
    from PIL import Image as PILImage

    rows = factor * max(decode.STRIP // (factor * array.shape[1]), 1)
    strips = (array[top : top + rows] for top in range(0, len(array), rows))
    images = (PILImage.fromarray(np.ascontiguousarray(strip)) for strip in strips)
    return np.concatenate([np.asarray(image.reduce(factor)) for image in images])


def _check_floats(array: NDArray[np.floating[Any]]) -> None:
    """InputError where a float picture is not of 0-1."""
    low, high = float(array.min()), float(array.max())
    if not np.isfinite(high - low):
        raise InputError("The picture has NaN or infinite values: clean the array first.")
    if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
        raise InputError(
            f"Float pictures run from 0 to 1; this one from {low:g} to {high:g}. "
            "Scale it, or pass uint8."
        )


def _check_size(width: int, height: int) -> None:
    if max(width, height) > MAX_SIDE:
        raise InputError(
            f"The picture is {width} x {height} px; at most {MAX_SIDE} px a side are read. "
            "Make it smaller, or crop it to the digit."
        )


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
        return np.ascontiguousarray(colour)  # as of a picture without: to the last bit
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
