"""The drawing pad driven in Python: events of the browser, methods, failures."""

from __future__ import annotations

import asyncio
import cProfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

from digitlib.errors import BlankDrawingError
from digitlib.models.display import percent
from digitlib.models.prediction import Prediction
from digitlib.widgets import pad as pad_module
from digitlib.widgets.canvas import SHARPNESS
from digitlib.widgets.examples import EXAMPLES
from digitlib.widgets.html import result_html
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.toolbar import Examples

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
        return prediction(7)


def prediction(digit: int, *, share: float = 0.91, rejected: bool = False) -> Prediction:
    rest = (1 - share) / 9
    shares = tuple(share if n == digit else rest for n in range(10))
    return Prediction(shares, np.zeros((28, 28), np.uint8), 0.0, 1.0 if rejected else -1.0)


@pytest.fixture
def recognizer() -> FakeRecognizer:
    return FakeRecognizer()


@pytest.fixture
def pad(recognizer: FakeRecognizer) -> DrawingPad:
    return DrawingPad(recognizer, size=280, brush=16)


def event(pad: DrawingPad, name: str, x: float = 0.0, y: float = 0.0) -> None:
    """An event of the mouse as the browser sends it; x and y in px on screen."""
    content = {"event": name, "x": SHARPNESS * x, "y": SHARPNESS * y}
    pad._canvas._handle_frontend_event(None, content, [])


def touch(pad: DrawingPad, name: str, *points: tuple[float, float]) -> None:
    touches = [{"x": SHARPNESS * x, "y": SHARPNESS * y} for x, y in points]
    pad._canvas._handle_frontend_event(None, {"event": name, "touches": touches}, [])


def stroke_by_mouse(pad: DrawingPad, points: list[list[float]]) -> None:
    event(pad, "mouse_down", *points[0])
    for point in points[1:]:
        event(pad, "mouse_move", *point)
    event(pad, "mouse_up", *points[-1])


def drawn(pad: DrawingPad) -> list[list[list[float]]]:
    return [stroke.tolist() for stroke in pad.strokes]


# --- mouse and touch -----------------------------------------------------------------------


def test_a_new_pad_is_empty(pad: DrawingPad) -> None:
    assert pad.strokes == []
    assert pad.prediction is None
    assert pad.error == ""
    assert 'data-state="empty"' in pad._answer.widget.value
    assert pad._tools.undo.disabled
    assert pad._tools.redo.disabled
    assert pad._tools.clear.disabled


def test_the_mouse_draws_strokes_in_px_of_the_screen(pad: DrawingPad) -> None:
    event(pad, "mouse_move", 50, 50)  # not pressed
    stroke_by_mouse(pad, LINE)
    stroke_by_mouse(pad, BAR)
    assert drawn(pad) == [LINE, BAR]
    assert pad.prediction.digit == 4
    assert 'data-state="read"' in pad._answer.widget.value


def test_a_click_is_a_dot(pad: DrawingPad) -> None:
    stroke_by_mouse(pad, [[10.0, 20.0]])
    assert drawn(pad) == [[[10.0, 20.0]]]


def test_each_change_is_a_new_list_that_observers_hear_of(pad: DrawingPad) -> None:
    heard: list[Any] = []
    pad.observe(heard.append, "strokes")
    stroke_by_mouse(pad, LINE)
    assert len(heard) == 2
    assert heard[0]["new"] is not heard[1]["new"]
    assert len(heard[0]["new"][0]) == 1  # an observed list does not change later


def test_leaving_the_canvas_ends_the_stroke_at_its_border(pad: DrawingPad) -> None:
    event(pad, "mouse_down", 100, 270)
    event(pad, "mouse_out", 100, 300)
    event(pad, "mouse_move", 200, 200)
    event(pad, "mouse_up", 200, 200)
    assert drawn(pad) == [[[100.0, 270.0], [100.0, 280.0]]]


def test_a_lost_release_does_not_join_strokes(pad: DrawingPad) -> None:
    event(pad, "mouse_down", 10, 10)
    event(pad, "mouse_down", 100, 100)
    event(pad, "mouse_up", 100, 100)
    assert drawn(pad) == [[[10.0, 10.0]], [[100.0, 100.0]]]


def test_the_first_finger_draws_alone(pad: DrawingPad) -> None:
    touch(pad, "touch_start", (100, 40))
    touch(pad, "touch_start", (100, 40), (200, 200))
    touch(pad, "touch_move", (100, 80), (150, 200))
    touch(pad, "touch_end", (100, 80))  # the second finger goes
    touch(pad, "touch_move", (100, 120))
    touch(pad, "touch_end")
    assert drawn(pad) == [[[100.0, 40.0], [100.0, 80.0], [100.0, 120.0]]]


