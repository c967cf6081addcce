"""The controls of the pad: undo, redo, clear, brush width, and examples to try."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ipywidgets import Box, Button, RadioButtons

from digitlib.widgets.history import Stroke, StrokeHistory

BRUSHES = {"thin brush": 0.5, "medium brush": 1.0, "thick brush": 1.75}  # times the pad's own width


class Toolbar(Box):
    """Three buttons and three brushes.

    Args:
        width: width of the medium brush, px.
        undo, redo, clear: called by the buttons.
        set_brush: called with the new width.
    """

    def __init__(
        self,
        width: int,
        *,
        undo: Callable[[], None],
        redo: Callable[[], None],
        clear: Callable[[], None],
        set_brush: Callable[[int], None],
    ) -> None:
        self.undo = _button("undo", "Undo the last stroke (Ctrl+Z)", undo)
        self.redo = _button("redo", "Redo (Ctrl+Y)", redo)
        self.clear = _button("clear", "Clear the canvas", clear)
        widths = [(name, round(part * width)) for name, part in BRUSHES.items()]
        self.brush = RadioButtons(options=widths, value=width).add_class("dp-brush")
        self.brush.observe(lambda change: set_brush(change.new), "value")
        super().__init__([self.undo, self.redo, self.clear, self.brush])
        self.add_class("dp-tools")

    def update(self, history: StrokeHistory, *, shows_image: bool = False) -> None:
        """Enable the buttons that have an effect; an image can be cleared, too."""
        self.undo.disabled = not history.can_undo
        self.redo.disabled = not history.can_redo
        self.clear.disabled = not (history.strokes or shows_image)


class ExampleButtons(Box):
    """A button for each example; a click calls ``draw`` with its strokes."""

    def __init__(
        self, draw: Callable[[list[Stroke]], None], drawings: Mapping[str, list[Stroke]]
    ) -> None:
        def example(name: str, strokes: list[Stroke]) -> Button:
            button = Button(description=name, tooltip=f"Draw the example {name}")
            button.on_click(lambda _: draw(strokes))
            return button.add_class("dp-example")

        super().__init__([example(*each) for each in drawings.items()])
        self.add_class("dp-examples")


def _button(name: str, tip: str, action: Callable[..., Any]) -> Button:
    button = Button(tooltip=tip)
    button.on_click(lambda _: action())
    return button.add_class("dp-button").add_class(f"dp-{name}")
