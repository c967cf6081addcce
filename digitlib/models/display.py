"""HTML of frames and planes, for predictions and the pad, in light and dark themes."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.preprocessing.colors import direction_color, picture_planes, time_color
from digitlib.preprocessing.frame import Frame
from digitlib.preprocessing.strokes import Planes

CHIP = "display:inline-block;width:1.5em;text-align:center;color:#000;line-height:1.35"
ARROWS = {"→": (1, 0), "↓": (0, 1), "←": (-1, 0), "↑": (0, -1)}  # x right, y down
ALT = {
    "direction": "direction of the pen: right orange, down green, left blue, up pink",
    "time": "time along the drawing, from violet at the start to yellow at the end",
}


def frame_url(picture: NDArray[np.uint8]) -> str:
    """A frame ``[28, 28]``, or a colour picture ``[H, W, 3]``, as the ``data:`` URL of a PNG."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def image_html(picture: NDArray[np.uint8], side: int, alt: str = "") -> str:
    """An ``img``, scaled to fit a square of ``side`` px without blurring."""
    return (
        f'<img alt="{alt}" src="{frame_url(picture)}" style="width:{side}px;height:{side}px;'
        "max-width:none;margin:0;object-fit:contain;image-rendering:pixelated;background:#000;"
        'outline:1px solid #8886;outline-offset:-1px">'
    )


def planes_html(frame: Frame, planes: Planes, side: int) -> dict[str, tuple[str, str]]:
    """Picture and legend of ``direction`` and ``time``, each as HTML."""
    legends = {"direction": _direction_legend(), "time": _time_legend()}
    return {
        name: (image_html(picture, side, ALT[name]), legends[name])
        for name, picture in picture_planes(frame, planes).items()
    }


def _direction_legend() -> str:
    """A chip for each of four directions: an arrow on its colour, in light and dark the same."""
    chips = "".join(
        f'<span style="{CHIP};background:{_css(direction_color(*way))}">{arrow}</span>'
        for arrow, way in ARROWS.items()
    )
    bar = "display:inline-flex;vertical-align:middle;border-radius:.3em;overflow:hidden"
    return f'<span title="{ALT["direction"]}" style="{bar}">{chips}</span>'


def _time_legend() -> str:
    """A bar with the colours from the start of the drawing to its end."""
    colors = ",".join(_css(time_color(time)) for time in np.linspace(-1, 1, 9))
    bar = (
        "display:inline-block;vertical-align:middle;width:2.6em;height:.6em;margin:0 .35em;"
        f"border-radius:.2em;background:linear-gradient(90deg,{colors})"
    )
    return (
        f'<span title="{ALT["time"]}" style="white-space:nowrap">start'
        f'<span style="{bar}"></span>end</span>'
    )


def _css(color: Any) -> str:
    red, green, blue = np.rint(255 * color).astype(int)
    return f"#{red:02x}{green:02x}{blue:02x}"