def test_the_second_finger_does_not_go_on_for_the_first(pad: DrawingPad) -> None:
    touch(pad, "touch_start", (100, 40))
    touch(pad, "touch_start", (100, 40), (200, 200))
    touch(pad, "touch_end", (200, 200))  # the first finger goes
    touch(pad, "touch_move", (210, 210))
    touch(pad, "touch_end")
    assert drawn(pad) == [[[100.0, 40.0]]]


@pytest.mark.parametrize("end", ["touch_end", "touch_cancel"])
def test_a_finger_that_leaves_or_is_cancelled_ends_the_stroke(pad: DrawingPad, end: str) -> None:
    touch(pad, "touch_start", (100, 270))
    touch(pad, "touch_move", (100, 400))
    touch(pad, "touch_move", (100, 200))
    touch(pad, end)
    assert drawn(pad) == [[[100.0, 270.0], [100.0, 280.0]]]
    touch(pad, "touch_start", (10, 10))
    touch(pad, end)
    event(pad, "mouse_move", 20, 20)
    assert len(pad.strokes) == 2


# --- the ink layer -------------------------------------------------------------------------


class PageWithInk:
    """Sends as ink.js does, and hears the answers."""

    def __init__(self, pad: DrawingPad, monkeypatch: pytest.MonkeyPatch, name: str = "a") -> None:
        self.layer, self.name, self.number = pad._layer, name, 0
        self.answers: list[dict[str, Any]] = []
        monkeypatch.setattr(self.layer.layout, "send", self.answers.append)

    def send(self, *events: dict[str, Any], first: int | None = None) -> None:
        first = self.number if first is None else first
        content = {"client": self.name, "first": first, "events": [*events]}
        self.layer._handle_custom_msg(content, [])
        self.number = max(self.number, first + len(events))


def points_of(line: list[list[float]], start: float = 0.0) -> list[list[float]]:
    return [[x, y, start + 8 * n, 0.5] for n, (x, y) in enumerate(line)]


def stroke_events(line: list[list[float]]) -> list[dict[str, Any]]:
    first, *rest = points_of(line)
    return [{"do": "begin", "points": [first]}, {"do": "move", "points": rest}, {"do": "end"}]


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


def test_after_a_gap_nothing_is_taken_until_it_is_filled(
    pad: DrawingPad, page: PageWithInk
) -> None:
    events = stroke_events(LINE)
    page.send(events[0])
    page.send(events[2], first=2)
    assert page.answers[-1]["applied"] == 1
    page.send(*events[1:], first=1)
    assert drawn(pad) == [LINE]


def test_a_stroke_keeps_its_points_outside_the_canvas(pad: DrawingPad, page: PageWithInk) -> None:
    line = [[380.0, 100.0], [440.0, 150.0], [390.0, 200.0]]
    page.send(*stroke_events(line))
    assert drawn(pad) == [line]


def test_a_palm_leaves_nothing(pad: DrawingPad, page: PageWithInk) -> None:
    page.send(*stroke_events(LINE)[:2], {"do": "cancel"}, *stroke_events(BAR))
    assert drawn(pad) == [BAR]


def test_steps_take_their_turn_with_the_ink(pad: DrawingPad, page: PageWithInk) -> None:
    page.send(*stroke_events(LINE), {"do": "undo"}, {"do": "redo"}, {"do": "clear"})
    page.send(*stroke_events(BAR))
    assert drawn(pad) == [BAR]
    assert pad.prediction.digit == 2


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


def test_a_page_hears_of_a_new_brush(pad: DrawingPad, page: PageWithInk) -> None:
    pad._tools.brush.index = 2
    assert page.answers[-1]["brush"] == pad._canvas.brush > 16


def test_a_damaged_message_is_shown_and_not_repeated(pad: DrawingPad, page: PageWithInk) -> None:
    page.send({"do": "begin", "points": "none"})
    assert "pad failed" in pad.error
    page.send(*stroke_events(LINE))
    assert (drawn(pad), pad.error) == ([LINE], "")


def test_without_the_layer_the_pad_says_that_ink_is_late(pad: DrawingPad) -> None:
    assert pad._slow.layout.display == "none"
    stroke_by_mouse(pad, LINE)
    assert pad._slow.layout.display is None
    assert drawn(pad) == [LINE]


