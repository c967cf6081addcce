"""The drawing pad: draw a digit in a notebook and watch the network read it.

The pad keeps the pen strokes in Python and hands them, as they grow, to a recogniser; the canvas
only shows ink. Everything the pad shows about the result is one HTML widget, so one message from
the kernel updates it. Its looks are in ``pad.css``.
"""

from __future__ import annotations

import asyncio
import functools
import html
import threading
from collections.abc import Callable, Sequence
from importlib import resources
from typing import Any, Protocol

import ipywidgets
import numpy as np
import traitlets
from ipycanvas import Canvas, hold_canvas
from IPython.display import HTML, DisplayHandle, display
from numpy.typing import NDArray

from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing import strokes as pen
from digitlib.preprocessing.read import BlankDrawingError
from digitlib.widgets.html import Stroke, result_html, steps_html

INK = "#1b1f24"
HINT = "#9aa1a9"
SHARPNESS = 2  # canvas pixels per pixel on screen: crisp on high-resolution displays
PREDICT_EVERY = 0.06  # seconds between predictions while the pen is down
FINGER = 20.0  # px: a finger further than this from where it was is another finger

# JupyterLab delivers widget events on threads beside the one that runs cells, sometimes on several,
# and ipycanvas has one command queue for all canvases: one thread at a time, for all pads.
_LOCK = threading.RLock()

# Keys pressed in the pad stay in the pad, or "d d" would delete the notebook's cell. ipycanvas
# does this for the canvas; buttons and slider need it too, and ipywidgets has no other way in.
_KEEP_KEYS = (
    "this.closest('.dp-pad').onkeydown = e => e.ctrlKey || e.metaKey || e.stopPropagation()"
)


class StrokeReader(Protocol):
    """What the pad needs of a recogniser."""

    def predict_strokes(self, drawing: Sequence[Stroke], /) -> Prediction:
        """Read strokes; raise ``BlankDrawingError`` when there are none."""


