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
from digitlib.widgets.answers import DigitAnswer, NumberAnswer, PadRecognizer
from digitlib.widgets.callbacks import LOCK, Guard, guarded
from digitlib.widgets.canvas import INK, PenCanvas, as_traces, fit_to_canvas
from digitlib.widgets.history import StrokeHistory
from digitlib.widgets.html import picture_html, style_html
from digitlib.widgets.ink import InkLayer
from digitlib.widgets.toolbar import ExampleButtons, Toolbar

PREDICT_EVERY = 0.06  # s between predictions while the pen is down: 16 per second look smooth
SLOW = "This page could not load anywidget, so the ink appears with a delay."


class DrawingPad(ipywidgets.Box):
    """A canvas for one digit with the prediction beside it, or a wide canvas for a number.

    Args:
        recognizer: reads the strokes; None loads the bundled network.
        size: width of the canvas in its own px, at most as wide on screen. It is smaller on screen
            if the answer would otherwise be out of view. None is 400, or 700 for a wide canvas.
        brush: width of the ink in the same px; the prediction does not depend on it. None is 22,
            or 12 for a wide canvas.
        top_k: number of highlighted bars, of the ten.
        wide: the canvas is 2.5 times as wide as high, and the pad reads a row of digits.

    Attributes (observable traits, read-only; use the methods to change the drawing):
        strokes: list of ``(n, 2)`` arrays in px of the canvas, x right, y down; a new list after
            each change of the drawing.
        image: the picture shown and read instead of strokes, uint8 ``[H, W]``, ``[H, W, 3]`` or
            ``[H, W, 4]``, or None.
        prediction: the ``Prediction`` for the drawing or picture (a ``Reading`` for a wide pad),
            or None.
        error: a sentence that says why there is no prediction; empty without a failure.
    """

    strokes: traitlets.List[Any] = traitlets.List(read_only=True)
    image = traitlets.Any(None, allow_none=True, read_only=True)
    prediction = traitlets.Any(None, allow_none=True, read_only=True)
    error = traitlets.Unicode("", read_only=True)

    def __init__(
        self,
        recognizer: PadRecognizer | None = None,
        *,
        size: int | None = None,
        brush: int | None = None,
        top_k: int = 3,
        wide: bool = False,
    ) -> None:
        kind = NumberAnswer if wide else DigitAnswer
        width = size or kind.size
        extent = width, round(width / kind.aspect)
        self._answer = NumberAnswer(extent) if wide else DigitAnswer(top_k)
        self._recognizer: PadRecognizer = recognizer or Recognizer.load()
        self._answered: list[Callable[[], None]] = []
        self._history = StrokeHistory()
        self._reading = Throttle(self._predict, PREDICT_EVERY, self._guarded)
        self._tools = Toolbar(
            brush or kind.brush,
            undo=self._guarded(self.undo), redo=self._guarded(self.redo),
            clear=self._guarded(self.clear), set_brush=self._guarded(self._set_brush),
        )  # fmt: skip
        self._canvas = PenCanvas(
            self._history, extent, self._tools.brush.value,
            changed=self._edited, guard=self._guarded,
        )  # fmt: skip
        self._canvas.on_key_down(self._guarded(self._key))
        self._layer = InkLayer(
            extent, self._canvas.brush, INK,
            apply=self._canvas.apply, then=self._edited, guard=self._guarded,
        )  # fmt: skip
        # The canvas gets events only if the page has no ink layer, which would cover it.
        self._canvas.on_mouse_down(self._guarded(self._say_slow))
        self._canvas.on_touch_start(self._guarded(self._say_slow))
        self._slow = ipywidgets.HTML(SLOW, layout=ipywidgets.Layout(display="none"))
        self._slow.add_class("dp-note").add_class("dp-slow")
        box = ipywidgets.Box
        self._picture = ipywidgets.HTML().add_class("dp-image")
        parts = [self._picture, self._canvas, self._layer, *self._answer.over, self._slow]
        paper = box(parts).add_class("dp-paper")
        left = box([paper, self._tools]).add_class("dp-left")
        tries = ExampleButtons(self._guarded(self.draw), kind.examples)
        right = box([self._answer.widget, tries]).add_class("dp-right")
        look = style_html(extent, next(iter(kind.examples.values())))
        style = ipywidgets.HTML(look, layout=ipywidgets.Layout(display="none"))
        super().__init__([box([left, right]).add_class("dp-body"), style])
        self.add_class("dp-pad")
        if wide:
            self.add_class("dp-wide")
        self._redraw()

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
            self._history.replace(fit_to_canvas(arrays, self._canvas.extent))
            self._redraw()

    def show_image(self, image: NDArray[np.uint8] | None) -> None:
        """Show and read a picture instead of strokes, until something is drawn or cleared.

        Args:
            image: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``; None removes the picture.

        Raises:
            ValueError: the shape or type is different.
        """
        shown = "" if image is None else picture_html(image)
        with LOCK:
            self._history.clear()
            self._canvas.redraw()
            self._picture.value = shown
            self.set_trait("image", image)
            self._changed()

    def undo(self) -> None:
        """Undo the last stroke, ``draw`` or ``clear``, if any."""
        with LOCK:
            self._history.undo()
            self._redraw()

    def redo(self) -> None:
        """Repeat the step that ``undo`` took back, if any."""
        with LOCK:
            self._history.redo()
            self._redraw()

    def clear(self) -> None:
        """Remove all strokes; ``undo`` restores them."""
        with LOCK:
            self._history.clear()
            self._redraw()

    def picture(self) -> NDArray[np.uint8]:
        """The drawing as a picture: dark ink on white, uint8 ``[height, width]``."""
        width, height = self.extent
        ink = pen.rasterize(self.strokes, (height, width), self._canvas.brush)
        return np.rint(255 * (1 - ink)).astype(np.uint8)

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the canvas in its own px."""
        return self._canvas.extent

    @property
    def traces(self) -> list[NDArray[np.float64]]:
        """The strokes as ``(n, 4)`` arrays of x, y, ms and pressure; ``(n, 2)`` from ``draw``."""
        return self._history.traces

    @property
    def pen_down(self) -> bool:
        """A stroke is in progress."""
        return self._history.pen is not None

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
        """The strokes have changed; they replace a picture."""
        if self.image is not None:
            self._picture.value = ""
            self.set_trait("image", None)
        self._changed()

    def _changed(self) -> None:
        """Notify observers and read the drawing: soon while the pen is down, otherwise now."""
        self.set_trait("strokes", self._history.strokes)
        if self._history.pen:
            self._reading.request()
        else:
            self._reading.now()

    def _predict(self) -> None:
        """Read the drawing and show the result or the failure."""
        prediction: Prediction | Reading | None = None
        image, error = self.image, ""
        try:
            if isinstance(self._answer, NumberAnswer) and (image is not None or self.strokes):
                prediction = self._recognizer.read(self.strokes if image is None else image)
            elif image is not None:
                prediction = self._recognizer.predict(image)
            elif self.strokes:
                prediction = self._recognizer.predict_strokes(self.strokes)
        except BlankDrawingError as problem:
            error = "" if image is None else str(problem)
        except Exception as problem:
            what = "drawing" if image is None else "picture"
            error = f"The {what} could not be read: {problem}"
        self._show(prediction, error)

    def _show(self, prediction: Prediction | Reading | None, error: str) -> None:
        self._tools.update(self._history, shows_image=self.image is not None)
        self._answer.show(prediction, error, self.pen_down, self.strokes)
        self.set_trait("error", error)
        self.set_trait("prediction", prediction)  # last: its observers may be slow
        for callback in self._answered:
            callback()

    def _guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        """A callback that holds the lock and shows a failure in the pad."""
        return guarded(action, self._fail)

    def _fail(self, problem: Exception) -> None:
        error = f"The pad failed: {type(problem).__name__}: {problem}"
        self._answer.show(self.prediction, error, self.pen_down, self.strokes)
        self.set_trait("error", error)

    def _say_slow(self, *_: Any) -> None:
        self._slow.layout.display = None

    def _key(self, key: str, shift: bool, ctrl: bool, meta: bool) -> None:
        if (ctrl or meta) and key.lower() in ("z", "y"):
            (self.redo if shift or key.lower() == "y" else self.undo)()

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
