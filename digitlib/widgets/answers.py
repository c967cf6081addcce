"""What stands behind a pad for one digit and a wide one: how a drawing is read and answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import ipywidgets
import numpy as np
from numpy.typing import NDArray

from digitlib.models.prediction import Prediction
from digitlib.models.reading import Reading
from digitlib.preprocessing import strokes as pen
from digitlib.widgets.examples import EXAMPLES, NUMBERS
from digitlib.widgets.history import Stroke
from digitlib.widgets.html import result_html
from digitlib.widgets.number_html import boxes_html, contain, number_html

Strokes = Sequence[Stroke]
Image = NDArray[np.uint8]


class Reader(Protocol):
    """The part of a recognizer that a pad needs; each raises ``BlankDrawingError`` without ink."""

    def predict_strokes(self, drawing: Strokes, /) -> Prediction:
        """Read the digit in strokes."""

    def predict(self, image: Any, /) -> Prediction:
        """Read the digit in a picture."""

    def read(self, source: Any, /) -> Reading:
        """Read the numbers in strokes or a picture."""


class DigitAnswer:
    """One digit: its bars beside the canvas.

    Args:
        top_k: number of bars that are highlighted.

    Attributes:
        widget: that shows it.
        over: widgets over the canvas.
        examples: drawings to try.
    """

    size, brush, aspect = 400, 22, 1.0  # px, px; width per height
    examples = EXAMPLES
    over: Sequence[ipywidgets.Widget] = ()

    def __init__(self, top_k: int) -> None:
        self._top_k = top_k
        self.widget = ipywidgets.HTML().add_class("dp-result")

    def read(self, reader: Reader, strokes: Strokes, image: Image | None) -> Prediction:
        """What the pad's ``prediction`` becomes."""
        return reader.predict_strokes(strokes) if image is None else reader.predict(image)

    def show(self, prediction: Any, error: str, down: bool, strokes: Strokes) -> None:
        """Renew the widget.

        Args:
            prediction: as :meth:`read` returned it; None where there is none.
            error: why not.
            down: a stroke is in progress.
            strokes: that were read.
        """
        rejected = prediction is not None and prediction.rejected
        several = rejected and bool(strokes) and pen.side_by_side(strokes)
        state = "down" if down else "up"
        self.widget.value = result_html(prediction, error, self._top_k, pen=state, several=several)


class NumberAnswer:
    """A row of digits: the number below the canvas, a box around each digit.

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

    def read(self, reader: Reader, strokes: Strokes, image: Image | None) -> Reading:
        """As :meth:`DigitAnswer.read`."""
        return reader.read(strokes if image is None else image)

    def show(self, prediction: Any, error: str, down: bool, strokes: Strokes) -> None:
        """As :meth:`DigitAnswer.show`."""
        self.widget.value = number_html(prediction, error, pen="down" if down else "up")
        canvas = 0.0, 0.0, float(self._extent[0]), float(self._extent[1])
        shown = canvas if strokes or prediction is None else contain(prediction.extent, canvas)
        self._boxes.value = boxes_html(prediction, shown)
