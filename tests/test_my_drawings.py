"""The row of labels that stores a drawing, and the panel of stored drawings."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import DIGITS, page, pictures_in
from test_pad import BAR, LINE, FakeRecognizer, ink, stroke, stroke_events
from widget_tree import button, classes, find, html, send, walk

from digitlib.datasets.drawing import Drawing, encode_picture
from digitlib.datasets.drawing_file import DrawingFile
from digitlib.models.labels import NO_DIGIT
from digitlib.preprocessing.frame import frames_to_images
from digitlib.widgets.panels.my_drawings import PAGE, Gallery, MyDrawings
from digitlib.widgets.studio import Studio

POINT = [[[10.0, 10.0], [60.0, 90.0]]]


@pytest.fixture
def studio(store: DrawingFile) -> Studio:
    return Studio(FakeRecognizer(), size=280)


def label_button(studio: Studio, label: int) -> Any:
    row = find(studio, "dp-correction")
    return button(row, "Not a digit" if label == NO_DIGIT else str(label))


def outcome(studio: Studio) -> str:
    return html(find(studio, "dp-saved"))


def gallery(panel: MyDrawings) -> Any:
    return next(each for each in walk(panel) if isinstance(each, Gallery))


def labels(store: DrawingFile) -> list[int]:
    return [drawing.label for drawing in store.read()]


# --- the row ---------------------------------------------------------------------------------


def test_the_answer_is_marked_once_the_pen_is_up(studio: Studio) -> None:
    *began, end = stroke_events(LINE)
    ink(studio, *began)
    assert "dp-answered" not in classes(label_button(studio, 2))
    ink(studio, end)
    assert "dp-answered" in classes(label_button(studio, 2))
    assert label_button(studio, 2).tooltip == "This is 2"
    assert label_button(studio, NO_DIGIT).tooltip == "This is not a digit"
    studio.number = True
    assert "dp-answered" not in classes(label_button(studio, 2))
    label_button(studio, 2).click()
    assert outcome(studio) == ""


def test_a_click_stores_the_drawing(studio: Studio, store: DrawingFile) -> None:
    events = [
        {"do": "begin", "points": [[10, 20, 5000.25, 0.5]]},
        {"do": "move", "points": [[11, 40, 5008.5, 0.625], [12, 60, 5016.75, 0.75]]},
        {"do": "end"},
    ]
    ink(studio, *events)
    label_button(studio, 3).click()
    assert outcome(studio) == '<p role="status">Saved as 3.</p>'
    (drawing,) = store.read()
    assert (drawing.label, drawing.predicted, drawing.weights) == (3, 3, "")
    assert drawing.strokes[0].tolist() == [
        [10, 20, 0, 0.5], [11, 40, 8.25, 0.625], [12, 60, 16.5, 0.75],
    ]  # fmt: skip
    assert drawing.prediction is not None
    assert drawing.prediction["probabilities"] == pytest.approx(studio.prediction.probabilities)
    stroke(studio, LINE)
    assert outcome(studio) == ""  # it was about the previous drawing
    label_button(studio, 8).click()
    assert outcome(studio) == '<p role="status">Saved as 8.</p>'
    assert labels(store) == [3, 8]


def test_another_click_changes_the_label_and_undo_goes_back(
    studio: Studio, store: DrawingFile
) -> None:
    studio.draw(POINT)
    label_button(studio, 2).click()
    label_button(studio, NO_DIGIT).click()
    assert (labels(store), "Saved as not a digit." in outcome(studio)) == ([NO_DIGIT], True)
    assert "dp-chosen" in classes(label_button(studio, NO_DIGIT))
    undo = button(find(studio, "dp-saved"), "Undo")
    undo.click()
    assert (labels(store), "Saved as 2." in outcome(studio)) == ([2], True)
    undo.click()
    assert (labels(store), "Forgotten." in outcome(studio)) == ([], True)
    assert undo.layout.display == "none"
    label_button(studio, 5).click()
    assert labels(store) == [5]


MIRRORED = [stroke * [-200, 200] + 240 for stroke in DIGITS[7]]


@pytest.mark.parametrize("stored", [True, False])
def test_a_correction_is_remembered_in_this_pad(
    stored: bool, store: DrawingFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not stored:
        monkeypatch.setenv("DIGITLIB_DRAWINGS", "")
    studio = Studio()
    studio.draw(MIRRORED)
    before = studio.prediction
    label_button(studio, 1).click()
    label_button(studio, 7).click()
    said = f"{'Saved' if stored else 'Remembered'} as 7. Similar drawings will be read as 7."
    assert said in outcome(studio)
    studio.draw([stroke + 9 for stroke in MIRRORED])
    assert (studio.prediction.label, studio.prediction.because.label) == (7, 7)
    assert "like the 7 you corrected" in html(find(studio, "dp-result"))
    assert labels(store) == [7] * stored
    later = Studio()  # another pad
    later.draw(MIRRORED)
    assert later.prediction.label == (7 if stored else NO_DIGIT)
    studio.draw(DIGITS[5])
    label_button(studio, NO_DIGIT).click()
    assert "as not a digit. Similar drawings will be rejected." in outcome(studio)
    assert studio.prediction.rejected
    button(find(studio, "dp-saved"), "Undo").click()
    assert studio.prediction.label == 5
    studio.recognizer.forget()
    studio.draw(MIRRORED)
    assert studio.prediction.probabilities == before.probabilities


def test_relabeling_and_deleting_update_the_memory(store: DrawingFile) -> None:
    studio = Studio()
    studio.draw(MIRRORED)
    label_button(studio, 7).click()
    studio.show_panel("My drawings")
    (drawing,) = store.read()
    page_ = Page(studio.panels["My drawings"])  # type: ignore[arg-type]
    page_.ask("relabel", id=drawing.id, label=2)
    assert studio.prediction.label == 2
    page_.ask("undo")
    assert studio.prediction.label == 7
    page_.ask("delete", id=drawing.id)
    assert (len(studio.recognizer.memory), studio.prediction.label) == (0, NO_DIGIT)


def test_a_picture_is_stored_as_one(studio: Studio, store: DrawingFile) -> None:
    studio.show_image(page(7))
    label_button(studio, 1).click()
    (drawing,) = store.read()
    assert not drawing.strokes
    assert (drawing.label, drawing.predicted) == (1, 7)
    label_button(studio, 7).click()
    assert labels(store) == [7]


def test_a_failure_is_told_below_the_pad(
    studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "<b>").write_text("a file in the folder's place")
    monkeypatch.setenv("DIGITLIB_DRAWINGS", str(tmp_path / "<b>"))
    studio.draw(POINT)
    label_button(studio, 2).click()
    assert 'data-state="failed">Drawings cannot be stored in ' in outcome(studio)
    assert "<b>" not in outcome(studio)
    assert studio.error == ""


# --- the panel -------------------------------------------------------------------------------


class Page:
    """A page that shows the panel: it sends commands and keeps what it receives."""

    def __init__(self, panel: MyDrawings) -> None:
        self.panel, self.buffers = panel, []  # type: Drawings, list[bytes]
        self.view: dict[str, Any] = {}
        gallery(panel).show = self._receive  # type: ignore[method-assign]
        self.ask("show", page=0)

    def _receive(self, view: dict[str, Any], buffers: Any = ()) -> None:
        if "items" in view:
            self.view = view
        self.buffers = [*buffers]

    def ask(self, do: str, *buffers: bytes, **more: Any) -> None:
        send(gallery(self.panel), {"do": do, **more}, *buffers)

    @property
    def labels(self) -> list[int]:
        return [item["label"] for item in self.view["items"]]

    @property
    def failure(self) -> str:
        return html(find(self.panel, "dp-message"))


@pytest.fixture
def opened(studio: Studio, store: DrawingFile) -> Callable[..., Page]:
    def open_with(*drawings: Drawing) -> Page:
        store.append(*drawings)
        studio.show_panel("My drawings")
        panel = studio.panels["My drawings"]
        assert isinstance(panel, MyDrawings)
        return Page(panel)

    return open_with


def record(label: int, predicted: int | None = None, minute: int = 0, **more: Any) -> Drawing:
    found = None
    if predicted is not None:
        shares = [float(predicted == digit) for digit in range(10)]
        found = {"probabilities": shares, "score": 0.0, "rejected": predicted == NO_DIGIT}
    content = more or {"strokes": [np.array(LINE), np.array(BAR)]}
    return Drawing(label, prediction=found, time=f"2026-01-01T00:{minute:02d}:00", **content)


def test_the_newest_drawings_come_first(opened: Callable[..., Page]) -> None:
    page_ = opened(record(1, minute=5), record(2, minute=9), record(3, 3, minute=1))
    assert page_.labels == [2, 1, 3]
    item = page_.view["items"][2]
    assert item["predicted"] == 3
    assert item["picture"].startswith("data:image/png;base64,")


def test_drawings_are_relabeled_and_deleted(
    opened: Callable[..., Page], store: DrawingFile
) -> None:
    first, second = record(4, 4, minute=1), record(5, 3, minute=2)
    page_ = opened(first, second)
    page_.ask("relabel", id=second.id, label=9)
    assert (page_.labels, page_.view["said"]) == ([9, 4], "Changed from 5 to 9.")
    page_.ask("undo")
    assert labels(store) == [4, 5]
    page_.ask("delete", id=second.id)
    assert (labels(store), page_.view["said"]) == ([4], "Deleted.")
    page_.ask("undo")
    assert (page_.labels, page_.view["undo"]) == ([5, 4], False)
    page_.ask("delete", id=32 * "0")
    assert page_.view["said"] == "Already deleted."


def test_pages_have_sixty(opened: Callable[..., Page]) -> None:
    page_ = opened(*(record(number % 10) for number in range(2 * PAGE + 5)))
    assert len(page_.view["items"]) == PAGE
    page_.ask("show", page=2)
    assert (len(page_.view["items"]), page_.view["start"]) == (5, 120)
    page_.ask("show", page=99)
    assert page_.view["page"] == 2


def test_thumbnails_are_frames_and_a_damaged_picture_has_none(opened: Callable[..., Page]) -> None:
    whole = encode_picture(page(3))
    strokes, picture = record(4, minute=3), record(3, picture=whole, minute=2)
    page_ = opened(strokes, picture, record(5, picture=whole[:-40], minute=1))
    first, second, damaged = (item["picture"] for item in page_.view["items"])
    (shown,) = pictures_in(f'<img src="{second}">')
    np.testing.assert_array_equal(shown, frames_to_images(picture.frame()))
    assert first.startswith("data:image/png;base64,")
    assert damaged == ""


def test_drawings_are_exported_and_imported(
    opened: Callable[..., Page], store: DrawingFile
) -> None:
    page_ = opened(record(4), record(5))
    page_.ask("export", client="a page")
    (content,) = page_.buffers
    assert content == store.export()
    store.delete([store.read()[0].id])
    page_.ask("import", content)
    assert page_.view["said"] == "Added 1 drawing. You already had 1."
    assert sorted(labels(store)) == [4, 5]
    page_.ask("import", content + b"<script>")
    assert (
        "Line 3 cannot be imported: It isn&#x27;t the JSON of a drawing. Nothing was imported."
        in page_.failure
    )
    page_.ask("show", page=0)
    assert page_.failure == ""


def test_what_a_page_may_not_send_does_nothing(
    opened: Callable[..., Page], store: DrawingFile
) -> None:
    drawing = record(4)
    page_ = opened(drawing)
    page_.ask("relabel", id=drawing.id, label=77)
    assert "The field label" in page_.failure
    page_.ask("relabel", id="../x", label=7)
    assert "no longer in the list" in page_.failure
    for message in ({"do": "show", "page": "x"}, {"do": "delete", "id": 5}, {"do": "rm"}, {}):
        send(gallery(page_.panel), message)
    assert labels(store) == page_.labels == [4]


def test_the_panel_follows_the_row_and_other_notebooks(
    opened: Callable[..., Page], studio: Studio, store: DrawingFile
) -> None:
    page_ = opened()
    assert page_.view["all"] == 0
    studio.draw(POINT)
    label_button(studio, 2).click()
    assert page_.labels == [2]
    page_.view = {}
    studio.draw([*POINT, [[30.0, 30.0]]])
    assert page_.view == {}  # nothing has changed in the file
    store.append(record(8, minute=59))
    studio.draw(POINT)
    assert sorted(page_.labels) == [2, 8]
