"""The controls below the canvas: undo, redo, clear, and the width of the brush."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ipywidgets import Button, HBox, IntSlider

from digitlib.widgets.history import StrokeHistory

BRUSH_WIDTHS = (4, 32)  # px on a canvas of some 280: a ballpoint to a thick marker


class Toolbar(HBox):
    """Three buttons and a slider.

    Args:
        brush: width of the brush at first, px.
        undo, redo, clear: called by the buttons.
        set_brush: called with the new width.
    """

    def __init__(
        self,
        brush: int,
        *,
        undo: Callable[[], None],
        redo: Callable[[], None],
        clear: Callable[[], None],
        set_brush: Callable[[int], None],
    ) -> None:
        self.undo = _button("undo", "Undo the last stroke (Ctrl+Z)", undo)
        self.redo = _button("redo", "Redo", redo)
        self.clear = _button("clear", "Clear the canvas", clear)
        self.brush = IntSlider(brush, *BRUSH_WIDTHS, description="Brush", readout=False)
        self.brush.observe(lambda change: set_brush(change.new), "value")
        self.brush.add_class("dp-brush")
        super().__init__([self.undo, self.redo, self.clear, self.brush])
        self.add_class("dp-tools")

    def update(self, history: StrokeHistory) -> None:
        """Enable the buttons that have something to do."""
        self.undo.disabled = not history.can_undo
        self.redo.disabled = not history.can_redo
        self.clear.disabled = not history.strokes


def _button(name: str, tip: str, action: Callable[..., Any]) -> Button:
    button = Button(tooltip=tip)
    button.on_click(lambda _: action())
    return button.add_class("dp-button").add_class(f"dp-{name}")
