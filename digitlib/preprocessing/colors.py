"""Show stroke direction and order as colors.

Colors are chosen in OKLCH (Ottosson, 2020), where equal steps look equal. A direction is a hue, all
equally light: right is orange, down green, left blue, up pink. A dot has no direction and is gray.
Time runs from violet to yellow and gets lighter all the way, so it is readable without hue, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.frame import Frame

RIGHT_HUE = 70  # degrees in OKLCH; down is a quarter turn further
DIRECTION_LIGHTNESS, DIRECTION_CHROMA = (
    0.76,
    0.12,
)  # the largest chroma at which all hues are in sRGB
TIME_LIGHTNESS, TIME_CHROMA, TIME_HUE = (0.48, 0.95), (0.21, 0.16), (290, 465)  # start, end

# OKLab to the cube roots of cone responses, and their cubes to linear sRGB (Ottosson, 2020).
_LAB_TO_CONES = np.array([
    [1, 0.3963377774, 0.2158037573],
    [1, -0.1055613458, -0.0638541728],
    [1, -0.0894841775, -1.2914855480],
])  # fmt: skip
_CONES_TO_RGB = np.array([
    [4.0767416621, -3.3077115913, 0.2309699292],
    [-1.2684380046, 2.6097574011, -0.3413193965],
    [-0.0041960863, -0.7034186147, 1.7076147010],
])  # fmt: skip

Picture = NDArray[np.uint8]  # [28, 28, 3]


def picture_channels(frame: Frame) -> dict[str, Picture]:
    """Color pictures of the direction and time of a drawn frame; its ink is their brightness.

    Returns:
        ``direction`` and ``time``, uint8 ``[28, 28, 3]``; black where there is no ink.
    """
    ink = frame[0].astype(np.float64)
    x, y, time = np.clip(frame[1:] / np.maximum(ink, 1 / 255), -1, 1)
    colors = {"direction": direction_color(x, y), "time": time_color(time)}
    brightness = 255 * ink[..., None]
    return {name: np.rint(brightness * color).astype(np.uint8) for name, color in colors.items()}


def direction_color(x: Any, y: Any) -> NDArray[np.float64]:
    """The color of a direction, x right and y down: sRGB 0-1, ``[..., 3]``."""
    turn = np.exp(1j * np.radians(RIGHT_HUE))
    direction = np.asarray(x) + 1j * np.asarray(y)
    return _to_srgb(DIRECTION_LIGHTNESS, DIRECTION_CHROMA * turn * direction)


def time_color(time: Any) -> NDArray[np.float64]:
    """The color of a time, -1 at the start to 1 at the end: sRGB 0-1, ``[..., 3]``."""
    lightness, chroma, hue = (
        np.interp(time, (-1, 1), ends) for ends in (TIME_LIGHTNESS, TIME_CHROMA, TIME_HUE)
    )
    return _to_srgb(lightness, chroma * np.exp(1j * np.radians(hue)))


def _to_srgb(lightness: Any, chroma: NDArray[np.complex128]) -> NDArray[np.float64]:
    """sRGB of OKLab, with a and b given as a + ib; colors outside sRGB are clipped."""
    lab = np.stack(np.broadcast_arrays(lightness, chroma.real, chroma.imag), axis=-1)
    linear = ((lab @ _LAB_TO_CONES.T) ** 3 @ _CONES_TO_RGB.T).clip(0, 1)
    return np.where(linear > 0.0031308, 1.055 * linear ** (1 / 2.4) - 0.055, 12.92 * linear)
