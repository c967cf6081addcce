"""The two answers of a pad: one digit with its bars, or a number with a box around each digit."""

from __future__ import annotations

import html
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Protocol

from digitlib.models.display import (
    answer_html,
    answer_text,
    because_html,
    frame_url,
    percent,
)
from digitlib.models.prediction import Prediction
from digitlib.numbers.reading import Box, ReadDigit, Reading, box_style
from digitlib.preprocessing import strokes as pen
from digitlib.preprocessing.frame import frames_to_images
from digitlib.widgets.history import Stroke

Strokes = Sequence[Stroke]
SEVERAL = '<span class="dp-several">Several digits? Choose Number.</span>'
FRAME = "what the network sees: 28 by 28 pixels"


class PadRecognizer(Protocol):
    """The methods of a recognizer that a pad calls; all raise ``BlankDrawingError`` without ink."""

    def predict_strokes(self, drawing: Strokes, /) -> Prediction:
        """Read the digit in strokes."""

    def predict(self, image: Any, /) -> Prediction:
        """Read the digit in a picture."""

    def read(self, source: Any, /) -> Reading:
        """Read the numbers in strokes or a picture."""


def are_several(recognizer: PadRecognizer, strokes: Strokes, image: Any) -> bool:
    """Whether there may be several digits in strokes or, if there are none, in a picture."""
    if strokes:
        return pen.side_by_side(strokes)
    with suppress(ValueError):  # a picture with too many parts
        return len(recognizer.read(image).digits) > 1
    return False


def digit_html(
    prediction: Prediction | None,
    error: str = "",
    top_k: int = 3,
    *,
    pen: str = "up",
    several: bool = False,
) -> str:
    """The answer next to the canvas; it has the same size in all states.

    Args:
        prediction: for the drawing, or None.
        error: why there is no prediction.
        top_k: number of highlighted bars.
        pen: ``down`` while a stroke is in progress, else ``up``.
        several: offer to read a number.
    """
    if prediction is None:
        return answer_html(None, error=error, pen=pen)
    url = frame_url(frames_to_images(prediction.frame))
    frame = f'<img src="{url}" alt="{FRAME}" title="{FRAME}">'
    remark = because_html(prediction) or (SEVERAL if several else "")
    return answer_html(
        prediction.probabilities,
        prediction.doubt,
        picture=frame, remark=remark, error=error, top_k=top_k, pen=pen,
    )  # fmt: skip


def number_html(reading: Reading | None, error: str = "", *, pen: str = "up") -> str:
    """The number as text, and each digit with a bar for its confidence.

    Args:
        reading: the result for the drawing; None without one.
        error: why there is no result.
        pen: ``down`` while a stroke is in progress, else ``up``.
    """
    digits = () if reading is None else reading.digits
    text, verdict, detail = "", "The number appears here", "Write a number, or try an example."
    state = "empty"
    if error:
        verdict, detail, state = "Not read", error, "failed"
    elif reading is not None:
        state = "rejected" if reading.rejected else "read"
        text = html.escape(reading.text)
        verdict = {0: "No digits", 1: "1 digit"}.get(len(digits), f"{len(digits)} digits")
        detail = "? is a digit that can't be read for sure." if "?" in text else ""
    return (
        f'<div class="dp-answer dp-number" data-state="{state}" data-pen="{pen}">'
        f'<div class="dp-head"><div class="dp-text">{text}</div>'
        f'<div class="dp-verdict"><b>{verdict}</b><span>{html.escape(detail)}</span></div></div>'
        f'<ol class="dp-places" aria-label="each digit">{"".join(map(_place, digits))}</ol></div>'
    )


def _place(place: ReadDigit) -> str:
    """A digit with its confidence; for a rejected one, the closest digit."""
    kind, note = "", percent(place.confidence)
    if place.rejected:
        kind, note = "dp-unsure", f"a little like {place.digit}"
    return (
        f'<li class="{kind}"><b>{place.text}</b>'
        f'<i><u style="width:{100 * place.confidence:.2f}%"></u></i><span>{note}</span></li>'
    )


def spoken(found: Prediction | Reading | None, error: str, *, several: bool) -> str:
    """The answer in words, for screen readers; empty without one."""
    if error:
        return f"Not read. {error}"
    if isinstance(found, Reading):
        return f"The number is {found.text}." if found.digits else "No digits."
    if found is None:
        return ""
    return answer_text(found) + (" Several digits? Choose Number." if several else "")


def boxes_html(reading: Reading | None, size: int, *, in_picture: bool) -> str:
    """A box around each digit, with the digit above it, over the canvas.

    Args:
        reading: the result for the drawing; None without one.
        size: width and height of the canvas, in the unit of the boxes of strokes.
        in_picture: the boxes are in px of a picture, which is scaled to fit inside the canvas.
    """
    if reading is None:
        return ""
    canvas: Box = 0.0, 0.0, float(size), float(size)
    if in_picture:
        left, top, right, bottom = reading.extent
        side = max(right - left, bottom - top)
        x, y = (left + right - side) / 2, (top + bottom - side) / 2
        canvas = x, y, x + side, y + side
    return "".join(
        f'<div class="dp-box{" dp-unsure" if each.rejected else ""}" '
        f'style="{box_style(each.box, canvas)}"><b>{each.text}</b></div>'
        for each in reading.digits
    )
