"""HTML of the drawing pad: its style, the prediction, and the steps of preprocessing."""

from __future__ import annotations

import base64
import io
from importlib import resources
from typing import Any
from urllib.parse import quote

import numpy as np
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.models.display import (
    answer_html,
    answer_style,
    figures_html,
    frame_url,
    image_html,
    planes_html,
)
from digitlib.models.prediction import Prediction
from digitlib.preprocessing.frame import frame_steps
from digitlib.widgets.examples import EXAMPLES

STEP_SIDE = 96  # px on screen
SHOWN_SIDE = 800  # px of a picture in place of the canvas: twice its usual side
PIXELS = ((), (3,), (4,))  # shapes of a picture's pixel
ONE_AT_A_TIME = "One digit at a time."
FRAME = "what the network sees: 28 by 28 pixels"


def style_html(size: int) -> str:
    """The style sheets of a pad of at most ``size`` px."""
    css = resources.files("digitlib.widgets").joinpath("pad.css").read_text(encoding="utf-8")
    own = f".dp-pad {{ --dp-size: {size}px; --dp-ghost: url('{_ghost_url()}'); }}"
    return f"{answer_style()}<style>{css}{own}</style>"


def _ghost_url() -> str:
    """The first example, dotted, for the empty canvas."""
    (line,) = next(iter(EXAMPLES.values()))
    points = " ".join(f"{x:.0f},{y:.0f}" for x, y in line)
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="-42 -37 180 180" fill="none" '
        'stroke="gray" stroke-opacity=".45" stroke-width="3" stroke-linecap="round" '
        f'stroke-dasharray=".1 8"><polyline points="{points}"/></svg>'
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


def steps_html(picture: NDArray[np.uint8], prediction: Prediction | None = None) -> str:
    """The steps from a picture ``[H, W]`` to its frame, side by side.

    A prediction with planes adds a second row: what the network got from the strokes.
    """
    try:
        steps = frame_steps(picture)
    except BlankDrawingError:
        return "<p>Nothing is drawn yet. Draw a digit in the pad: its steps will show here.</p>"
    figures = {
        name: (image_html(_as_grey(step), STEP_SIDE), "")
        for name, step in steps.items()
        if name != "input"  # the frame in other units
    }
    page = _row_html("The drawing taken as a picture, step by step:", figures)
    if prediction is not None and prediction.planes is not None:
        figures = {"frame": (image_html(prediction.frame, STEP_SIDE), "")}
        figures |= planes_html(prediction.frame, prediction.planes, STEP_SIDE)
        page += _row_html("What the network gets from the strokes:", figures)
    return answer_style() + page


def _row_html(heading: str, figures: dict[str, tuple[str, str]]) -> str:
    return f'<p style="margin:.8em 0 .5em">{heading}</p>{figures_html(figures)}'


def _as_grey(step: NDArray[Any]) -> NDArray[np.uint8]:
    return step if step.dtype == np.uint8 else np.rint(255 * step.clip(0, 1)).astype(np.uint8)
