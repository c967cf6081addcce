"""The canvas of the drawing pad: mouse and touch events in, strokes out, drawn as ink."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ipycanvas import Canvas, hold_canvas

from digitlib.preprocessing.strokes import validate_strokes
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.history import Point, Stroke, StrokeHistory
from digitlib.widgets.ink import InkEvent

INK = "#1b1f24"  # near black
SHARPNESS = 2  # canvas pixels per pixel on screen: crisp on high-resolution displays
FINGER_DISTANCE = 20.0  # px: a touch farther from the pen is another finger
FILL = 0.7  # part of the canvas that a scaled drawing covers
MIN_EXTENT = 0.1  # part of the canvas; a smaller drawing is in other units


class PenCanvas(Canvas):
    """A canvas that draws with mouse or first finger into a history of strokes.

    Args:
        history: receives the points in px of the pad, and is drawn.
        extent: width and height, px; it may be smaller on screen.
        brush: width of the ink, px.
        changed: called after each change by mouse or touch.
        guard: wraps the event handlers.
    """

    def __init__(
        self,
        history: StrokeHistory,
        extent: tuple[int, int],
        brush: int,
        *,
        changed: Callable[[], None],
        guard: Guard,
    ) -> None:
        super().__init__(
            width=SHARPNESS * extent[0],
            height=SHARPNESS * extent[1],
            tabbable=False,  # no keyboard use, and ipycanvas would trap Tab
        )
        self.history, self.extent, self.brush, self._changed = history, extent, brush, changed
        self._page = ""  # the page whose ink layer draws the stroke in progress
        self.add_class("dp-canvas")
        self.on_client_ready(guard(self._redraw_on_new_page))
        self.on_mouse_down(guard(self._press))
        self.on_mouse_move(guard(self._move))
        self.on_mouse_up(guard(self._release))
        self.on_mouse_out(guard(self._leave))
        self.on_touch_start(guard(self._touch_start))
        self.on_touch_move(guard(self._touch_move))
        self.on_touch_end(guard(self._touch_end))
        self.on_touch_cancel(guard(self._touch_end))

    # --- events, in canvas pixels ----------------------------------------------------------

    def _press(self, x: float, y: float) -> None:
        self._release()  # the previous release may be lost
        self.history.begin(self._point(x, y))
        self._draw_last()
        self._changed()

    def _move(self, x: float, y: float) -> None:
        start, end = self.history.pen, self._point(x, y)
        if start not in (None, end) and self.history.add(end):
            self.stroke_line(*(SHARPNESS * c for c in (*start, *end)))
            self._changed()

    def _release(self, *_: float) -> None:
        if self.history.end():
            self._changed()

    def _leave(self, x: float, y: float) -> None:
        """End the stroke at the border, because no release arrives from outside."""
        self._move(x, y)
        self._release()

    def _touch_start(self, touches: Sequence[Point]) -> None:
        if len(touches) == 1:  # further fingers do not draw
            self._press(*touches[0])

    def _touch_move(self, touches: Sequence[Point]) -> None:
        x, y = touches[0]  # the list is in order of arrival
        inside = 0 <= x <= self.width and 0 <= y <= self.height
        (self._move if inside else self._leave)(x, y)

    def _touch_end(self, touches: Sequence[Point]) -> None:
        """The stroke goes on if the first of the remaining fingers draws it."""
        pen = self.history.pen
        if pen and touches:
            distance = np.subtract(self._point(*touches[0]), pen)
            if np.hypot(*distance) < FINGER_DISTANCE:
                return
        self._release()

    def _point(self, x: float, y: float) -> tuple[float, float]:
        """Canvas pixels to px of the pad, clipped to the canvas."""
        width, height = map(float, self.extent)
        return min(max(x / SHARPNESS, 0.0), width), min(max(y / SHARPNESS, 0.0), height)

    # --- events of the ink layer, in px of the pad -----------------------------------------

    def apply(self, page: str, events: Sequence[InkEvent]) -> bool:
        """Apply the events of a page and draw the result; its ink layer draws the open stroke.

        Returns whether a stroke of that page is in progress.
        """
        for event in events:
            match event["do"]:
                case "begin":
                    if self.history.end():  # a stroke in another page
                        self._draw_last()
                    self.history.begin(*event["points"])
                    self._page = page
                case "undo" | "redo" | "clear" as step:
                    getattr(self.history, step)()
                    self.redraw()
                case _ if page != self._page:
                    pass  # a stroke in another page has ended this one
                case "move":
                    self.history.add(*event["points"])
                case "cancel":
                    self.history.cancel()
                case "end" if self.history.end():
                    self._draw_last()
        return self.history.pen is not None and self._page == page

    # --- ink (hold_canvas has no try/finally: nothing in it may raise) -----------------------

    def redraw(self) -> None:
        """Draw all strokes again."""
        with hold_canvas():
            self.clear()
            self.stroke_style = self.fill_style = INK
            self.line_cap = self.line_join = "round"
            self.line_width = SHARPNESS * self.brush
            for stroke in self.history.traces:
                self._ink(stroke)

    def _draw_last(self) -> None:
        with hold_canvas():
            self._ink(self.history.traces[-1])

    def _ink(self, stroke: Stroke) -> None:
        points = SHARPNESS * stroke[:, :2]
        self.fill_circle(*points[0], self.line_width / 2)
        if len(points) > 1:
            self.stroke_lines(points)

    def _redraw_on_new_page(self, *_: Any) -> None:
        """Draw everything on a new page (Voilà, a reload, a second view), which starts blank.

        ipycanvas names the canvas only when it changes, so a new page would not know it.
        """
        self._canvas_manager._current_canvas = None
        self.redraw()


def as_traces(strokes: Sequence[Any]) -> list[Stroke]:
    """Copies of strokes ``[n, 2]``, or ``[n, 4]`` with ms and pressure, without empty ones.

    Raises:
        InputError: as :func:`digitlib.preprocessing.strokes.validate_strokes`.
    """
    try:
        shapes = [np.shape(each) for each in strokes]
    except (TypeError, ValueError):
        validate_strokes(strokes)  # raises with the reason
        raise
    widths = [4 if shape[1:] == (4,) else 2 for shape in shapes]
    pairs = [
        np.reshape(each, (-1, 2)) if width == 4 else each
        for each, width in zip(strokes, widths, strict=True)
    ]
    checked = validate_strokes(pairs)  # checks time and pressure, too
    kept = [width for width, shape in zip(widths, shapes, strict=True) if 0 not in shape]
    return [each.reshape(-1, width).copy() for each, width in zip(checked, kept, strict=True)]


def fit_to_canvas(traces: list[Stroke], extent: tuple[int, int]) -> list[Stroke]:
    """Strokes unchanged if they are on the canvas, otherwise scaled and moved to fill it."""
    if not traces:
        return []
    points = np.concatenate([trace[:, :2] for trace in traces])
    low, high = points.min(axis=0), points.max(axis=0)
    canvas = np.array(extent, float)
    parts = (high - low) / canvas
    if low.min() >= 0 and (high <= canvas).all() and parts.max() > MIN_EXTENT:
        return traces
    scale = FILL / parts.max() if parts.any() else 1.0
    middle = (low + high) / 2
    return [
        np.hstack([(trace[:, :2] - middle) * scale + canvas / 2, trace[:, 2:]]) for trace in traces
    ]