def test_many_strokes_do_not_slow_the_next(pad: DrawingPad, page: PageWithInk) -> None:
    """What a stroke sends to the canvas does not grow with the drawing."""
    sent: list[int] = []
    manager = pad._canvas._canvas_manager
    send = manager.send

    def spy(content: Any, buffers: Any = None) -> None:
        sent.append(sum(len(bytes(buffer)) for buffer in buffers or []))
        send(content, buffers)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manager, "send", spy)
        for _ in range(50):
            page.send(*stroke_events(BAR))
    assert len(sent) >= 50
    assert max(sent[-10:]) <= 1.5 * max(sent[:10])


# --- undo, redo, clear ---------------------------------------------------------------------


def test_undo_and_redo_go_back_and_forth(pad: DrawingPad) -> None:
    stroke_by_mouse(pad, LINE)
    stroke_by_mouse(pad, BAR)
    pad.undo()
    assert drawn(pad) == [LINE]
    assert pad.prediction.digit == 2
    pad.undo()
    assert (drawn(pad), pad.prediction) == ([], None)
    pad.undo()  # nothing left: nothing happens
    pad.redo()
    pad.redo()
    pad.redo()
    assert drawn(pad) == [LINE, BAR]


def test_a_new_stroke_ends_what_can_be_redone(pad: DrawingPad) -> None:
    stroke_by_mouse(pad, LINE)
    pad.undo()
    stroke_by_mouse(pad, BAR)
    pad.redo()
    assert drawn(pad) == [BAR]


def test_clear_can_be_undone(pad: DrawingPad) -> None:
    stroke_by_mouse(pad, LINE)
    pad.clear()
    assert (drawn(pad), pad.prediction) == ([], None)
    pad.clear()  # nothing to wipe: no step of its own
    pad.undo()
    assert drawn(pad) == [LINE]


def test_undo_in_the_middle_of_a_stroke_lifts_the_pen(pad: DrawingPad) -> None:
    event(pad, "mouse_down", 10, 10)
    pad.undo()
    event(pad, "mouse_move", 50, 50)
    assert pad.strokes == []


def test_the_buttons_and_keys_do_as_they_say(pad: DrawingPad) -> None:
    stroke_by_mouse(pad, LINE)
    assert (pad._tools.undo.disabled, pad._tools.redo.disabled, pad._tools.clear.disabled) == (
        False,
        True,
        False,
    )
    pad._tools.undo.click()
    assert drawn(pad) == []
    assert (pad._tools.undo.disabled, pad._tools.redo.disabled, pad._tools.clear.disabled) == (
        True,
        False,
        True,
    )
    pad._tools.redo.click()
    pad._tools.clear.click()
    assert drawn(pad) == []
    for key, shift, expected in (("z", False, [LINE]), ("Z", True, []), ("z", False, [LINE])):
        keys = {"shift_key": shift, "ctrl_key": True, "meta_key": False}
        pad._canvas._handle_frontend_event(None, {"event": "key_down", "key": key, **keys}, [])
        assert drawn(pad) == expected


# --- a program -----------------------------------------------------------------------------


def test_draw_replaces_the_drawing_in_one_step(pad: DrawingPad) -> None:
    stroke_by_mouse(pad, BAR)
    pad.draw([LINE, []])
    assert drawn(pad) == [LINE]
    assert pad.prediction.digit == 2
    pad.undo()
    assert drawn(pad) == [BAR]


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
    pad._tools.brush.index = 2
    assert len(recognizer.calls) == before
    assert (pad.picture() < 128).sum() > 1.5 * thin


def test_the_traits_are_read_only(pad: DrawingPad) -> None:
    for name in ("strokes", "prediction", "error"):
        with pytest.raises(pad_module.traitlets.TraitError):
            setattr(pad, name, [])


# --- timing --------------------------------------------------------------------------------


def calls_of_a_stroke(pad: DrawingPad) -> int:
    """Number of calls that an event of the pen takes, all functions counted."""
    profile = cProfile.Profile()
    profile.runcall(stroke_by_mouse, pad, LINE)
    return sum(entry.callcount for entry in profile.getstats())


def test_an_event_costs_the_same_however_much_is_drawn() -> None:
    class Constant(FakeRecognizer):
        def predict_strokes(self, drawing: Sequence[Any], /) -> Prediction:
            return prediction(3)

    pad = DrawingPad(Constant(), size=280)
    stroke_by_mouse(pad, LINE)
    stroke_by_mouse(pad, LINE)
    before = calls_of_a_stroke(pad)
    for _ in range(1000):
        pad._history.begin(*LINE)
        pad._history.end()
    assert calls_of_a_stroke(pad) <= before + 10


