"""HTML of the drawing pad: its style, the prediction, and a picture instead of the drawing."""

from __future__ import annotations

import base64
import io
from importlib import resources
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import answer_html, answer_style, because_html, frame_url
from digitlib.models.prediction import Prediction
from digitlib.preprocessing.frame import frames_to_images
from digitlib.widgets.history import Stroke

GHOST = 180  # height of the canvas in units of an example
SHOWN_SIDE = 800  # px of a picture instead of the drawing: twice the usual canvas
PIXELS = ((), (3,), (4,))  # shape of a pixel
ONE_AT_A_TIME = "Draw one digit at a time."
FRAME = "the network's input: 28 by 28 pixels"


def style_html(extent: tuple[int, int], example: list[Stroke]) -> str:
    """The style sheets of a pad or a wide pad.

    Args:
        extent: maximum width and height of the canvas, px.
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
    """A dotted example in the middle of a canvas; ``aspect`` is width / height."""
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
    """The answer beside the canvas; it has the same size in all states.

    Args:
        prediction: for the drawing, or None.
        error: why there is no prediction.
        top_k: number of highlighted bars.
        pen: ``down`` while a stroke is in progress, else ``up``.
        several: there may be several digits side by side; mentioned if the drawing is rejected.
    """
    if prediction is None:
        return answer_html(None, error=error, pen=pen)
    url = frame_url(frames_to_images(prediction.frame))
    frame = f'<img src="{url}" alt="{FRAME}" title="{FRAME}">'
    remark = because_html(prediction) or (ONE_AT_A_TIME if several else "")
    return answer_html(
        prediction.probabilities,
        prediction.doubt,
        picture=frame, remark=remark, error=error, top_k=top_k, pen=pen,
    )  # fmt: skip


def picture_html(image: NDArray[np.uint8]) -> str:
    """A picture to show instead of the drawing, small enough for one message.

    Args:
        image: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``.

    Raises:
        ValueError: the shape or type is different.
    """
    from PIL import Image

    image = np.asarray(image)
    if image.dtype != np.uint8 or image.ndim not in (2, 3) or image.shape[2:] not in PIXELS:
        raise ValueError(
            "A picture must be uint8 [H, W], [H, W, 3] or [H, W, 4], "
            f"not {image.dtype} {[*image.shape]}."
        )
    picture = Image.fromarray(image)
    picture.thumbnail((SHOWN_SIDE, SHOWN_SIDE))
    if picture.mode == "RGBA":
        opaque = Image.new("RGB", picture.size, "white")
        opaque.paste(picture, mask=picture)
        picture = opaque
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="the picture being read" src="data:image/jpeg;base64,{data}">'
