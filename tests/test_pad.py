"""The drawing pad driven in Python: events of the browser, methods, failures."""

from __future__ import annotations

import asyncio
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
from helpers import bundled, write
from widget_tree import find, html, send, walk

from digitlib.files import REPOSITORY
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.numbers.reading import ReadDigit, Reading
from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.ink import InkLayer
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.toolbar import ExampleButtons

LINE = [[100.0, 40.0], [100.0, 240.0]]
BAR = [[60.0, 140.0], [140.0, 140.0]]


class FakeRecognizer:
    """Predicts the number of points, and records its input."""

    def __init__(self) -> None:
        self.calls: list[list[np.ndarray]] = []
        self.failure: Exception | None = None

    def predict_strokes(self, drawing: Sequence[Any], /) -> Prediction:
        self.calls.append(list(drawing))
        if self.failure:
            raise self.failure
        return prediction(sum(len(stroke) for stroke in drawing) % 10)

    def predict(self, image: Any, /) -> Prediction:
        if self.failure:
            raise self.failure
        return prediction(7, rejected=len(image) == 30)

    def read(self, source: Any, /) -> Reading:
        """Reads 4 and a rejected 8 in each drawing and picture."""
        picture = source if isinstance(source, np.ndarray) else np.zeros((280, 280), np.uint8)
        digits = (
            ReadDigit(4, (28.0, 28.0, 84.0, 84.0), 0, 0.9, rejected=False),
            ReadDigit(8, (140.0, 28.0, 196.0, 84.0), 0, 0.4, rejected=True),
        )
        high, wide = picture.shape[:2]
        return Reading(digits, (), picture, (0.0, 0.0, float(wide), float(high)))


def prediction(digit: int, *, share: float = 0.91, rejected: bool = False) -> Prediction:
    rest = (1 - share) / 9
    shares = tuple(share if n == digit else rest for n in range(10))
    return Prediction(shares, np.zeros((4, 28, 28), np.float32), 0.0, 1.0 if rejected else -1.0)


@pytest.fixture
def recognizer() -> FakeRecognizer:
    return FakeRecognizer()


@pytest.fixture
def pad(recognizer: FakeRecognizer) -> DrawingPad:
    return DrawingPad(recognizer, size=280, brush=16)


def ink(pad: DrawingPad, *events: dict[str, Any], client: str = "a page") -> None:
    """The next message of a page to the ink layer."""
    layer = next(each for each in walk(pad) if isinstance(each, InkLayer))
    first = layer._applied.get(client, 0)
    send(layer, {"client": client, "first": first, "events": [*events]})


def points_of(line: list[list[float]], start: float = 0.0) -> list[list[float]]:
    return [[x, y, start + 8 * n, 0.5] for n, (x, y) in enumerate(line)]


def stroke_events(line: list[list[float]]) -> list[dict[str, Any]]:
    first, *rest = points_of(line)
    return [{"do": "begin", "points": [first]}, {"do": "move", "points": rest}, {"do": "end"}]


def stroke(pad: DrawingPad, line: list[list[float]]) -> None:
    ink(pad, *stroke_events(line))


def states(pad: DrawingPad) -> tuple[bool, ...]:
    """Can undo, redo, clear."""
    return tuple(not find(pad, f"dp-{name}").disabled for name in ("undo", "redo", "clear"))


def layer(pad: DrawingPad) -> Any:
    return next(each for each in walk(pad) if isinstance(each, InkLayer))


def drawn(pad: DrawingPad) -> list[list[list[float]]]:
    return [stroke.tolist() for stroke in pad.strokes]


def test_a_new_pad_is_empty(pad: DrawingPad) -> None:
    assert pad.strokes == []
    assert pad.prediction is None
    assert pad.error == ""
    assert 'data-state="empty"' in html(find(pad, "dp-result"))
    assert states(pad) == (False, False, False)
    assert layer(pad).said == ""


# --- the ink layer -------------------------------------------------------------------------


class PageWithInk:
    """Sends messages like ink.js, and keeps the answers."""

    def __init__(self, pad: DrawingPad, monkeypatch: pytest.MonkeyPatch, name: str = "a") -> None:
        self.layer, self.name, self.number = layer(pad), name, 0
        self.answers: list[dict[str, Any]] = []
        monkeypatch.setattr(self.layer.layout, "send", self.answers.append)

    def send(self, *events: dict[str, Any], first: int | None = None) -> None:
        first = self.number if first is None else first
        content = {"client": self.name, "first": first, "events": [*events]}
        send(self.layer, content)
        self.number = max(self.number, first + len(events))


