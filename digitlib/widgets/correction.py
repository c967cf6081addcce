"""The row below the pad that tells what the drawing really is, and stores it with that label."""

from __future__ import annotations

import html
from collections.abc import Callable
from typing import Any, NamedTuple

import ipywidgets

from digitlib.datasets.drawing import Drawing, encode_picture
from digitlib.datasets.drawing_file import DrawingFile, drawings_folder
from digitlib.datasets.labels import NO_DIGIT, label_name
from digitlib.widgets.guard import guarded
from digitlib.widgets.history import from_zero
from digitlib.widgets.html import named
from digitlib.widgets.pad import DrawingPad

QUESTION = (
    "Was that right? Click the digit you meant. "
    "This saves the drawing on the computer that runs this pad."
)


class Told(NamedTuple):
    """The last click on a label.

    Attributes:
        content: the drawing or picture of the pad.
        record: it, as it is stored.
        before: its label before the click; None where it was not stored.
    """

    content: Any
    record: Drawing
    before: int | None


class Correction(ipywidgets.Box):
    """A button for each digit and one for "no digit"; the answer's own is marked.

    A click stores the drawing with that label; another one changes the label of what is stored.
    Where storing is switched off, there is no row.

    Args:
        pad: whose drawing is told.
        stored: called after each change of the stored drawings.
    """

    def __init__(self, pad: DrawingPad, stored: Callable[[], None]) -> None:
        self.pad, self._stored = pad, stored
        self._last: Told | None = None
        look = ipywidgets.Layout(), ipywidgets.ButtonStyle()  # of all: a page opens them faster
        self._buttons = {label: self._button(label, *look) for label in range(NO_DIGIT + 1)}
        question = ipywidgets.HTML(QUESTION).add_class("dp-question")
        self._message = ipywidgets.HTML().add_class("dp-message")
        self._undo = ipywidgets.Button(
            description="Undo", tooltip="Take this back", layout=ipywidgets.Layout(display="none")
        ).add_class("dp-action")
        self._undo.on_click(self._guarded(lambda _: self._take_back()))
        told = ipywidgets.Box([self._message, self._undo]).add_class("dp-told")
        super().__init__([question, *self._buttons.values(), told])
        self.add_class("dp-correction")
        if drawings_folder() is None:
            self.layout.display = "none"
        self.refresh()

    def refresh(self) -> None:
        """Mark the answer's button once the pen is up; without an answer all are disabled."""
        if self.pad.pen_down:
            return
        prediction = self.pad.prediction
        if prediction is not None and self._last and self._last.content is not self._content():
            self._say("")  # it was of the drawing before
        answer = _label(prediction)
        chosen = self._last.record.label if self._last and prediction is not None else None
        for label, button in self._buttons.items():
            right = label == answer
            button.disabled = prediction is None
            button.tooltip = f"Right: it is {_named(label)}" if right else f"It is {_named(label)}"
            (button.add_class if right else button.remove_class)("dp-answered")
            (button.add_class if label == chosen else button.remove_class)("dp-chosen")

    def _button(self, label: int, layout: Any, style: Any) -> ipywidgets.Button:
        button = ipywidgets.Button(description=label_name(label), layout=layout, style=style)
        button.on_click(self._guarded(lambda _: self._tell(label)))
        return button.add_class("dp-label")

    def _tell(self, label: int) -> None:
        """Store the drawing, or give the stored one this label."""
        content = self._content()
        if self._last and self._last.content is content:
            record = self._last.record
            changed = DrawingFile().relabel(record.id, label)
            self._say(f"Stored as {_named(label)} now.", Told(content, changed, record.label))
        else:
            record = self._record(label)
            count = DrawingFile().append(record)
            rest = "" if label == record.predicted else f", not {_named(record.predicted)}"
            right = "right, it is " if label == record.predicted else ""
            self._say(
                f"Stored: {right}{_named(label)}{rest}. {count:,} in all.",
                Told(content, record, None),
            )
        self._changed()

    def _take_back(self) -> None:
        """Undo the last click."""
        if self._last:
            content, record, before = self._last
            if before is None:
                DrawingFile().delete([record.id])
                self._say("No longer stored.")
            else:
                changed = DrawingFile().relabel(record.id, before)
                self._say(f"Stored as {_named(before)} again.", Told(content, changed, None))
            self._changed()

    def _changed(self) -> None:
        self.refresh()
        self._stored()

    def _content(self) -> Any:
        """The drawing: another object after each change."""
        return self.pad.traces if self.pad.image is None else self.pad.image

    def _record(self, label: int) -> Drawing:
        pad, found = self.pad, self.pad.prediction
        prediction = {
            "probabilities": [*found.probabilities],
            "score": float(found.score),
            "rejected": bool(found.rejected),
        }
        weights = getattr(pad.recognizer, "weights", "")
        if pad.image is None:
            strokes = from_zero(pad.traces)
            return Drawing(label, strokes=strokes, prediction=prediction, weights=weights)
        picture = encode_picture(pad.image)
        return Drawing(label, picture=picture, prediction=prediction, weights=weights)

    def _say(self, sentence: str, last: Told | None = None) -> None:
        """Show what was done; ``last`` can be undone."""
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


def _label(prediction: Any) -> int | None:
    if prediction is None:
        return None
    return NO_DIGIT if prediction.rejected else prediction.digit


def _named(label: int | None) -> str:
    return "no digit" if label == NO_DIGIT else named(label)