def test_predictions_are_throttled_and_the_last_state_is_read(
    pad: DrawingPad, recognizer: FakeRecognizer
) -> None:
    pad._reading.interval = 0.02

    async def scribble() -> None:
        event(pad, "mouse_down", 10, 10)
        for i in range(100):
            event(pad, "mouse_move", 10 + i, 10)
        assert recognizer.calls == []  # a burst costs nothing
        await asyncio.sleep(0.1)
        assert len(recognizer.calls) == 1  # and its end is read while the pen is down
        event(pad, "mouse_move", 10, 200)
        event(pad, "mouse_up", 10, 200)
        assert len(recognizer.calls) == 2  # the release waits for nothing
        await asyncio.sleep(0.05)
        assert len(recognizer.calls) == 2

    asyncio.run(scribble())
    assert len(recognizer.calls[0][0]) == 100  # the first move went nowhere
    assert recognizer.calls[1][0][-1].tolist() == [10.0, 200.0]


# --- failures ------------------------------------------------------------------------------


def test_a_failing_network_is_shown_in_the_pad(pad: DrawingPad, recognizer: FakeRecognizer) -> None:
    recognizer.failure = RuntimeError("no <weights>")
    stroke_by_mouse(pad, LINE)
    assert "no <weights>" in pad.error
    assert pad.prediction is None
    assert "no &lt;weights&gt;" in pad._answer.widget.value
    recognizer.failure = None
    stroke_by_mouse(pad, BAR)
    assert pad.error == ""
    assert pad.prediction.digit == 4


def test_a_blank_drawing_is_no_failure(pad: DrawingPad, recognizer: FakeRecognizer) -> None:
    recognizer.failure = BlankDrawingError("blank")
    stroke_by_mouse(pad, LINE)
    assert (pad.error, pad.prediction) == ("", None)


def test_a_failing_observer_is_shown_in_the_pad(pad: DrawingPad) -> None:
    def fail(change: Any) -> None:
        raise KeyError("observer")

    pad.observe(fail, "prediction")
    stroke_by_mouse(pad, LINE)
    assert "observer" in pad.error
    assert "observer" in pad._answer.widget.value


# --- display -------------------------------------------------------------------------------


def test_the_result_shows_all_ten_probabilities() -> None:
    page = result_html(prediction(3, share=0.8), top_k=3)
    assert page.count("<li") == 10
    assert page.count(">80.0 %<") == 2  # in the bar and as the confidence
    assert page.count(">2.2 %<") == 9
    assert "or 0: 2.2 %, 1: 2.2 %" in page
    assert page.count("dp-best") == 1
    assert page.count("dp-top") == 2


def test_runners_up_under_one_per_cent_recede() -> None:
    page = result_html(prediction(3, share=0.95), top_k=3)
    assert page.count('title="') == 12  # of each bar, of "no digit" and of the frame
    assert "0.6 %</span>" not in page
    assert "dp-top" not in page


def test_what_is_no_digit_says_so_first() -> None:
    page = result_html(prediction(3, share=0.96, rejected=True))
    assert page.index("No digit") < page.index("closest") < page.index('dp-digit">3')
    assert 'class="dp-verdict"><b>96.0 %' not in page
    assert "No digit" not in result_html(prediction(3))


def test_several_digits_are_asked_for_one_at_a_time(pad: DrawingPad) -> None:
    pad._recognizer.predict_strokes = lambda drawing: prediction(3, rejected=True)  # type: ignore[method-assign]
    pad.draw([LINE])
    assert "One digit" not in pad._answer.widget.value
    pad.draw([LINE, [[180.0, 50.0], [200.0, 230.0]]])
    assert "One digit at a time" in pad._answer.widget.value
    pad._recognizer.predict_strokes = lambda drawing: prediction(3)  # type: ignore[method-assign]
    pad.draw([LINE, [[181.0, 50.0], [200.0, 230.0]]])
    assert "One digit" not in pad._answer.widget.value


def test_an_empty_pad_shows_examples_that_can_be_drawn(
    pad: DrawingPad, recognizer: FakeRecognizer
) -> None:
    (examples,) = [box for box in walk(pad) if isinstance(box, Examples)]
    for button in examples.children:
        button.click()
        assert pad.strokes
        assert button.tooltip
    assert len(recognizer.calls) == len(examples.children) == len(EXAMPLES)


