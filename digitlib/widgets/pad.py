"""The drawing pad: draw a digit or a number in a notebook and watch the network read it.

The page draws ink at the pointer and sends its points. Python keeps the strokes, shows them on the
canvas, and gives them to a recognizer while they grow. The result is one HTML widget, which one
message from the kernel updates.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.numbers.reading import Reading
from digitlib.preprocessing import strokes as pen
from digitlib.widgets.answers import (
    PadRecognizer,
    are_several,
    boxes_html,
    digit_html,
    number_html,
    spoken,
)
from digitlib.widgets.callbacks import LOCK, Guard, guarded
from digitlib.widgets.canvas import INK, PenCanvas, as_traces, fit_to_canvas
from digitlib.widgets.history import Content, History
from digitlib.widgets.html import check_picture, picture_html, style_html
from digitlib.widgets.ink import InkLayer
from digitlib.widgets.toolbar import ExampleButtons, Toolbar

PREDICT_EVERY = 0.06  # s between predictions while the pen is down: 16 per second look smooth
MODES = {"One digit": False, "Number": True}


class DrawingPad(ipywidgets.Box):
    """A canvas for one digit, or for a number, with the prediction next to it.

    Args:
        recognizer: reads the strokes; None loads the bundled network.
        size: width and height of the canvas in its own px. On screen, it grows to 1.4 times that
            where there is room, and shrinks where the answer would otherwise be out of view.
        brush: width of the ink in the same px; the prediction does not depend on it.
        top_k: number of highlighted bars, of the ten.
        number: read a number; users can switch.

    Attributes (observable traits; all but ``number`` are read-only):
        number: the pad reads whole numbers, not one digit.
        strokes: list of ``(n, 2)`` arrays in px of the canvas, x right, y down; a new list after
            each change of the drawing.
        image: the picture shown and read instead of strokes, uint8 ``[H, W]``, ``[H, W, 3]`` or
            ``[H, W, 4]``, or None.
        prediction: the ``Prediction`` for the drawing or picture (a ``Reading`` for a number), or
            None.
        error: a sentence that says why there is no prediction; empty without a failure.
    """

    number = traitlets.Bool(False)
    strokes: traitlets.List[Any] = traitlets.List(read_only=True)
    image = traitlets.Any(None, allow_none=True, read_only=True)
    prediction = traitlets.Any(None, allow_none=True, read_only=True)
    error = traitlets.Unicode("", read_only=True)

    def __init__(
        self,
        recognizer: PadRecognizer | None = None,
        *,
        size: int = 400,
        brush: int = 22,
        top_k: int = 3,
        number: bool = False,
    ) -> None:
        self.size, self._top_k = size, top_k
        self._recognizer: PadRecognizer = recognizer or Recognizer.load()
        self._answered: list[Callable[[], None]] = []
        self._history = History()
        self._reading = Throttle(self._predict, PREDICT_EVERY, self._guarded)
        self._tools = Toolbar(brush, self._guarded(self._set_brush))
        self._canvas = PenCanvas(self._history, size, brush, self._guarded)
        self._layer = InkLayer(
            size, brush, INK,
            apply=self._canvas.apply, then=self._edited, guard=self._guarded,
        )  # fmt: skip
        self._picture = ipywidgets.HTML().add_class("dp-image")
        self._boxes = ipywidgets.HTML().add_class("dp-boxes")
        self._result = ipywidgets.HTML().add_class("dp-result")
        self._modes = ipywidgets.RadioButtons(options=MODES).add_class("dp-modes")
        box = ipywidgets.Box
        parts = [self._picture, self._canvas, self._layer, self._boxes]
        left = box([box(parts).add_class("dp-paper"), self._tools]).add_class("dp-left")
        examples = ExampleButtons(self._guarded(self.draw))
        right = box([self._modes, self._result, examples]).add_class("dp-right")
        style = ipywidgets.HTML(style_html(size), layout=ipywidgets.Layout(display="none"))
        super().__init__([box([left, right]).add_class("dp-body"), style])
        self.add_class("dp-pad")
        traitlets.link((self, "number"), (self._modes, "value"))
        self.observe(self._guarded(self._switch_mode), "number")
        self._redraw()
        self.number = number

    def __repr__(self) -> str:
        """Text that a notebook shows instead of the pad while no kernel runs."""
        return "<DrawingPad: run this cell (Shift+Enter) and draw>"

    # --- for programs ----------------------------------------------------------------------

    def draw(self, strokes: Sequence[Any]) -> None:
        """Replace the drawing, as one step that can be undone.

        Args:
            strokes: ``(n, 2)`` arrays or lists of points, x right, y down, in any unit, or
                ``(n, 4)`` with ms and pressure as in :attr:`traces`. Strokes outside the canvas
                are scaled and moved to fill it.

        Raises:
            ValueError: a stroke is not such an array of finite numbers.
        """
        try:
            arrays = as_traces(strokes)
        except BlankDrawingError:
            arrays = []
        with LOCK:
            self._history.replace(fit_to_canvas(arrays, self.size))
            self._redraw()

    def show_image(self, image: NDArray[np.uint8] | None) -> None:
        """Show and read a picture instead of strokes, as one step that can be undone.

        Args:
            image: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``; None removes the picture.

        Raises:
            ValueError: the shape or type is different.
        """
        if image is not None:
            check_picture(image)
        with LOCK:
            self._history.replace([], image)
            self._redraw()

    def undo(self) -> None:
        """Undo the last stroke, ``draw``, ``show_image`` or ``clear``, if any."""
        with LOCK:
            self._history.undo()
            self._redraw()

    def redo(self) -> None:
        """Repeat the step that ``undo`` took back, if any."""
        with LOCK:
            self._history.redo()
            self._redraw()

    def clear(self) -> None:
        """Remove the drawing or picture; ``undo`` restores it."""
        with LOCK:
            self._history.clear()
            self._redraw()

    def picture(self) -> NDArray[np.uint8]:
        """The drawing as a picture: dark ink on white, uint8 ``[size, size]``."""
        ink = pen.rasterize(self.strokes, (self.size, self.size), self._canvas.brush)
        return np.rint(255 * (1 - ink)).astype(np.uint8)

    @property
    def content(self) -> Content:
        """The strokes, as :attr:`traces`, and the picture: a new object after each change."""
        return self._history.content

    @property
    def traces(self) -> list[NDArray[np.float64]]:
        """The strokes as ``(n, 4)`` arrays of x, y, ms and pressure; ``(n, 2)`` from ``draw``."""
        return self._history.content.traces

    @property
    def pen_down(self) -> bool:
        """A stroke is in progress."""
        return self._history.pen_down

    @property
    def recognizer(self) -> PadRecognizer:
        """Reads the drawing; assign another one to read it again."""
        return self._recognizer

    @recognizer.setter
    def recognizer(self, recognizer: PadRecognizer) -> None:
        self._recognizer = recognizer
        self.read_again()

    def read_again(self) -> None:
        """Read the drawing again, for example after a change of the recognizer's memory."""
        with LOCK:
            self._reading.now()

    def on_answer(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after each answer, even while the pen is down, and after clearing.

        The page has the answer by then, so a slow callback does not delay it.
        """
        self._answered.append(callback)

    # --- changes and predictions -----------------------------------------------------------

    def _redraw(self) -> None:
        self._canvas.redraw()
        self._edited()

    def _edited(self) -> None:
        """The content has changed: notify observers, and read it soon (pen down) or now."""
        image = self._history.content.image
        if image is not self.image:
            self._picture.value = "" if image is None else picture_html(image)
            self.set_trait("image", image)
        self.set_trait("strokes", self._history.strokes)
        if self._history.pen_down:
            self._reading.request()
        else:
            self._reading.now()

    def _predict(self) -> None:
        """Read the drawing and show the result or the failure."""
        found: Prediction | Reading | None = None
        error, several = "", False
        try:
            if self.number and not self._history.empty:
                found = self._recognizer.read(self.strokes if self.image is None else self.image)
            elif self.image is not None:
                found = self._recognizer.predict(self.image)
            elif self.strokes:
                found = self._recognizer.predict_strokes(self.strokes)
        except BlankDrawingError as problem:
            error = "" if self.image is None else str(problem)
        except Exception as problem:
            what = "drawing" if self.image is None else "picture"
            error = f"The {what} could not be read: {problem}"
        if isinstance(found, Prediction) and found.rejected:
            several = are_several(self._recognizer, self.strokes, self.image)
        self._tools.update(self._history)
        self._show(found, error, several)
        self.set_trait("error", error)
        self.set_trait("prediction", found)  # last: its observers may be slow
        for callback in self._answered:
            callback()

    def _show(self, found: Prediction | Reading | None, error: str, several: bool = False) -> None:
        state = "down" if self.pen_down else "up"
        reading = found if isinstance(found, Reading) else None
        digit = found if isinstance(found, Prediction) else None
        if self.number:
            self._result.value = number_html(reading, error, pen=state)
        else:
            self._result.value = digit_html(digit, error, self._top_k, pen=state, several=several)
        self._boxes.value = boxes_html(reading, self.size, in_picture=self.image is not None)
        if not self.pen_down:
            self._layer.said = spoken(found, error, several=several)

    def _guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        """A callback that holds the lock and shows a failure in the pad."""
        return guarded(action, self._fail)

    def _fail(self, problem: Exception) -> None:
        error = f"The pad failed: {type(problem).__name__}: {problem}"
        self._show(self.prediction, error)
        self.set_trait("error", error)

    def _switch_mode(self, _: Any) -> None:
        """Several digits need thinner ink."""
        (self.add_class if self.number else self.remove_class)("dp-numbers")
        self._tools.brush.value = self._tools.widths[f"{'thin' if self.number else 'medium'} brush"]
        self.read_again()

    def _set_brush(self, width: int) -> None:
        self._canvas.brush = self._layer.brush = width
        self._canvas.redraw()


class Throttle:
    """Runs an action now, or once within an interval, however often it is requested.

    A slow action takes at most half of the time. The rest is left for the requests.

    Args:
        action: the function to run.
        interval: seconds from the first request to the run, or as long as the last run took.
        guard: wraps the delayed run.
    """

    def __init__(self, action: Callable[[], None], interval: float, guard: Guard) -> None:
        self._action, self._interval, self._guard = action, interval, guard
        self._took = 0.0  # seconds of the last run
        self._timer: asyncio.TimerHandle | None = None

    def now(self) -> None:
        """Run the action; this also answers a pending request."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        start = time.perf_counter()
        self._action()
        self._took = time.perf_counter() - start

    def request(self) -> None:
        """Run the action at the end of the interval, or now if no event loop runs."""
        if self._timer is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self.now()
        else:
            self._timer = loop.call_later(max(self._interval, self._took), self._guard(self.now))