class DrawingPad(ipywidgets.HBox):
    """A canvas to draw one digit on, and beside it what the network thinks of it.

    Args:
        recognizer: reads the strokes; ``Recognizer.load()``, the bundled network, when None.
        size: side of the square canvas on screen, in px.
        brush: width of the ink on screen, in px; it does not change what the network sees.
        top_k: how many of the ten bars are set off from the rest.

    Attributes (observable traits, read-only; use the methods to change the drawing):
        strokes: list of ``(n, 2)`` arrays in px of the canvas, x right, y down; a new list each
            time the drawing changes.
        prediction: the ``Prediction`` of what is drawn, None while nothing is.
        error: why there is no prediction, in a sentence; empty when all is well.
    """

    strokes: traitlets.List[Any] = traitlets.List(read_only=True)
    prediction = traitlets.Any(None, allow_none=True, read_only=True)
    error = traitlets.Unicode("", read_only=True)

    def __init__(
        self,
        recognizer: StrokeReader | None = None,
        *,
        size: int = 280,
        brush: int = 16,
        top_k: int = 3,
    ) -> None:
        self._recognizer = recognizer or Recognizer.load()
        self._size = size
        self._top_k = top_k
        self._pen: list[tuple[float, float]] = []  # the stroke being drawn; empty: pen is up
        self._past: list[list[Stroke]] = []  # drawings that undo goes back to
        self._future: list[list[Stroke]] = []  # drawings that redo goes forward to
        self._timer: asyncio.TimerHandle | None = None
        self._steps: DisplayHandle | None = None
        self._canvas = self._make_canvas()
        self._undo, self._redo, self._clear = (
            self._make_button(name, tip, action)
            for name, tip, action in (
                ("undo", "Undo the last stroke (Ctrl+Z)", self.undo),
                ("redo", "Redo", self.redo),
                ("clear", "Clear the canvas", self.clear),
            )
        )
        self._brush = self._make_brush(brush)
        self._result = ipywidgets.HTML().add_class("dp-result")
        super().__init__([self._left_column(), self._result, _style()])
        self.add_class("dp-pad")
        self._set_strokes([])

    # --- what a program can do -------------------------------------------------------------

    def draw(self, strokes: Sequence[Any]) -> None:
        """Replace the drawing, as one step that can be undone.

        Args:
            strokes: ``(n, 2)`` arrays or lists of points, x right, y down, in any unit: strokes
                that do not lie on the canvas are scaled and moved to fill it.

        Raises:
            ValueError: a stroke is no ``(n, 2)`` array of finite numbers.
        """
        try:
            arrays = [array.copy() for array in pen.check(strokes)]
        except BlankDrawingError:
            arrays = []
        with _LOCK:
            self._change(_fitted(arrays, self._size))

    def undo(self) -> None:
        """Take back the last stroke, ``draw`` or ``clear``; nothing happens when there is none."""
        with _LOCK:
            if self._past:
                self._future.append(self.strokes)
                self._set_strokes(self._past.pop())

    def redo(self) -> None:
        """Bring back what ``undo`` took; nothing happens when there is nothing to bring back."""
        with _LOCK:
            if self._future:
                self._past.append(self.strokes)
                self._set_strokes(self._future.pop())

    def clear(self) -> None:
        """Wipe the canvas; ``undo`` brings the drawing back."""
        with _LOCK:
            self._change([])

    def picture(self) -> NDArray[np.uint8]:
        """The drawing as a picture, dark ink on white, uint8 ``[size, size]``."""
        ink = pen.rasterize(self.strokes, (self._size, self._size), self._brush.value)
        return np.rint(255 * (1 - ink)).astype(np.uint8)

    def show_steps(self) -> None:
        """Display what preprocessing makes of the drawing's picture, renewed after each stroke."""
        self._steps = display(HTML(steps_html(self.picture())), display_id=True)

    def _change(self, strokes: list[Stroke]) -> None:
        if not strokes and not self.strokes:
            return  # empty as before: nothing that undo could take back
        self._past.append(self.strokes)
        self._future.clear()
        self._set_strokes(strokes)

    def _set_strokes(self, strokes: list[Stroke]) -> None:
        self._pen = []
        self.set_trait("strokes", strokes)
        self._redraw()
        self._predict()

    # --- what the hand does ----------------------------------------------------------------

    def _press(self, x: float, y: float) -> None:
        self._release()  # of a pen whose release got lost
        self._past.append(self.strokes)
        self._future.clear()
        self._pen = [self._point(x, y)]
        self.set_trait("strokes", [*self.strokes, np.array(self._pen)])
        self._redraw()
        self._predict_soon()

    def _move(self, x: float, y: float) -> None:
        if not self._pen or self._point(x, y) == self._pen[-1]:
            return
        start, end = self._pen[-1], self._point(x, y)
        self._canvas.stroke_line(*(SHARPNESS * c for c in (*start, *end)))
        self._pen.append(end)
        self.set_trait("strokes", [*self.strokes[:-1], np.array(self._pen)])
        self._predict_soon()

    def _release(self, *_: float) -> None:
        if self._pen:
            self._pen = []
            self._predict()

    def _leave(self, x: float, y: float) -> None:
        """The pen leaves the canvas: the stroke ends at the border, for no release will come."""
        self._move(x, y)
        self._release()

    def _touch_start(self, touches: list[tuple[float, float]]) -> None:
        if len(touches) == 1:  # further fingers do not draw
            self._press(*touches[0])

    def _touch_move(self, touches: list[tuple[float, float]]) -> None:
        x, y = touches[0]  # the list is in order of arrival
        inside = 0 <= x <= self._canvas.width and 0 <= y <= self._canvas.height
        (self._move if inside else self._leave)(x, y)

    def _touch_end(self, touches: list[tuple[float, float]]) -> None:
        """``touches`` are the fingers that stay: the stroke goes on if the first is the pen."""
        if self._pen and touches:
            distance = np.subtract(self._point(*touches[0]), self._pen[-1])
            if np.hypot(*distance) < FINGER:
                return
        self._release()

    def _key(self, key: str, shift: bool, ctrl: bool, meta: bool) -> None:
        if (ctrl or meta) and key.lower() in ("z", "y"):
            (self.redo if shift or key.lower() == "y" else self.undo)()

    def _point(self, x: float, y: float) -> tuple[float, float]:
        """Canvas pixels to px on screen, moved to the border where they lie outside."""
        limit = float(self._size)
        return min(max(x / SHARPNESS, 0.0), limit), min(max(y / SHARPNESS, 0.0), limit)

    # --- reading ---------------------------------------------------------------------------

    def _predict_soon(self) -> None:
        """Predict at most every ``PREDICT_EVERY`` s; at once where no event loop runs."""
        if self._timer is not None:
            return
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            self._predict()
        else:
            self._timer = loop.call_later(PREDICT_EVERY, self._shown(self._predict))

    def _predict(self) -> None:
        """Read the strokes and show the result; a failure is shown in its place."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        prediction, error = None, ""
        try:
            if self.strokes:
                prediction = self._recognizer.predict_strokes(self.strokes)
        except BlankDrawingError:
            pass
        except Exception as problem:
            error = f"The drawing could not be read: {problem}"
        self._show(prediction, error)

    def _show(self, prediction: Prediction | None, error: str = "") -> None:
        self._undo.disabled = not self._past
        self._redo.disabled = not self._future
        self._clear.disabled = not self.strokes
        self._result.value = result_html(prediction, error, self._top_k, drawing=bool(self._pen))
        self.set_trait("error", error)
        self.set_trait("prediction", prediction)  # late: its observers may take their time
        if self._steps is not None and not self._pen:
            self._steps.update(HTML(steps_html(self.picture())))

    def _shown(self, action: Callable[..., None]) -> Callable[..., None]:
        """Wrap a callback to wait for its turn, and to show its failure: it would vanish."""

        @functools.wraps(action)
        def callback(*arguments: Any) -> None:
            with _LOCK:
                try:
                    action(*arguments)
                except Exception as problem:
                    error = f"The pad failed: {type(problem).__name__}: {problem}"
                    self._result.value = result_html(self.prediction, error, self._top_k)
                    self.set_trait("error", error)

        return callback

    # --- ink -------------------------------------------------------------------------------

    def _redraw(self, *_: Any) -> None:
        """Draw everything anew: the canvas forgets, and a new page starts blank."""
        canvas, strokes = self._canvas, [SHARPNESS * stroke for stroke in self.strokes]
        middle, width = canvas.width / 2, SHARPNESS * self._brush.value
        with hold_canvas():  # it has no try/finally: nothing in here may raise
            canvas.clear()
            canvas.stroke_style = canvas.fill_style = INK
            canvas.line_cap = canvas.line_join = "round"
            canvas.line_width = width
            for stroke in strokes:
                canvas.fill_circle(*stroke[0], width / 2)
                if len(stroke) > 1:
                    canvas.stroke_lines(stroke)
            if not strokes:
                canvas.fill_style = HINT
                canvas.font = f"{canvas.width // 16}px system-ui, sans-serif"
                canvas.text_align, canvas.text_baseline = "center", "middle"
                canvas.fill_text("Draw a digit", middle, middle)

    def _greet(self) -> None:
        """A page has opened (Voilà, a reload, a second view): it starts blank, so draw anew.

        ipycanvas names the canvas to draw on only when it changes; the new page has not heard it.
        """
        self._canvas._canvas_manager._current_canvas = None
        self._redraw()

    # --- parts -----------------------------------------------------------------------------

    def _make_canvas(self) -> Canvas:
        side = {"width": f"{self._size}px", "height": f"{self._size}px"}
        canvas = Canvas(
            width=SHARPNESS * self._size,
            height=SHARPNESS * self._size,
            layout=ipywidgets.Layout(**side, min_width=side["width"], flex="0 0 auto"),
            tabbable=False,  # nothing to do here by keyboard, and ipycanvas would trap Tab
        )
        canvas.on_client_ready(self._shown(self._greet))
        canvas.on_mouse_down(self._shown(self._press))
        canvas.on_mouse_move(self._shown(self._move))
        canvas.on_mouse_up(self._shown(self._release))
        canvas.on_mouse_out(self._shown(self._leave))
        canvas.on_touch_start(self._shown(self._touch_start))
        canvas.on_touch_move(self._shown(self._touch_move))
        canvas.on_touch_end(self._shown(self._touch_end))
        canvas.on_touch_cancel(self._shown(self._touch_end))
        canvas.on_key_down(self._shown(self._key))
        return canvas.add_class("dp-canvas")

    def _make_button(self, name: str, tip: str, action: Callable[[], None]) -> ipywidgets.Button:
        button = ipywidgets.Button(tooltip=tip)
        callback = self._shown(action)
        button.on_click(lambda _: callback())
        return button.add_class("dp-button").add_class(f"dp-{name}")

    def _make_brush(self, width: int) -> ipywidgets.IntSlider:
        brush = ipywidgets.IntSlider(width, 4, 32, description="Brush", readout=False)
        brush.observe(self._shown(self._redraw), "value")
        return brush.add_class("dp-brush")

    def _left_column(self) -> ipywidgets.VBox:
        tools = ipywidgets.HBox([self._undo, self._redo, self._clear, self._brush])
        return ipywidgets.VBox([self._canvas, tools.add_class("dp-tools")]).add_class("dp-left")


# --- helpers -----------------------------------------------------------------------------


def _fitted(strokes: list[Stroke], size: int) -> list[Stroke]:
    """Strokes as they are if they lie on the canvas, else scaled and moved to fill it."""
    if not strokes:
        return []
    points = np.concatenate(strokes)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = float((high - low).max())
    if low.min() >= 0 and high.max() <= size and extent > size / 10:
        return strokes
    scale = 0.7 * size / extent if extent else 1.0
    return [(stroke - (low + high) / 2) * scale + size / 2 for stroke in strokes]


def _style() -> ipywidgets.HTML:
    """An invisible widget with the pad's style sheet and its one event handler."""
    css = resources.files("digitlib.widgets").joinpath("pad.css").read_text(encoding="utf-8")
    return ipywidgets.HTML(
        f'<style onload="{html.escape(_KEEP_KEYS)}">{css}</style>',
        layout=ipywidgets.Layout(display="none"),
    )