@pytest.fixture
def page(pad: DrawingPad, monkeypatch: pytest.MonkeyPatch) -> PageWithInk:
    return PageWithInk(pad, monkeypatch)


def test_ink_of_the_page_is_drawn_read_and_acknowledged(pad: DrawingPad, page: PageWithInk) -> None:
    page.send(*stroke_events(LINE)[:2])
    assert page.answers[-1]["applied"] == 2
    assert page.answers[-1]["pen"]
    page.send(*stroke_events(LINE)[2:])
    page.send(*stroke_events(BAR))
    assert page.answers[-1] == {"client": "a", "applied": 6, "pen": False, "brush": 16}
    assert drawn(pad) == [LINE, BAR]
    assert pad.prediction.digit == 4
    assert pad.traces[1].tolist() == points_of(BAR)


def test_messages_that_come_again_count_once(pad: DrawingPad, page: PageWithInk) -> None:
    events = [*stroke_events(LINE), *stroke_events(BAR)]
    page.send(*events[:2])
    page.send(*events[:2], first=0)
    page.send(*events[:4], first=0)
    page.send(*events, first=0)
    page.send(*events[5:], first=5)
    assert drawn(pad) == [LINE, BAR]
    assert page.answers[-1]["applied"] == 6


def test_undo_in_mid_stroke_is_told_to_the_page(pad: DrawingPad, page: PageWithInk) -> None:
    events = stroke_events(LINE)
    page.send(events[0])
    pad.undo()
    page.send(*events[1:2])
    assert not page.answers[-1]["pen"]
    assert pad.strokes == []


def test_a_stroke_of_another_page_ends_the_first(
    pad: DrawingPad, page: PageWithInk, monkeypatch: pytest.MonkeyPatch
) -> None:
    events = stroke_events(LINE)
    page.send(events[0])
    other = PageWithInk(pad, monkeypatch, "b")
    other.send(*stroke_events(BAR)[:2])
    page.send(*events[1:])
    other.send(*stroke_events(BAR)[2:])
    assert drawn(pad) == [LINE[:1], BAR]


def test_a_damaged_message_is_shown_and_not_repeated(pad: DrawingPad, page: PageWithInk) -> None:
    page.send({"do": "begin", "points": "none"})
    assert "pad failed" in pad.error
    page.send(*stroke_events(LINE))
    assert (drawn(pad), pad.error) == ([LINE], "")


# --- undo, redo, clear ---------------------------------------------------------------------


def test_undo_redo_and_clear_come_from_the_page(pad: DrawingPad) -> None:
    stroke(pad, LINE)
    assert states(pad) == (True, False, True)
    ink(pad, {"do": "undo"})
    assert (drawn(pad), pad.prediction, states(pad)) == ([], None, (False, True, False))
    ink(pad, {"do": "redo"}, {"do": "clear"})
    assert drawn(pad) == []
    for step, expected in (("undo", [LINE]), ("redo", []), ("undo", [LINE])):
        ink(pad, {"do": step})
        assert drawn(pad) == expected


# --- a program -----------------------------------------------------------------------------


def test_draw_fits_other_units_to_the_canvas(pad: DrawingPad) -> None:
    pad.draw([np.array([[1000, 1000], [1000, 3000]]), np.array([[0.0, 2000.0]])])
    points = np.concatenate(pad.strokes)
    assert points.min() > 0
    assert points.max() < 280
    assert np.ptp(points[:, 1]) == pytest.approx(2 * np.ptp(points[:, 0]))


def test_what_was_drawn_is_drawn_again_with_time_and_pressure(pad: DrawingPad) -> None:
    trace = [[20.0, 30.0, 5.0, 0.25], [120.0, 130.0, 21.0, 0.75]]
    pad.draw([np.array(trace), LINE, []])
    assert [each.tolist() for each in pad.traces] == [trace, np.array(LINE, float).tolist()]
    pad.draw([np.array(trace) * [10, 10, 1, 1]])  # other units: moved to the canvas
    (drawn_again,) = pad.traces
    assert drawn_again[:, 2:].tolist() == [[5.0, 0.25], [21.0, 0.75]]
    assert pad.strokes[0].max() <= 280


@pytest.mark.parametrize(
    "bad",
    [
        [[1, 2, 3]],
        [[1, 2, float("nan"), 1]],
        [[1, 2], [3]],
        [1, 2],
        [[float("nan"), 1]],
        [[[1, 2]]],
    ],
)
def test_draw_refuses_what_is_no_stroke_and_keeps_the_drawing(pad: DrawingPad, bad: Any) -> None:
    pad.draw([LINE])
    with pytest.raises(ValueError, match="A stroke"):
        pad.draw([bad])
    assert drawn(pad) == [LINE]


