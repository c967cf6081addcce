"""HTML of the drawing pad: its style, the prediction, and the steps of preprocessing."""

from __future__ import annotations

import html
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import frame_url, image_html, planes_html
from digitlib.models.prediction import Prediction
from digitlib.preprocessing.frame import FRAME_SIZE, frame_steps
from digitlib.preprocessing.read import BlankDrawingError

# Keys pressed in the pad stay in the pad, or "d d" would delete the notebook's cell. ipycanvas
# does this for the canvas; buttons and slider need it too, and ipywidgets has no other way in.
KEEP_KEYS = "this.closest('.dp-pad').onkeydown = e => e.ctrlKey || e.metaKey || e.stopPropagation()"

STEP_SIDE = 96  # px on screen


def style_html() -> str:
    """The pad's style sheet, and the event handler that comes with it."""
    css = resources.files("digitlib.widgets").joinpath("pad.css").read_text(encoding="utf-8")
    return f'<style onload="{html.escape(KEEP_KEYS)}">{css}</style>'


def result_html(
    prediction: Prediction | None, error: str = "", top_k: int = 3, *, drawing: bool = False
) -> str:
    """The right side of the pad; all states have the same size.

    ``data-pen`` is ``down`` while the stroke is in progress (``drawing``), else ``up``.
    """
    state = "failed" if error else "empty"
    if prediction is not None:
        state = "rejected" if prediction.rejected else "read"
    return (
        f'<div data-state="{state}" data-pen="{"down" if drawing else "up"}">'
        f"{_head(prediction)}{_bars(prediction, top_k)}"
        f'<p class="dp-error" role="alert">{html.escape(error)}</p></div>'
    )


def _head(prediction: Prediction | None) -> str:
    """The digit, its confidence and the frame."""
    digit, confidence, remark = "–", "", ""
    frame = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
    if prediction is not None:
        digit, confidence = str(prediction.digit), percent(prediction.confidence)
        remark = "not a digit?" if prediction.rejected else "confidence"
        frame = prediction.frame
    return (
        f'<div class="dp-head"><div class="dp-digit">{digit}</div>'
        f'<div class="dp-sure"><b>{confidence}</b><span>{remark}</span></div>'
        f'<figure><img src="{frame_url(frame)}" alt="the 28 by 28 frame">'
        "<figcaption>what the network sees</figcaption></figure></div>"
    )


def _bars(prediction: Prediction | None, top_k: int) -> str:
    """One bar per digit, the ``top_k`` most probable highlighted; empty without a prediction."""
    shares: tuple[float | None, ...] = prediction.probabilities if prediction else (None,) * 10
    best, *others = [digit for digit, _ in prediction.top(top_k)] if prediction else [None]
    bars = "".join(
        f'<li class="{"dp-best" if digit == best else "dp-top" if digit in others else ""}">'
        f"<b>{digit}</b><i><u style='width:{100 * (share or 0):.2f}%'></u></i>"
        f"<span>{'' if share is None else percent(share)}</span></li>"
        for digit, share in enumerate(shares)
    )
    return f'<ol class="dp-bars" aria-label="probability of each digit">{bars}</ol>'


def percent(share: float) -> str:
    """A probability with one decimal, never rounded up to 100 %."""
    return ">99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def steps_html(picture: NDArray[np.uint8], prediction: Prediction | None = None) -> str:
    """The steps from a picture ``[H, W]`` to its frame, side by side.

    A prediction with planes adds a second row: what the network got from the strokes.
    """
    try:
        steps = frame_steps(picture)
    except BlankDrawingError:
        return "<p>Nothing is drawn yet. Draw a digit in the pad: its steps will show here.</p>"
    figures = [
        _step_html(image_html(_as_grey(steps[name]), STEP_SIDE), name)
        for name in steps
        if name != "input"  # the frame in other units
    ]
    page = _row_html("The drawing taken as a picture, step by step:", figures)
    if prediction is not None and prediction.planes is not None:
        planes = planes_html(prediction.frame, prediction.planes, STEP_SIDE)
        figures = [
            _step_html(image_html(prediction.frame, STEP_SIDE), "frame"),
            *(_step_html(image, name, legend) for name, (image, legend) in planes.items()),
        ]
        page += _row_html("What the network gets from the strokes:", figures)
    return page


def _row_html(heading: str, figures: list[str]) -> str:
    return (
        f'<p style="margin:.8em 0 .5em">{heading}</p>'
        '<div style="display:flex;flex-wrap:wrap;gap:12px;text-align:center">'
        f"{''.join(figures)}</div>"
    )


def _step_html(image: str, name: str, legend: str = "") -> str:
    legend = f"<br>{legend}" if legend else ""
    return (
        f'<figure style="margin:0;min-width:{STEP_SIDE}px">{image}'
        f'<figcaption style="font-size:.85em;line-height:1.6">{name}{legend}</figcaption></figure>'
    )


def _as_grey(step: NDArray[Any]) -> NDArray[np.uint8]:
    return step if step.dtype == np.uint8 else np.rint(255 * step.clip(0, 1)).astype(np.uint8)
