"""Read files, PIL images and arrays as float gray pictures ``[H, W]``."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import InputError
from digitlib.preprocessing import decode
from digitlib.preprocessing.decode import WORK_SIDE

MIN_CONTRAST = 0.04  # of full scale; less between ink and paper, or between channels, is noise
RANGE_TOLERANCE = 1e-3  # of full scale; float pictures may exceed 0 and 1 by it after resampling
LUMINANCE = np.array((0.299, 0.587, 0.114), np.float32)  # of red, green and blue: ITU-R BT.601
COLOR_SAMPLES = 64  # rows and columns of the pixels that are checked for color
CHANNEL_GAIN = 2  # a color channel replaces the luminance if it has this many times its contrast

Picture = NDArray[np.float32]  # [H, W], 0-1
Box = tuple[slice, slice]  # rows and columns


def read_gray(image: Any) -> Picture:
    """Read a picture as float gray ``[H, W]``, 0 black to 1 white, transparency composited.

    Args:
        image: path, content of a file or open binary file, PIL image, or array, tensor or nested
            lists ``[H, W]``, ``[H, W, 1]``, ``[1, H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``: floats
            0-1, integers 0-255, uint16 0-65535, or bool. Integers that are all 0 or 1 are a mask.

    Raises:
        InputError: it can't be read as a picture, or is too large; the message says what to do.
    """
    values = _composite(_read_unit(image))
    if values.ndim == 2:
        return values
    # Luminance, or the color channel in which ink and paper differ far more, yellow on white, say.
    gray = values @ LUMINANCE
    rows, columns = (max(1, side // COLOR_SAMPLES) for side in values.shape[:2])
    sample = values[::rows, ::columns]
    # Channel by channel in memory: ten times as fast as along a last axis of three.
    if np.ptp(np.array(sample.transpose(2, 0, 1), order="C"), axis=0).max() > MIN_CONTRAST:
        contrast = values.max(axis=(0, 1)) - values.min(axis=(0, 1))
        best = int(contrast.argmax())
        if contrast[best] > CHANNEL_GAIN * np.ptp(gray):
            return np.ascontiguousarray(values[..., best])
    return gray


def read_colors(image: Any) -> NDArray[np.uint8]:
    """Read a picture for display: upright, reduced, transparency composited.

    Arguments and errors as :func:`read_gray`, which reads the result like the picture.

    Returns:
        uint8 ``[H, W]`` or ``[H, W, 3]``; deeper pictures are rounded to 8 bits.
    """
    values = _composite(_read_unit(image))
    return np.rint(255 * np.clip(values, 0, 1)).astype(np.uint8)


def reduction(image: Any) -> int:
    """The factor by which :func:`read_gray`, with its errors, reduces a picture."""
    source = resolve(image)
    if isinstance(source, str | os.PathLike | bytes):
        with decode.opened(source) as opened:
            return reduction(opened)
    size = source.shape[:2] if isinstance(source, np.ndarray) else source.size
    return max(max(size) // WORK_SIDE, 1)


def resolve(image: Any) -> Any:
    """Return a picture as a path, bytes, a PIL image, or an array, which can be read repeatedly.

    An open file is read from its position on. Arrays and lists become arrays; those of shape
    ``[H, W, 1]`` or ``[1, H, W]`` become ``[H, W]``. Arguments and errors as :func:`read_gray`.
    """
    if isinstance(image, str | os.PathLike | bytes) or hasattr(image, "getbands"):
        return image
    if image is None:
        raise InputError("There is no picture yet, only None: draw or choose one first.")
    for name in ("composite", "image_data"):  # of the editors of Gradio, Streamlit and ipycanvas
        if hasattr(image, name) or (isinstance(image, dict) and name in image):
            kind = type(image).__name__
            raise InputError(f"This is an editor's value ({kind}), not a picture: pass its {name}.")
    if hasattr(image, "read"):
        return decode.read_open(image)
    try:
        array = np.asarray(image)
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error).rstrip(".")
        raise InputError(f"A picture is a file, a PIL image or an array: {reason}.") from error
    if array.ndim == 3 and array.shape[2] == 1:
        return array[..., 0]
    return array[0] if array.ndim == 3 and len(array) == 1 and array.shape[2] > 4 else array


def _read_unit(image: Any) -> NDArray[np.float32]:
    """Read a picture as a checked float array 0-1, upright and reduced."""
    source = resolve(image)
    array = source if isinstance(source, np.ndarray) else decode.read_pixels(source)
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise InputError(
            f"A picture is an array [H, W], [H, W, 3] or [H, W, 4]; this one is {array.shape}."
        )
    height, width = array.shape[:2]
    if not height or not width:
        raise InputError(f"The picture is empty: its shape is {array.shape}.")
    decode.check_size(width, height)
    if np.issubdtype(array.dtype, np.floating):
        low, high = float(array.min()), float(array.max())
        if not np.isfinite(high - low):
            raise InputError("The picture has NaN or infinite values: clean the array first.")
        if low < -RANGE_TOLERANCE or high > 1 + RANGE_TOLERANCE:
            raise InputError(
                f"Float pictures range from 0 to 1; this one from {low:g} to {high:g}. "
                "Scale it, or pass uint8."
            )
    elif array.dtype.type not in (np.bool_, np.uint8, np.uint16):
        if array.dtype.kind not in "iu":
            raise InputError(f"Pictures have integers, floats or bool, not {array.dtype}.")
        if array.min() < 0 or array.max() > 255:
            raise InputError(
                f"Integers range from 0 to 255; these from {array.min()} to {array.max()}. "
                "Scale them, or pass uint16."
            )
        array = array.astype(np.uint8)
    scale = 1.0
    # An array of 0 and 1 alone is a mask: such shades could not be told apart.
    if np.issubdtype(array.dtype, np.integer) and array.max() > 1:
        scale = float(np.iinfo(array.dtype).max)
    factor = max(height, width) // WORK_SIDE
    if factor < 2:
        return _scaled(array, scale)
    rows = factor * max(decode.STRIP // (factor * width), 1)
    if array.dtype == np.uint8 and scale > 1:
        from PIL import Image as PILImage

        strips = (np.ascontiguousarray(array[top : top + rows]) for top in range(0, height, rows))
        small = [np.asarray(PILImage.fromarray(strip).reduce(factor)) for strip in strips]
        return _scaled(np.concatenate(small), scale)
    whole = height // factor * factor or height
    parts = (array[top : min(top + rows, whole)] for top in range(0, whole, rows))
    return np.concatenate([block_mean(_scaled(part, scale), factor) for part in parts])


def _scaled(array: NDArray[Any], scale: float) -> NDArray[np.float32]:
    values = array.astype(np.float32)
    values *= np.float32(1 / scale)
    return values


def block_mean(values: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average blocks of ``factor`` x ``factor`` pixels, or less on a thinner picture."""
    high, wide = (min(factor, side) for side in values.shape[:2])
    rows, columns = values.shape[0] // high, values.shape[1] // wide
    whole = values[: rows * high, : columns * wide]
    blocks = whole.reshape(rows, high, columns, wide, *values.shape[2:])
    return blocks.mean(axis=(1, 3))


def _composite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Replace transparency by the ink's opposite: white below dark ink, black below light ink."""
    if values.ndim == 2 or values.shape[2] == 3:
        return values
    color, alpha = values[..., :3], values[..., 3:]
    if alpha.min() == 1:
        return np.ascontiguousarray(color)  # equal to the picture without alpha, bit by bit
    weight = float(alpha.sum())
    light = float((color * alpha).sum(axis=(0, 1)) @ LUMINANCE) / weight if weight else 0.0
    return color * alpha + (1 - alpha) * np.float32(light < 0.5)