def test_the_brush_changes_no_prediction(pad: DrawingPad, recognizer: FakeRecognizer) -> None:
    pad.draw([LINE])
    before = len(recognizer.calls)
    thin = (pad.picture() < 128).sum()
    find(pad, "dp-brush").index = 2
    assert len(recognizer.calls) == before
    assert (pad.picture() < 128).sum() > 1.5 * thin


# --- throttled predictions -----------------------------------------------------------------


def test_moves_share_a_prediction_and_the_release_gets_its_own(
    pad: DrawingPad, recognizer: FakeRecognizer
) -> None:
    async def scribble() -> None:
        ink(pad, {"do": "begin", "points": [[10, 10]]})
        for i in range(1, 100):
            ink(pad, {"do": "move", "points": [[10 + i, 10]]})
        assert recognizer.calls == []
        await asyncio.sleep(0.3)
        assert len(recognizer.calls) == 1
        ink(pad, {"do": "move", "points": [[10, 200]]}, {"do": "end"})
        assert len(recognizer.calls) == 2
        await asyncio.sleep(0.3)
        assert len(recognizer.calls) == 2

    asyncio.run(scribble())
    assert len(recognizer.calls[0][0]) == 100
    assert recognizer.calls[1][0][-1].tolist() == [10.0, 200.0]


# --- failures ------------------------------------------------------------------------------


def test_a_failing_network_is_shown_in_the_pad(pad: DrawingPad, recognizer: FakeRecognizer) -> None:
    recognizer.failure = RuntimeError("no <weights>")
    stroke(pad, LINE)
    assert "no <weights>" in pad.error
    assert pad.prediction is None
    assert "no &lt;weights&gt;" in html(find(pad, "dp-result"))
    recognizer.failure = None
    stroke(pad, BAR)
    assert pad.error == ""
    assert pad.prediction.digit == 4


def test_an_empty_pad_shows_examples_that_can_be_drawn(
    pad: DrawingPad, recognizer: FakeRecognizer
) -> None:
    (examples,) = [box for box in walk(pad) if isinstance(box, ExampleButtons)]
    for button in examples.children:
        button.click()
        assert pad.strokes
        assert button.tooltip
    assert len(recognizer.calls) == len(examples.children) == len(EXAMPLES)


def test_the_picture_is_dark_ink_on_white(pad: DrawingPad) -> None:
    pad.draw([LINE, [[200.0, 200.0]]])
    picture = pad.picture()
    assert (picture.shape, picture.dtype) == ((280, 280), np.uint8)
    assert picture[140, 100] == picture[200, 200] == 0
    assert picture[10, 10] == 255
    assert (picture[140] < 128).sum() == pytest.approx(16, abs=1)


# --- a picture in place of strokes -------------------------------------------------------------

PICTURE = np.full((40, 60, 3), 255, np.uint8)


def test_a_picture_is_read_in_place_of_the_strokes(
    pad: DrawingPad, recognizer: FakeRecognizer
) -> None:
    pad.draw([LINE])
    pad.show_image(PICTURE)
    assert pad.strokes == []
    assert pad.prediction.digit == 7
    assert "data:image/jpeg" in html(find(pad, "dp-image"))
    assert states(pad)[2]
    pad.undo()
    assert drawn(pad) == [LINE]
    assert pad.image is None
    pad.redo()
    assert pad.image is PICTURE
    assert "data:image/jpeg" in html(find(pad, "dp-image"))


@pytest.mark.parametrize("end", ["clear", "draw", "ink"])
def test_a_picture_goes_with_the_next_ink_or_clearing_and_undo_restores_it(
    pad: DrawingPad, end: str
) -> None:
    pad.show_image(PICTURE)
    match end:
        case "clear":
            pad.clear()
        case "draw":
            pad.draw([LINE])
        case _:
            ink(pad, {"do": "begin", "points": [[10, 10, 0, 0.5]]})
    assert pad.image is None
    assert html(find(pad, "dp-image")) == ""
    assert (pad.prediction is None) == (end == "clear")
    pad.undo()
    assert (pad.image is PICTURE, pad.strokes, pad.prediction.digit) == (True, [], 7)


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 3, 1)])
def test_other_arrays_are_no_pictures(pad: DrawingPad, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="A picture must be"):
        pad.show_image(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="A picture must be"):
        pad.show_image(np.zeros((4, 4)))


def test_another_recognizer_reads_the_drawing_anew(pad: DrawingPad) -> None:
    pad.draw([LINE, LINE])
    another = FakeRecognizer()
    pad.recognizer = another
    assert len(another.calls) == 1


