"""The row below the pad where the user gives the right label, which the pad then remembers."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

import ipywidgets
import numpy as np

from digitlib.datasets.drawing import Drawing, encode_picture
from digitlib.datasets.drawing_file import DrawingFile, drawings_folder
from digitlib.models.card import EMBEDDING
from digitlib.models.labels import NO_DIGIT, label_name
from digitlib.models.memory import Memory
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.widgets.callbacks import guarded
from digitlib.widgets.history import Content, from_zero
from digitlib.widgets.pad import DrawingPad

QUESTION = "Was that right? Click the digit you meant."
SAVED = "This saves your drawing on the computer that runs this pad."
NOT_SAVED = "This pad remembers your drawing until its kernel stops."
RECALLED = 1000  # latest stored drawings that a pad remembers


def memory_of(pad: DrawingPad) -> Memory | None:
    """The memory of the pad's recognizer; None for one that can't remember."""
    recognizer = pad.recognizer
    if not isinstance(recognizer, Recognizer) or EMBEDDING not in recognizer.activations:
        return None
    return recognizer.memory


def recall(pad: DrawingPad, drawings: Sequence[Drawing]) -> None:
    """Make the pad's memory agree with the stored drawings, and read the pad again.

    Drawings that a program has remembered stay, and pictures that can't be read are left out.
    """
    if (memory := memory_of(pad)) is None:
        return
    frames, labels, ids = [], [], []
    for each in drawings[-RECALLED:]:
        with suppress(ValueError):  # a damaged picture, which the gallery shows as such
            frames.append(each.frame())
            labels.append(each.label)
            ids.append(each.id)
    memory.remove([each for each in memory if each.id])
    memory.add(np.array(frames), labels, ids)
    pad.read_again()


class LastCorrection(NamedTuple):
    """The last click on a label.

    Attributes:
        content: the drawing or picture of the pad.
        record: the drawing with its label.
        before: its label before the click; None if it had none.
    """

    content: Content
    record: Drawing
    before: int | None


class Correction(ipywidgets.Box):
    """A button for each digit and one for "Not a digit"; the answer's own button is marked.

    A click corrects the answer: the pad remembers the drawing with that label, and stores it unless
    storing is off. Another click changes the label. The style sheet hides the row while there is no
    answer. It's always hidden if it could neither remember nor store.

    Args:
        pad: the pad with the drawing.
        stored: called after each change of the stored drawings.
    """

    def __init__(self, pad: DrawingPad, stored: Callable[[], None]) -> None:
        self.pad, self._stored = pad, stored
        self._last: LastCorrection | None = None
        self._recalled: Any = None  # recognizer that has the stored drawings
        look = ipywidgets.Layout(), ipywidgets.ButtonStyle()  # shared: a page opens them faster
        self._buttons = {label: self._button(label, *look) for label in range(NO_DIGIT + 1)}
        question = ipywidgets.HTML(
            f"{QUESTION} {NOT_SAVED if drawings_folder() is None else SAVED}"
        ).add_class("dp-question")
        self._message = ipywidgets.HTML().add_class("dp-message")
        self._undo = ipywidgets.Button(
            description="Undo", tooltip="Undo this click", layout=ipywidgets.Layout(display="none")
        ).add_class("dp-action")
        self._undo.on_click(self._guarded(lambda _: self._undo_last()))
        outcome = ipywidgets.Box([self._message, self._undo]).add_class("dp-saved")
        super().__init__([question, *self._buttons.values(), outcome])
        self.add_class("dp-correction")
        if drawings_folder() is None and memory_of(pad) is None:
            self.layout.display = "none"
        self.refresh()

    def refresh(self) -> None:
        """Mark the answer's button once the pen is up."""
        if self.pad.pen_down:
            return
        if self._recalled is not self.pad.recognizer:
            self._recalled = self.pad.recognizer
            self._guarded(self._recall)()
        if self._last and self._last.content is not self.pad.content:
            self._say("")  # about the previous drawing
        answer = getattr(self.pad.prediction, "label", None)
        chosen = self._last.record.label if self._last else None
        for label, button in self._buttons.items():
            (button.add_class if label == answer else button.remove_class)("dp-answered")
            (button.add_class if label == chosen else button.remove_class)("dp-chosen")

    def _button(self, label: int, layout: Any, style: Any) -> ipywidgets.Button:
        button = ipywidgets.Button(
            description=label_name(label).capitalize(), tooltip=f"This is {label_name(label)}",
            layout=layout, style=style,
        )  # fmt: skip
        button.on_click(self._guarded(lambda _: self._label(label)))
        return button.add_class("dp-label")

    def _recall(self) -> None:
        if drawings_folder() is not None:
            recall(self.pad, DrawingFile().read())

    def _label(self, label: int) -> None:
        """Remember the drawing with its label, or change the label."""
        if not isinstance(self.pad.prediction, Prediction):
            return
        content = self.pad.content
        if self._last and self._last.content is content:
            record, before = self._last.record, self._last.record.label
            self._correct(LastCorrection(content, _relabel(record, label), before))
        else:
            record = self._record(label, self.pad.prediction)
            if drawings_folder() is not None:
                DrawingFile().append(record)
            self._correct(LastCorrection(content, record, None))

    def _undo_last(self) -> None:
        if self._last is None:
            return
        content, record, before = self._last
        if before is not None:
            self._correct(LastCorrection(content, _relabel(record, before), None))
        else:
            if drawings_folder() is not None:
                DrawingFile().delete([record.id])
            self._say("Forgotten.")
            self._remember(record, [])

    def _correct(self, last: LastCorrection) -> None:
        """Say what was done, and let the pad remember it."""
        label = last.record.label
        said = f"{'Saved' if drawings_folder() else 'Remembered'} as {label_name(label)}."
        if memory_of(self.pad) is not None:
            then = "rejected" if label == NO_DIGIT else f"read as {label}"
            said += f" Similar drawings will be {then}."
        self._say(said, last)
        self._remember(last.record, [label])

    def _remember(self, record: Drawing, labels: list[int]) -> None:
        """Replace the labels of a drawing in the memory, and read the pad again."""
        if (memory := memory_of(self.pad)) is not None:
            memory.remove([each for each in memory if each.id == record.id])
            frames = self.pad.prediction.frame[None]
            memory.add(frames[: len(labels)], labels, [record.id] * len(labels))
            self.pad.read_again()
        self.refresh()
        self._stored()

    def _record(self, label: int, found: Prediction) -> Drawing:
        traces, image = self.pad.content
        prediction = {
            "probabilities": [*found.probabilities],
            "score": float(found.score),
            "rejected": bool(found.rejected),
        }
        weights = getattr(self.pad.recognizer, "weights", "")
        return Drawing(
            label,
            strokes=from_zero(traces),
            picture=b"" if image is None else encode_picture(image),
            prediction=prediction, weights=weights,
        )  # fmt: skip

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


def _relabel(record: Drawing, label: int) -> Drawing:
    """The drawing with another label, also in the file unless storing is off."""
    if drawings_folder() is None:
        return replace(record, label=label)
    return DrawingFile().relabel(record.id, label)
