"""HTML of the drawing pad: its style, the prediction, and a picture in place of the drawing."""

from __future__ import annotations

import base64
import io
from importlib import resources
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import (
    answer_html,
    answer_style,
    frame_url,
)
from digitlib.models.prediction import Prediction
from digitlib.widgets.history import Stroke

GHOST = 180  # height of the canvas in units of an example
SHOWN_SIDE = 800  # px of a picture in place of the canvas: twice its usual side
PIXELS = ((), (3,), (4,))  # shapes of a picture's pixel
ONE_AT_A_TIME = "One digit at a time."
FRAME = "what the network sees: 28 by 28 pixels"


def style_html(extent: tuple[int, int], example: list[Stroke]) -> str:
    """The style sheets of a pad, wide if its canvas is.

    Args:
        extent: width and height of the canvas at most, px.
        example: shown dotted on the empty canvas.
    """
    wide = extent[0] > extent[1]
    sheets = ["pad.css", "wide.css"] if wide else ["pad.css"]
    folder = resources.files("digitlib.widgets")
    css = "".join(folder.joinpath(sheet).read_text(encoding="utf-8") for sheet in sheets)
    pad = ".dp-wide" if wide else ".dp-pad"
    ghost = _ghost_url(extent[0] / extent[1], example)
    own = f"{pad} {{ --dp-size: {extent[0]}px; --dp-ghost: url('{ghost}'); }}"
    return f"{answer_style()}<style>{css}{own}</style>"


def _ghost_url(aspect: float, example: list[Stroke]) -> str:
    """An example, dotted, in the middle of a canvas of this width per height."""
    every = np.concatenate(example)
    left, top = (every.min(axis=0) + every.max(axis=0)) / 2 - GHOST / 2 * np.array([aspect, 1])
    lines = "".join(
        f'<polyline points="{" ".join(f"{x:.0f},{y:.0f}" for x, y in line)}"/>' for line in example
    )
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" fill="none" '
        f'viewBox="{left:.0f} {top:.0f} {GHOST * aspect:.0f} {GHOST}" '
        'stroke="gray" stroke-opacity=".45" stroke-width="3" stroke-linecap="round" '
        f'stroke-dasharray=".1 8">{lines}</svg>'
    )
    return f"data:image/svg+xml,{quote(svg)}"


def result_html(
    prediction: Prediction | None,
    error: str = "",
    top_k: int = 3,
    *,
    pen: str = "up",
    several: bool = False,
) -> str:
    """The answer beside the canvas; all states have the same size.

    Args:
        prediction: of the drawing; None where there is none.
        error: why it could not be read.
        top_k: number of bars that are highlighted.
        pen: ``down`` while a stroke is in progress, else ``up``.
        several: there may be several digits side by side; said where the drawing is rejected.
    """
    if prediction is None:
        return answer_html(None, error=error, pen=pen)
    frame = f'<img src="{frame_url(prediction.frame)}" alt="{FRAME}" title="{FRAME}">'
    return answer_html(
        prediction.probabilities,
        prediction.doubt,
        picture=frame, remark=ONE_AT_A_TIME if several else "", error=error, top_k=top_k, pen=pen,
    )  # fmt: skip


def picture_html(image: NDArray[np.uint8]) -> str:
    """A picture for the place of the canvas, small enough to be sent at once.

    Args:
        image: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``.

    Raises:
        ValueError: it has another shape or type.
    """
    from PIL import Image

    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in PIXELS:
        raise ValueError(f"A picture is uint8 [H, W], [H, W, 3 or 4], not {image.shape}.")
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


def named(digit: int | None) -> str:
    """A digit with its article."""
    return f"an {digit}" if digit == 8 else f"a {digit}"
