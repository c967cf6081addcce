"""The canvas of the drawing pad: pen events in, strokes out, drawn as ink."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ipycanvas import Canvas, hold_canvas

from digitlib.preprocessing.strokes import validate_strokes
from digitlib.widgets.callbacks import Guard
from digitlib.widgets.history import History, Stroke
from digitlib.widgets.ink import InkEvent

INK = "#1b1f24"  # near black
SHARPNESS = 2  # canvas pixels per px of the pad: crisp on high-resolution displays
FILL = 0.7  # part of the canvas that a scaled drawing covers
MIN_EXTENT = 0.1  # part of the canvas; a smaller drawing is in other units


class PenCanvas(Canvas):
    """A square canvas that shows a history of strokes and adds those of the ink layer above it.

    Args:
        history: receives the points in px of the pad, and is drawn.
        size: width and height, px of the pad.
        brush: width of the ink, px of the pad.
        guard: wraps the event handler.
    """

    def __init__(self, history: History, size: int, brush: int, guard: Guard) -> None:
        super().__init__(
            width=SHARPNESS * size,
            height=SHARPNESS * size,
            tabbable=False,  # no keyboard use, and ipycanvas would trap Tab
        )
        self.history, self.brush = history, brush
        self._page = ""  # the page with the ink layer that draws the stroke in progress
        self.add_class("dp-canvas")
        self.on_client_ready(guard(self._redraw_on_new_page))

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
        return self.history.pen_down and self._page == page

    # hold_canvas has no try/finally, so nothing in it may raise.

    def redraw(self) -> None:
        """Draw all strokes again."""
        with hold_canvas():
            self.clear()
            self.stroke_style = self.fill_style = INK
            self.line_cap = self.line_join = "round"
            self.line_width = SHARPNESS * self.brush
            for stroke in self.history.content.traces:
                self._ink(stroke)

    def _draw_last(self) -> None:
        with hold_canvas():
            self._ink(self.history.content.traces[-1])

    def _ink(self, stroke: Stroke) -> None:
        points = SHARPNESS * stroke[:, :2]
        self.fill_circle(*points[0], self.line_width / 2)
        if len(points) > 1:
            self.stroke_lines(points)

    def _redraw_on_new_page(self, *_: Any) -> None:
        """Draw everything on a new page (a reload, a second view), which starts blank.

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


def fit_to_canvas(traces: list[Stroke], size: int) -> list[Stroke]:
    """Strokes unchanged if they are on the canvas, otherwise scaled and moved to fill it."""
    if not traces:
        return []
    points = np.concatenate([trace[:, :2] for trace in traces])
    low, high = points.min(axis=0), points.max(axis=0)
    part = (high - low).max() / size
    if low.min() >= 0 and high.max() <= size and part > MIN_EXTENT:
        return traces
    scale, middle = FILL / part if part else 1.0, (low + high) / 2
    return [
        np.hstack([(trace[:, :2] - middle) * scale + size / 2, trace[:, 2:]]) for trace in traces
    ]