def walk(widget: Any) -> Iterator[Any]:
    """A widget and all inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from walk(child)


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0.0 %"), (0.5, "50.0 %"), (0.9999, ">99.9 %"), (1, ">99.9 %")]
)
def test_probabilities_are_not_rounded_to_certainty(share: float, text: str) -> None:
    assert percent(share) == text


def test_a_page_that_opens_is_drawn_anew(pad: DrawingPad, monkeypatch: pytest.MonkeyPatch) -> None:
    pad.draw([LINE])
    sent: list[Any] = []
    manager = pad._canvas._canvas_manager
    monkeypatch.setattr(manager, "send", lambda content, **_: sent.append(content))
    pad._canvas._handle_frontend_event(None, {"event": "client_ready"}, [])
    assert sent
    assert not manager._caching


def test_the_picture_is_dark_ink_on_white(pad: DrawingPad) -> None:
    pad.draw([LINE, [[200.0, 200.0]]])
    picture = pad.picture()
    assert (picture.shape, picture.dtype) == ((280, 280), np.uint8)
    assert picture[140, 100] == picture[200, 200] == 0
    assert picture[10, 10] == 255
    assert (picture[140] < 128).sum() == pytest.approx(16, abs=1)


def test_the_bundled_network_reads_a_drawn_one() -> None:
    pad = DrawingPad()
    stroke_by_mouse(pad, [[140.0, 40.0 + 10 * i] for i in range(20)])
    assert pad.prediction.digit == 1


def test_events_on_several_threads_take_turns(
    pad: DrawingPad, recognizer: FakeRecognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """JupyterLab may deliver a stroke and a click on Clear on two threads."""
    reading = threading.Event()

    def read_slowly(drawing: Sequence[Any], /) -> Prediction:
        reading.set()
        time.sleep(0.1)
        return prediction(7)

    monkeypatch.setattr(recognizer, "predict_strokes", read_slowly)
    mouse = threading.Thread(target=stroke_by_mouse, args=(pad, [[10.0, 20.0]]))
    mouse.start()
    assert reading.wait(5)
    pad._tools.clear.click()
    mouse.join()
    assert pad._tools.clear.disabled == (pad.strokes == [])
    assert (pad.prediction is None) == (pad.strokes == [])
    assert ('data-state="empty"' in pad._answer.widget.value) == (pad.strokes == [])


# --- a picture in place of strokes -------------------------------------------------------------

PICTURE = np.full((40, 60, 3), 255, np.uint8)


def test_a_picture_is_read_in_place_of_the_strokes(
    pad: DrawingPad, recognizer: FakeRecognizer
) -> None:
    pad.draw([LINE])
    pad.show_image(PICTURE)
    assert pad.strokes == []
    assert pad.prediction.digit == 7
    assert "data:image/jpeg" in pad._picture.value
    assert not pad._tools.clear.disabled
    pad.undo()
    assert drawn(pad) == [LINE]
    assert pad.image is None


@pytest.mark.parametrize("end", ["clear", "draw", "stroke", "ink"])
def test_a_picture_goes_with_the_next_ink_or_clearing(pad: DrawingPad, end: str) -> None:
    pad.show_image(PICTURE)
    match end:
        case "clear":
            pad.clear()
        case "draw":
            pad.draw([LINE])
        case "stroke":
            event(pad, "mouse_down", *LINE[0])
        case _:
            events = [{"do": "begin", "points": [[10, 10, 0, 0.5]]}]
            pad._layer._receive(None, {"client": "page", "first": 0, "events": events}, [])
    assert pad.image is None
    assert pad._picture.value == ""
    assert (pad.prediction is None) == (end == "clear")


def test_a_picture_without_ink_is_told(pad: DrawingPad, recognizer: FakeRecognizer) -> None:
    recognizer.failure = BlankDrawingError("there is no ink in it")
    pad.show_image(PICTURE)
    assert pad.error == "there is no ink in it"


@pytest.mark.parametrize("shape", [(4,), (4, 4, 2), (4, 4, 3, 1)])
def test_other_arrays_are_no_pictures(pad: DrawingPad, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="A picture is"):
        pad.show_image(np.zeros(shape, np.uint8))
    with pytest.raises(ValueError, match="A picture is"):
        pad.show_image(np.zeros((4, 4)))


def test_another_recognizer_reads_the_drawing_anew(pad: DrawingPad) -> None:
    pad.draw([LINE, LINE])
    another = FakeRecognizer()
    pad.recognizer = another
    assert len(another.calls) == 1


def test_listeners_hear_of_each_answer_after_the_page(pad: DrawingPad) -> None:
    heard: list[str] = []
    pad.on_answer(lambda: heard.append(pad._answer.widget.value))
    pad.draw([LINE])
    assert heard == [pad._answer.widget.value]
    assert 'data-state="read"' in heard[0]