def test_listeners_hear_of_each_answer_after_the_page(pad: DrawingPad) -> None:
    heard: list[str] = []
    pad.on_answer(lambda: heard.append(html(find(pad, "dp-result"))))
    pad.draw([LINE])
    assert heard == [html(find(pad, "dp-result"))]
    assert 'data-state="read"' in heard[0]


# --- numbers -----------------------------------------------------------------------------------


def lefts(pad: DrawingPad) -> list[float]:
    return [float(left) for left in re.findall(r"left:([\d.]+)%", html(find(pad, "dp-boxes")))]


def test_a_number_is_shown_with_a_box_around_each_digit(pad: DrawingPad) -> None:
    pad.draw([LINE, BAR])
    assert lefts(pad) == []
    find(pad, "dp-modes").value = True
    assert pad.number
    assert isinstance(pad.prediction, Reading)
    page = html(find(pad, "dp-result"))
    assert 'data-state="rejected"' in page
    assert ">4?<" in page
    assert "a little like 8" in page
    assert lefts(pad) == [10, 50]
    assert find(pad, "dp-brush").label == "thin brush"
    assert layer(pad).said == "The number is 4?."
    pad.number = False
    assert isinstance(pad.prediction, Prediction)
    assert (lefts(pad), find(pad, "dp-brush").label) == ([], "medium brush")
    pad.clear()
    pad.number = True
    assert "The number appears here" in html(find(pad, "dp-result"))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((280, 280), [10, 50]),
        ((560, 560), [5, 25]),
        ((280, 140), [25 + 10, 25 + 50]),  # between blank sides
        ((140, 280), [10, 50]),  # between a blank top and bottom
    ],
)
def test_boxes_are_placed_on_a_picture(
    recognizer: FakeRecognizer, shape: tuple[int, int], expected: list[float]
) -> None:
    pad = DrawingPad(recognizer, number=True)
    pad.show_image(np.full(shape, 255, np.uint8))
    assert lefts(pad) == expected


def test_a_number_is_offered_when_several_digits_are_seen(
    pad: DrawingPad, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer = "Several digits? Choose Number."
    pad.draw([LINE, BAR])
    assert offer not in html(find(pad, "dp-result"))
    reject = lambda strokes: prediction(3, rejected=True)  # noqa: E731
    monkeypatch.setattr(pad.recognizer, "predict_strokes", reject)
    for strokes, offered in (([LINE, BAR], False), ([LINE, [[200, 40], [200, 240]]], True)):
        pad.draw(strokes)
        assert (offer in html(find(pad, "dp-result"))) == offered
        assert layer(pad).said.startswith("Not a digit. It looks a little like 3.")
        assert (offer in layer(pad).said) == offered
    for height in (30, 40):  # the first one is rejected
        pad.show_image(np.zeros((height, 60), np.uint8))
        assert (offer in html(find(pad, "dp-result"))) == (height == 30)


def test_the_bundled_network_reads_a_number() -> None:
    pad = DrawingPad(bundled(), number=True)
    pad.draw(write("407"))
    assert pad.prediction.text == "407"
    page = html(find(pad, "dp-result"))
    assert 'data-state="read"' in page
    assert ">407<" in page
    assert lefts(pad) == sorted(lefts(pad))
    assert 0 < lefts(pad)[0] < lefts(pad)[-1] < 100


# --- structure ---------------------------------------------------------------------------------


def test_a_stroke_becomes_a_frame_in_few_calls(pad: DrawingPad) -> None:
    """Count the calls of digitlib's functions as CONTRIBUTING.md lists them."""
    pad.recognizer, calls = Recognizer.load(), []

    def note(frame: FrameType, event: str, _: object) -> None:
        file = Path(frame.f_code.co_filename)
        name = frame.f_code.co_name
        if (
            event == "call"
            and file.parent.parent == REPOSITORY / "digitlib"
            and name.isidentifier()
        ):
            calls.append((f"{file.parent.name}/{file.name}", name))

    sys.setprofile(note)
    ink(pad, *stroke_events([[60, 60], [200, 60], [140, 340]]))
    sys.setprofile(None)
    names = [name for _, name in calls]
    end = len(names) - names[::-1].index("place")  # of the last frame, after the pen is up
    start = end - 1 - names[:end][::-1].index("_edited")
    path = calls[start:end]
    assert len(path) <= 11
    assert len({file for file, _ in path}) <= 5
    guide = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for file, name in path:
        assert re.search(rf"\| `{file}` \|.*`{name}`", guide), f"{file}: {name}"
