"""What the drawing pad shows, as HTML: the result beside the canvas, and preprocessing's steps."""

from __future__ import annotations

import html
from typing import Any

import numpy as np
from numpy.typing import NDArray

from digitlib.models.prediction import Prediction, frame_url
from digitlib.preprocessing.frame import FRAME_SIZE, frame_steps
from digitlib.preprocessing.read import BlankDrawingError

Stroke = NDArray[np.float64]  # [n, 2] in px, x right, y down


def result_html(
    prediction: Prediction | None, error: str = "", top_k: int = 3, *, drawing: bool = False
) -> str:
    """The right side of the pad; all states have the same size.

    ``data-pen`` says whether the result is of a finished stroke or still on its way (``drawing``).
    """
    shares: tuple[float, ...]
    if prediction is None:
        digit, sure, remark, state = "–", "", "", "failed" if error else "empty"
        shares, leaders = (0.0,) * 10, [-1]
        frame = np.zeros((FRAME_SIZE, FRAME_SIZE), np.uint8)
    else:
        digit, sure = str(prediction.digit), percent(prediction.confidence)
        remark = "not a digit?" if prediction.rejected else "confidence"
        state = "rejected" if prediction.rejected else "read"
        shares, frame = prediction.probabilities, prediction.frame
        leaders = [candidate for candidate, _ in prediction.top(top_k)]
    bars = "".join(
        f'<li class="{"dp-best" if n == leaders[0] else "dp-top" if n in leaders else ""}">'
        f"<b>{n}</b><i><u style='width:{100 * share:.2f}%'></u></i>"
        f"<span>{percent(share) if prediction else ''}</span></li>"
        for n, share in enumerate(shares)
    )
    return (
        f'<div data-state="{state}" data-pen="{"down" if drawing else "up"}"><div class="dp-head">'
        f'<div class="dp-digit">{digit}</div>'
        f'<div class="dp-sure"><b>{sure}</b><span>{remark}</span></div>'
        f'<figure><img src="{frame_url(frame)}" alt="the 28 by 28 frame">'
        "<figcaption>what the network sees</figcaption></figure></div>"
        f'<ol class="dp-bars" aria-label="probability of each digit">{bars}</ol>'
        f'<p class="dp-error" role="alert">{html.escape(error)}</p></div>'
    )


def percent(share: float) -> str:
    """A probability as it is shown: one decimal, and no 100 % that is not."""
    return ">99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"


def steps_html(picture: NDArray[np.uint8]) -> str:
    """The steps from a picture ``[H, W]`` to its frame, side by side."""
    try:
        steps = frame_steps(picture)
    except BlankDrawingError:
        return "<p>Nothing is drawn yet. Draw a digit in the pad: its steps will show here.</p>"
    figures = "".join(
        f'<figure style="margin:0"><img src="{frame_url(_grey(steps[name]))}" alt="" style="'
        'width:96px;height:96px;object-fit:contain;image-rendering:pixelated;background:#000">'
        f'<figcaption style="font-size:.85em">{name}</figcaption></figure>'
        for name in steps
        if name != "input"  # the frame in other units
    )
    return (
        "<p>The drawing taken as a picture, step by step:</p>"
        f'<div style="display:flex;flex-wrap:wrap;gap:12px;text-align:center">{figures}</div>'
    )


def _grey(step: NDArray[Any]) -> NDArray[np.uint8]:
    return step if step.dtype == np.uint8 else np.rint(255 * step.clip(0, 1)).astype(np.uint8)
