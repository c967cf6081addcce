"""The two answers of a pad: one digit with its bars, or a number with a box around each digit."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any, Protocol

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from digitlib.models.display import percent
from digitlib.models.prediction import Prediction
from digitlib.numbers.reading import Box, ReadDigit, Reading, box_style
from digitlib.preprocessing import strokes as pen
from digitlib.widgets.examples import EXAMPLES, NUMBERS
from digitlib.widgets.history import Stroke
from digitlib.widgets.html import result_html

Strokes = Sequence[Stroke]
Image = NDArray[np.uint8]


class PadRecognizer(Protocol):
    """The methods of a recognizer that a pad calls; all raise ``BlankDrawingError`` without ink."""

    def predict_strokes(self, drawing: Strokes, /) -> Prediction:
        """Read the digit in strokes."""

    def predict(self, image: Any, /) -> Prediction:
        """Read the digit in a picture."""

    def read(self, source: Any, /) -> Reading:
        """Read the numbers in strokes or a picture."""


class DigitAnswer:
    """One digit: its bars beside the canvas.

    Args:
        top_k: number of highlighted bars.

    Attributes:
        widget: shows the answer.
        over: widgets over the canvas.
        examples: drawings to try.
    """

    size, brush, aspect = 400, 22, 1.0  # px, px, width / height
    examples = EXAMPLES
    over: Sequence[ipywidgets.Widget] = ()

    def __init__(self, top_k: int) -> None:
        self._top_k = top_k
        self.widget = ipywidgets.HTML().add_class("dp-result")

    def show(self, prediction: Any, error: str, pen_down: bool, strokes: Strokes) -> None:
        """Update the widget.

        Args:
            prediction: what the recognizer returned, or None.
            error: why there is no prediction.
            pen_down: a stroke is in progress.
            strokes: the strokes that were read.
        """
        rejected = prediction is not None and prediction.rejected
        several = rejected and bool(strokes) and pen.side_by_side(strokes)
        state = "down" if pen_down else "up"
        self.widget.value = result_html(prediction, error, self._top_k, pen=state, several=several)


class NumberAnswer:
    """A row of digits: the number below the canvas, and a box around each digit.

    Args:
        extent: width and height of the canvas, px.
    """

    size, brush, aspect = 700, 12, 2.5
    examples = NUMBERS

    def __init__(self, extent: tuple[int, int]) -> None:
        self._extent = extent
        self.widget = ipywidgets.HTML().add_class("dp-result")
        self._boxes = ipywidgets.HTML().add_class("dp-boxes")
        self.over = [self._boxes]

    def show(self, prediction: Any, error: str, pen_down: bool, strokes: Strokes) -> None:
        """As :meth:`DigitAnswer.show`."""
        self.widget.value = number_html(prediction, error, pen="down" if pen_down else "up")
        canvas = 0.0, 0.0, float(self._extent[0]), float(self._extent[1])
        shown = canvas if strokes or prediction is None else contain(prediction.extent, canvas)
        self._boxes.value = boxes_html(prediction, shown)


# --- HTML of a number ------------------------------------------------------------------------


def number_html(reading: Reading | None, error: str = "", *, pen: str = "up") -> str:
    """The number as text, and each digit with a bar for its confidence.

    Args:
        reading: the result for the drawing; None without one.
        error: why there is no result.
        pen: ``down`` while a stroke is in progress, else ``up``.
    """
    digits = () if reading is None else reading.digits
    unsure = sum(each.rejected for each in digits)
    text, verdict, detail, state = "", "The number appears here", "as you write or try one", "empty"
    if error:
        verdict, detail, state = "Not read", error, "failed"
    elif reading is not None:
        state = "rejected" if reading.rejected else "read"
        text = html.escape(reading.text)
        verdict = {0: "No digits", 1: "1 digit"}.get(len(digits), f"{len(digits)} digits")
        detail = f"not sure of {unsure}" if unsure else "sure of all" if digits else ""
    return (
        f'<div class="dp-answer dp-number" data-state="{state}" data-pen="{pen}">'
        f'<div class="dp-head"><div class="dp-text" role="status">{text}</div>'
        f'<div class="dp-verdict"><b>{verdict}</b><span>{html.escape(detail)}</span></div></div>'
        f'<ol class="dp-places" aria-label="each digit">{"".join(map(_place, digits))}</ol></div>'
    )


def _place(place: ReadDigit) -> str:
    """A digit with its confidence; for a rejected one, the closest digit."""
    share = percent(place.confidence)
    kind, note = ("dp-unsure", f"closest: {place.digit}") if place.rejected else ("", share)
    return (
        f'<li class="{kind}" title="{place.digit}: {share}"><b>{place.text}</b>'
        f'<i><u style="width:{100 * place.confidence:.2f}%"></u></i><span>{note}</span></li>'
    )


def boxes_html(reading: Reading | None, extent: Box) -> str:
    """A box around each digit, with the digit above it, over the canvas.

    Args:
        reading: the result for the drawing; None without one.
        extent: left, top, right and bottom of the visible area, in the unit of the boxes.
    """
    return "".join(
        f'<div class="dp-box{" dp-unsure" if each.rejected else ""}" '
        f'style="{box_style(each.box, extent)}"><b>{each.text}</b></div>'
        for each in (() if reading is None else reading.digits)
    )


def contain(picture: Box, canvas: Box) -> Box:
    """The canvas in the unit of a picture that is scaled to fit inside it."""
    left, top, right, bottom = picture
    wide, high = canvas[2] - canvas[0], canvas[3] - canvas[1]
    scale = max((right - left) / wide, (bottom - top) / high)
    x, y = (left + right - scale * wide) / 2, (top + bottom - scale * high) / 2
    return x, y, x + scale * wide, y + scale * high
