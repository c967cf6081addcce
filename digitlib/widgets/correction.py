"""The row below the pad where the user gives the right label, which stores the drawing."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets

from digitlib.datasets.drawing import Drawing, encode_picture
from digitlib.datasets.drawing_file import DrawingFile, drawings_folder
from digitlib.datasets.labels import NO_DIGIT
from digitlib.widgets.callbacks import guarded
from digitlib.widgets.history import from_zero
from digitlib.widgets.pad import DrawingPad

QUESTION = (
    "Was that right? Click the digit you meant. "
    "This saves the drawing on the computer that runs this pad."
)


class LastCorrection(NamedTuple):
    """The last click on a label.

    Attributes:
        content: the drawing or picture of the pad.
        record: the stored drawing.
        before: its label before the click; None if it was not stored.
    """

    content: Any
    record: Drawing
    before: int | None


class Correction(ipywidgets.Box):
    """A button for each digit and one for "Not a digit"; the answer's own button is marked.

    A click stores the drawing with that label. Another click changes the label of the stored
    drawing. The row is hidden if storing is off.

    Args:
        pad: the pad with the drawing.
        stored: called after each change of the stored drawings.
    """

    def __init__(self, pad: DrawingPad, stored: Callable[[], None]) -> None:
        self.pad, self._stored = pad, stored
        self._last: LastCorrection | None = None
        look = ipywidgets.Layout(), ipywidgets.ButtonStyle()  # shared: a page opens them faster
        self._buttons = {label: self._button(label, *look) for label in range(NO_DIGIT + 1)}
        question = ipywidgets.HTML(QUESTION).add_class("dp-question")
        self._message = ipywidgets.HTML().add_class("dp-message")
        self._undo = ipywidgets.Button(
            description="Undo", tooltip="Undo this click", layout=ipywidgets.Layout(display="none")
        ).add_class("dp-action")
        self._undo.on_click(self._guarded(lambda _: self._undo_last()))
        outcome = ipywidgets.Box([self._message, self._undo]).add_class("dp-saved")
        super().__init__([question, *self._buttons.values(), outcome])
        self.add_class("dp-correction")
        if drawings_folder() is None:
            self.layout.display = "none"
        self.refresh()

    def refresh(self) -> None:
        """Mark the answer's button once the pen is up; without an answer all are disabled."""
        if self.pad.pen_down:
            return
        found = self.pad.prediction
        if found is not None and self._last and self._last.content is not self._content():
            self._say("")  # about the previous drawing
        answer = None if found is None else NO_DIGIT if found.rejected else found.digit
        chosen = self._last.record.label if self._last and found is not None else None
        for label, button in self._buttons.items():
            right = label == answer
            button.disabled = found is None
            button.tooltip = ("Right: " if right else "Wrong: ") + f"this is {_named(label)}"
            (button.add_class if right else button.remove_class)("dp-answered")
            (button.add_class if label == chosen else button.remove_class)("dp-chosen")

    def _button(self, label: int, layout: Any, style: Any) -> ipywidgets.Button:
        name = "Not a digit" if label == NO_DIGIT else str(label)
        button = ipywidgets.Button(description=name, layout=layout, style=style)
        button.on_click(self._guarded(lambda _: self._label(label)))
        return button.add_class("dp-label")

    def _label(self, label: int) -> None:
        """Store the drawing, or change the label of the stored one."""
        content = self._content()
        if self._last and self._last.content is content:
            record = self._last.record
            changed = DrawingFile().relabel(record.id, label)
            last = LastCorrection(content, changed, record.label)
            self._say(f"Now saved as {_named(label)}.", last)
        else:
            record = self._record(label)
            count = DrawingFile().append(record)
            total = "1 drawing" if count == 1 else f"{count:,} drawings"
            last = LastCorrection(content, record, None)
            self._say(f"Saved as {_named(label)}. You have {total}.", last)
        self._changed()

    def _undo_last(self) -> None:
        if self._last:
            content, record, before = self._last
            if before is None:
                DrawingFile().delete([record.id])
                self._say("Not saved any more.")
            else:
                changed = DrawingFile().relabel(record.id, before)
                last = LastCorrection(content, changed, None)
                self._say(f"Saved as {_named(before)} again.", last)
            self._changed()

    def _changed(self) -> None:
        self.refresh()
        self._stored()

    def _content(self) -> Any:
        """The drawing: a new object after each change."""
        return self.pad.traces if self.pad.image is None else self.pad.image

    def _record(self, label: int) -> Drawing:
        pad, found = self.pad, self.pad.prediction
        prediction = {
            "probabilities": [*found.probabilities],
            "score": float(found.score),
            "rejected": bool(found.rejected),
        }
        content: dict[str, Any] = (
            {"strokes": from_zero(pad.traces)}
            if pad.image is None
            else {"picture": encode_picture(pad.image)}
        )
        weights = getattr(pad.recognizer, "weights", "")
        return Drawing(label, prediction=prediction, weights=weights, **content)

    def _say(self, sentence: str, last: LastCorrection | None = None) -> None:
        """Show what was done, with an undo button if there is a last correction."""
        self._last = last
        self._undo.layout.display = None if last else "none"
        self._message.value = f'<p role="status">{html.escape(sentence)}</p>' if sentence else ""

    def _fail(self, problem: Exception) -> None:
        self._say("")
        self._message.value = (
            f'<p role="status" data-state="failed">{html.escape(str(problem))}</p>'
        )

    def _guarded(self, action: Callable[..., None]) -> Callable[..., None]:
        return guarded(action, self._fail)


def _named(label: int) -> str:
    return "not a digit" if label == NO_DIGIT else str(label)
