"""The controls of the pad: undo, redo, clear, brush width, and examples to try."""

from __future__ import annotations

from collections.abc import Callable

from ipywidgets import Box, Button, RadioButtons

from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.history import History, Stroke

BRUSHES = {"thin brush": 0.5, "medium brush": 1.0, "thick brush": 1.75}  # times the pad's own width
STEPS = {"undo": "Undo (Ctrl+Z)", "redo": "Redo (Ctrl+Y)", "clear": "Clear (Delete or Esc)"}


class Toolbar(Box):
    """Three buttons and three brushes.

    The ink layer sends the clicks on the buttons, in order with the strokes.

    Args:
        width: width of the medium brush, px.
        set_brush: called with the new width.
    """

    def __init__(self, width: int, set_brush: Callable[[int], None]) -> None:
        self._steps = {name: _button(name, tip) for name, tip in STEPS.items()}
        self.widths = {name: round(part * width) for name, part in BRUSHES.items()}
        self.brush = RadioButtons(options=[*self.widths.items()], value=width).add_class("dp-brush")
        self.brush.observe(lambda change: set_brush(change.new), "value")
        super().__init__([*self._steps.values(), self.brush])
        self.add_class("dp-tools")

    def update(self, history: History) -> None:
        """Enable the buttons that have an effect; the others are hidden."""
        self._steps["undo"].disabled = not history.can_undo
        self._steps["redo"].disabled = not history.can_redo
        self._steps["clear"].disabled = history.empty


def _button(name: str, tip: str) -> Button:
    return Button(tooltip=tip).add_class("dp-button").add_class(f"dp-{name}")


class ExampleButtons(Box):
    """A button for each example; a click calls ``draw`` with its strokes."""

    def __init__(self, draw: Callable[[list[Stroke]], None]) -> None:
        def example(name: str, strokes: list[Stroke]) -> Button:
            button = Button(description=name, tooltip=f"Draw the example {name}")
            button.on_click(lambda _: draw(strokes))
            return button.add_class("dp-example")

        super().__init__([example(*each) for each in EXAMPLES.items()])
        self.add_class("dp-examples")
