"""The drawing pad: draw a digit, or a number, in a notebook and watch the network read it.

The page draws ink at the pointer and sends its points; the pen strokes stay in Python and go, as
they grow, to a recognizer. The canvas shows the drawing as Python has it.
The result is one HTML widget: one message from the kernel updates it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets
import numpy as np
import traitlets
from numpy.typing import NDArray

from digitlib.errors import BlankDrawingError
from digitlib.models.prediction import Prediction
from digitlib.models.reading import Reading
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing import strokes as pen
from digitlib.widgets.answers import DigitAnswer, NumberAnswer, Reader
from digitlib.widgets.canvas import INK, PenCanvas, as_traces, fit_to_canvas
from digitlib.widgets.guard import LOCK, guarded
from digitlib.widgets.history import StrokeHistory
from digitlib.widgets.html import picture_html, style_html
from digitlib.widgets.ink import InkLayer
from digitlib.widgets.throttle import Throttle
from digitlib.widgets.toolbar import Examples, Toolbar

PREDICT_EVERY = 0.06  # s between predictions while the pen is down: 16 a second look continuous
SLOW = "This page could not load anywidget: the kernel draws the ink, a little late."


class DrawingPad(ipywidgets.Box):
    """A canvas to draw one digit on, and beside it the prediction; a wide one for a number.

    Args:
        recognizer: reads the strokes; ``Recognizer.load()``, the bundled network, when None.
        size: width of the canvas, in px of its own; on screen it is as wide at most, and smaller
            where the answer would else be out of sight. None is 400, for a wide canvas 700.
        brush: width of the ink, in the same px; the prediction does not depend on it. None is 22,
            for a wide canvas 12.
        top_k: number of bars, of the ten, that are highlighted.
        wide: the canvas is 2.5 times as wide as high, and a row of digits is read.

    Attributes (observable traits, read-only; use the methods to change the drawing):
        strokes: list of ``(n, 2)`` arrays in px of the canvas, x right, y down; a new list each
            time the drawing changes.
        image: the picture that is shown and read in place of strokes, uint8 ``[H, W]``,
            ``[H, W, 3]`` or ``[H, W, 4]``; None while there is none.
        prediction: the ``Prediction`` of the drawing or picture, of a wide pad its ``Reading``;
            None while there is none.
        error: why there is no prediction, in a sentence; empty without a failure.
    """

    strokes: traitlets.List[Any] = traitlets.List(read_only=True)
    image = traitlets.Any(None, allow_none=True, read_only=True)
    prediction = traitlets.Any(None, allow_none=True, read_only=True)
    error = traitlets.Unicode("", read_only=True)

    def __init__(
        self,
        recognizer: Reader | None = None,
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
        self._recognizer: Reader = recognizer or Recognizer.load()
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
        # Events of the canvas come where a page has no ink layer, which would lie over it.
        self._canvas.on_mouse_down(self._guarded(self._say_slow))
        self._canvas.on_touch_start(self._guarded(self._say_slow))
        self._slow = ipywidgets.HTML(SLOW, layout=ipywidgets.Layout(display="none"))
        self._slow.add_class("dp-note").add_class("dp-slow")
        box = ipywidgets.Box
        self._picture = ipywidgets.HTML().add_class("dp-image")
        parts = [self._picture, self._canvas, self._layer, *self._answer.over, self._slow]
        paper = box(parts).add_class("dp-paper")
        left = box([paper, self._tools]).add_class("dp-left")
        tries = Examples(self._guarded(self.draw), kind.examples)
        right = box([self._answer.widget, tries]).add_class("dp-right")
        look = style_html(extent, next(iter(kind.examples.values())))
        style = ipywidgets.HTML(look, layout=ipywidgets.Layout(display="none"))
        super().__init__([box([left, right]).add_class("dp-body"), style])
        self.add_class("dp-pad")
        if wide:
            self.add_class("dp-wide")
        self._redraw()

    def __repr__(self) -> str:
        """What is shown in place of the pad where there is no kernel behind it."""
        return "<DrawingPad: to draw, run the cells (Run ▸ Run All Cells, or Shift+Enter in each)>"

    # --- for programs ----------------------------------------------------------------------

    def draw(self, strokes: Sequence[Any]) -> None:
        """Replace the drawing, as one step that can be undone.

        Args:
            strokes: ``(n, 2)`` arrays or lists of points, x right, y down, in any unit: strokes
                that do not lie on the canvas are scaled and moved to fill it. ``(n, 4)`` where
                ms and pressure are known, as :attr:`traces` has them.

        Raises:
            ValueError: a stroke is no such array of finite numbers.
        """
        try:
            arrays = as_traces(strokes)
        except BlankDrawingError:
            arrays = []
        with LOCK:
            self._history.replace(fit_to_canvas(arrays, self._canvas.extent))
            self._redraw()

    def show_image(self, image: NDArray[np.uint8] | None) -> None:
        """Show and read a picture in place of strokes, until something is drawn or cleared.

        Args:
            image: uint8 ``[H, W]``, ``[H, W, 3]`` or ``[H, W, 4]``; None removes the picture.

        Raises:
            ValueError: it has another shape or type.
        """
        shown = "" if image is None else picture_html(image)
        with LOCK:
            self._history.clear()
            self._canvas.redraw()
            self._picture.value = shown
            self.set_trait("image", image)
            self._changed()

    def undo(self) -> None:
        """Take back the last stroke, ``draw`` or ``clear``; nothing happens when there is none."""
        with LOCK:
            self._history.undo()
            self._redraw()

    def redo(self) -> None:
        """Bring back the step that ``undo`` took; nothing happens when there is none."""
        with LOCK:
            self._history.redo()
            self._redraw()

    def clear(self) -> None:
        """Remove all strokes; ``undo`` brings them back."""
        with LOCK:
            self._history.clear()
            self._redraw()

    def picture(self) -> NDArray[np.uint8]:
        """The drawing as a picture, dark ink on white, uint8 ``[height, width]``."""
        width, height = self.extent
        ink = pen.rasterize(self.strokes, (height, width), self._canvas.brush)
        return np.rint(255 * (1 - ink)).astype(np.uint8)

    @property
    def extent(self) -> tuple[int, int]:
        """Width and height of the canvas, px of its own."""
        return self._canvas.extent

    @property
    def traces(self) -> list[NDArray[np.float64]]:
        """The strokes with what else the pointer told: ``(n, 4)`` arrays of x, y, ms, pressure.

        Strokes have x and y alone where ``draw`` was given no more.
        """
        return self._history.traces

    @property
    def pen_down(self) -> bool:
        """A stroke is in progress."""
        return self._history.pen is not None

    @property
    def recognizer(self) -> Reader:
        """What reads the drawing; another one reads it anew."""
        return self._recognizer

    @recognizer.setter
    def recognizer(self, recognizer: Reader) -> None:
        with LOCK:
            self._recognizer = recognizer
            self._reading.now()

    def on_answer(self, callback: Callable[[], None]) -> None:
        """Call ``callback`` after each answer, also while the pen is down, and after each clearing.

        The answer has then been sent to the page: what the callback takes does not delay it.
        """
        self._answered.append(callback)

    # --- changes and predictions -----------------------------------------------------------

    def _redraw(self) -> None:
        self._canvas.redraw()
        self._edited()

    def _edited(self) -> None:
        """The strokes have changed; a picture makes room."""
        if self.image is not None:
            self._picture.value = ""
            self.set_trait("image", None)
        self._changed()

    def _changed(self) -> None:
        """Tell the observers of the drawing and read it: soon while the pen is down, else now."""
        self.set_trait("strokes", self._history.strokes)
        if self._history.pen:
            self._reading.request()
        else:
            self._reading.now()

    def _predict(self) -> None:
        """Read the drawing and show the result; a failure is shown in its place."""
        prediction, error = None, ""
        try:
            if self.image is not None or self.strokes:
                prediction = self._answer.read(self._recognizer, self.strokes, self.image)
        except BlankDrawingError as problem:
            error = "" if self.image is None else str(problem)
        except Exception as problem:
            what = "drawing" if self.image is None else "picture"
            error = f"The {what} could not be read: {problem}"
        self._show(prediction, error)

    def _show(self, prediction: Prediction | Reading | None, error: str) -> None:
        drawing = self.pen_down
        self._tools.update(self._history, shows_image=self.image is not None)
        self._answer.show(prediction, error, drawing, self.strokes)
        self.set_trait("error", error)
        self.set_trait("prediction", prediction)  # last: its observers may be slow
        for callback in self._answered:
            callback()

    def _guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        """A callback that takes the lock and shows a failure in the pad."""
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
