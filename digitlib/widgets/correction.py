"""The row below the pad that tells what the drawing really is."""

from __future__ import annotations

from collections.abc import Callable

import ipywidgets

from digitlib.widgets.pad import DrawingPad

NO_DIGIT = 10  # the label of what is no digit
LABELS = {**{digit: str(digit) for digit in range(10)}, NO_DIGIT: "no digit"}


class Correction(ipywidgets.Box):
    """A button for each digit and one for "no digit"; the answer's own is marked.

    Args:
        pad: whose drawing is told.
        tell: called with the label that was clicked, 0 to 9 or ``NO_DIGIT``.
    """

    def __init__(self, pad: DrawingPad, tell: Callable[[int], None]) -> None:
        self.pad = pad
        self._buttons = {label: ipywidgets.Button(description=LABELS[label]) for label in LABELS}
        for label, button in self._buttons.items():
            button.on_click(lambda _, label=label: tell(label))
            button.add_class("dp-label")
        question = ipywidgets.HTML("What is it really?").add_class("dp-question")
        super().__init__([question, *self._buttons.values()])
        self.add_class("dp-correction")
        self.refresh()

    def refresh(self) -> None:
        """Mark the answer's button; there is nothing to tell while nothing is drawn."""
        prediction = self.pad.prediction
        answer = None
        if prediction is not None:
            answer = NO_DIGIT if prediction.rejected else prediction.digit
        for label, button in self._buttons.items():
            right = label == answer
            button.disabled = prediction is None
            button.tooltip = f"Right: it is {_named(label)}" if right else f"It is {_named(label)}"
            (button.add_class if right else button.remove_class)("dp-answered")


def _named(label: int) -> str:
    return "no digit" if label == NO_DIGIT else f"a {label}"
