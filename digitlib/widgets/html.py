"""HTML of the drawing pad: its style, and a picture instead of the drawing."""

from __future__ import annotations

import base64
import io
from importlib import resources
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import answer_style
from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.history import Stroke

ON_SCREEN = 1.4  # px on screen per px of the pad, at most
GHOST = 180  # side of the canvas in units of an example, at least
ROOM = 1.3  # times a wide example: the side of its canvas
SHOWN_SIDE = 800  # px of a picture instead of the drawing: twice the usual canvas
PIXELS = ((), (3,), (4,))  # shape of a pixel


def style_html(size: int) -> str:
    """The style sheets of a pad.

    Args:
        size: width and height of the canvas, px of the pad.
    """
    css = resources.files("digitlib.widgets").joinpath("pad.css").read_text(encoding="utf-8")
    digit, number = (f"--dp-ghost: url('{_ghost_url(EXAMPLES[name])}')" for name in ("3", "37"))
    own = f".dp-pad {{ --dp-size: {ON_SCREEN * size:g}px; {digit}; }} .dp-numbers {{ {number}; }}"
    return f"{answer_style()}<style>{css}{own}</style>"


def _ghost_url(example: list[Stroke]) -> str:
    """A dotted example in the middle of a canvas."""
    every = np.concatenate(example)
    side = max(GHOST, ROOM * np.ptp(every, axis=0).max())
    left, top = (every.min(axis=0) + every.max(axis=0)) / 2 - side / 2
    lines = "".join(
        f'<polyline points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in line)}"/>' for line in example
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" fill="none" '
        f'viewBox="{left:.0f} {top:.0f} {side:.0f} {side:.0f}" '
        'stroke="gray" stroke-opacity=".45" stroke-width="3" stroke-linecap="round" '
        f'stroke-dasharray=".1 8">{lines}</svg>'
    )
    return f"data:image/svg+xml,{quote(svg)}"


def check_picture(image: NDArray[np.uint8]) -> None:
    """Raise ValueError if a picture isn't uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``."""
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in PIXELS:
        raise ValueError(
            "A picture must be uint8 [H, W], [H, W, 3] or [H, W, 4], "
            f"not {image.dtype} {[*image.shape]}."
        )


def picture_html(image: NDArray[np.uint8]) -> str:
    """A picture to show instead of the drawing, small enough for one message."""
    from PIL import Image

    picture = Image.fromarray(image)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    if picture.mode == "RGBA":
        opaque = Image.new("RGB", picture.size, "white")
        opaque.paste(picture, mask=picture)
        picture = opaque
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="the picture that is read" src="data:image/jpeg;base64,{data}">'
