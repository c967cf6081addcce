"""The panel "Play": the game on a pad, the replay, and the files to save."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
import pytest
from helpers import DIGITS, bundled, page
from PIL import Image
from test_game import Clock

from digitlib.widgets.html import named
from digitlib.widgets.panels import play as play_module
from digitlib.widgets.panels.base import SHEETS
from digitlib.widgets.panels.downloads import downloads_html
from digitlib.widgets.panels.game import ROUND, SECONDS, Game
from digitlib.widgets.panels.play import CHEER, Play
from digitlib.widgets.panels.replay import LONGEST, PAUSE, replay_html, time_strokes
from digitlib.widgets.studio import Studio


class Timer:
    """In place of threading.Timer: due when a test says so."""

    started: Timer | None = None

    def __init__(self, seconds: float, action: Callable[[], None]) -> None:
        self.seconds, self.action, self.cancelled = seconds, action, False

    def start(self) -> None:
        Timer.started = self

    def cancel(self) -> None:
        self.cancelled = True


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(bundled())


@pytest.fixture
def panel(studio: Studio, monkeypatch: pytest.MonkeyPatch) -> Iterator[Play]:
    """The panel before its first game; digits are asked from 9 down to 0."""
    monkeypatch.setattr(play_module.threading, "Timer", Timer)
    studio.clear()
    studio.show_panel("Play")
    shown = cast("Play", studio.panels["Play"])
    shown.game = Game(Clock(), order=list.reverse)
    yield shown
    shown._stop()
    studio.show_panel("Play")


def due() -> None:
    """The time of the last timer is over."""
    assert Timer.started is not None
    Timer.started.action()


def board(panel: Play) -> str:
    return re.sub("<.*?>", " ", panel._board.value)


def draw(studio: Studio, digit: int) -> None:
    studio.draw([400 * stroke for stroke in DIGITS[digit]])


# --- the game ------------------------------------------------------------------------------


def test_a_round_is_won_by_drawing_what_is_asked(studio: Studio, panel: Play) -> None:
    panel._start.click()
    for digit in reversed(range(ROUND)):
        assert f"Draw {named(digit)}!" in board(panel)
        assert f'data-asked="{digit}"' in panel._board.value
        assert Timer.started
        assert Timer.started.seconds == SECONDS
        assert studio.strokes == []
        draw(studio, digit)
        assert "Yes!" in board(panel)
        assert Timer.started.seconds == CHEER
        due()
    assert f"{ROUND} of {ROUND} right, the best so far" in board(panel)
    assert panel.game.score == panel.game.best > 1000
    assert panel._start.description == "Start"
    assert panel._skip.disabled


def test_what_is_not_asked_does_not_count(studio: Studio, panel: Play) -> None:
    panel._start.click()
    draw(studio, 3)
    assert "Draw a 9!" in board(panel)
    draw(studio, 9)
    draw(studio, 9)  # in the time of the cheer
    assert panel.game.right == 1


def test_time_and_skip_lead_on_and_end_the_streak(studio: Studio, panel: Play) -> None:
    panel._start.click()
    draw(studio, 9)
    due()
    draw(studio, 3)
    due()
    assert "Draw a 7!" in board(panel)
    assert (studio.strokes, panel.game.streak) == ([], 0)
    panel._skip.click()
    assert "Draw a 6!" in board(panel)


def test_a_timer_that_comes_too_late_does_nothing(studio: Studio, panel: Play) -> None:
    panel._start.click()
    late = Timer.started
    assert late
    draw(studio, 9)
    assert late.cancelled
    late.action()  # it was waiting for its turn
    assert "Yes!" in board(panel)


@pytest.mark.parametrize("end", ["stop", "close"])
def test_a_game_that_is_stopped_or_hidden_is_over(studio: Studio, panel: Play, end: str) -> None:
    panel._start.click()
    draw(studio, 9)
    timer = Timer.started
    assert timer
    if end == "stop":
        panel._start.click()
    else:
        studio.hide_panel("Play")
    assert timer.cancelled
    timer.action()
    assert panel.game.asked is None
    assert "1 of 10 right" in board(panel)
    assert studio.strokes != []  # nothing is cleared any more


def test_the_style_sheet_knows_the_rules() -> None:
    sheet = SHEETS.joinpath("play.css").read_text(encoding="utf-8")
    for digit in range(ROUND):
        assert f'[data-asked="{digit}"]) .dp-paper {{ --dp-asked: "Draw {named(digit)}"' in sheet
    assert f"dp-time-0 {SECONDS:g}s linear" in sheet


# --- replay --------------------------------------------------------------------------------


def trace(*points: tuple[float, float, float]) -> np.ndarray:
    return np.array([[x, y, ms, 0.5] for x, y, ms in points])


def test_times_are_those_of_the_pen_with_pauses_cut_short() -> None:
    strokes = [trace((0, 0, 5000), (9, 0, 5200)), trace((0, 9, 8200), (9, 9, 8300), (9, 9, 8250))]
    timing = time_strokes(strokes, 400)
    assert timing.drawn == pytest.approx(3.3)
    np.testing.assert_allclose(timing.times[0], [0, 0.2])
    np.testing.assert_allclose(timing.times[1], 0.2 + PAUSE + np.array([0, 0.1, 0.1]))


def test_another_pages_clock_makes_no_way_back() -> None:
    timing = time_strokes([trace((0, 0, 5000), (9, 0, 5200)), trace((0, 9, 10), (9, 9, 20))], 400)
    np.testing.assert_allclose(timing.times[1], [0.2, 0.21])


def test_a_long_drawing_is_played_faster() -> None:
    timing = time_strokes([trace((0, 0, 0), (5, 0, 10_000), (9, 0, 20_000))], 400)
    assert timing.drawn == 20
    np.testing.assert_allclose(timing.times[0], [0, LONGEST / 2, LONGEST])


def test_without_times_the_speed_is_even() -> None:
    strokes = [np.array([[0.0, 0], [100, 0], [300, 0]]), np.array([[5.0, 5.0]])]
    times, drawn = time_strokes(strokes, 400)
    assert drawn is None
    assert times[0][1] == pytest.approx(times[0][2] / 3)
    np.testing.assert_allclose(times[1], times[0][-1] + PAUSE)


def test_a_replay_moves_unless_one_wants_no_motion_and_starts_anew_each_time() -> None:
    strokes = [trace((0, 0, 0), (30, 40, 500), (30, 90, 1000)), trace((7, 7, 1500))]
    still = replay_html(strokes, (400, 400), moving=False)
    assert "animation" not in still
    assert still.count("<polyline") == 2
    first, second = (replay_html(strokes, (400, 400), moving=True) for _ in range(2))
    assert first != second
    before, motion = first.split("@media (prefers-reduced-motion: no-preference)")
    assert "animation" not in before
    assert "animation-duration:1.50s" in motion
    assert "66.67%{opacity:1;stroke-dashoffset:0.000}" in before
    assert "33.33%{opacity:1;stroke-dashoffset:0.500}" in before
    assert "100.00%{opacity:1;stroke-dashoffset:1.000}" in before  # the dot comes last
    assert "33.33%{opacity:1;transform:translate(30.0px,40.0px)}" in before
    assert replay_html([], (400, 400), moving=True).count("<polyline") == 0


def test_the_panel_replays_and_says_how_long_it_took(studio: Studio, panel: Play) -> None:
    assert panel._replay.disabled
    draw(studio, 7)
    assert "even speed" in panel._drawing.value
    panel._replay.click()
    assert "animation-name" in panel._drawing.value
    events: list[dict[str, Any]] = [
        {"do": "begin", "points": [[10, 10, 100, 0.5]]},
        {"do": "move", "points": [[90, 90, 1600, 0.5]]},
        {"do": "end"},
    ]
    studio.clear()
    studio._layer._receive(None, {"client": "play", "first": 0, "events": events}, [])
    assert "Drawn in 1.5 s." in panel._drawing.value
    studio.show_image(page(3))
    assert "no strokes" in panel._drawing.value
    assert panel._replay.disabled


# --- files ---------------------------------------------------------------------------------


def files(html: str) -> dict[str, bytes]:
    links = re.findall(r'download="([^"]+)" href="data:([a-z/]+);base64,([^"]+)"', html)
    kinds = {name.rpartition(".")[2]: kind for name, kind, _ in links}
    assert kinds == {"png": "image/png", "json": "application/json"}
    return {name: base64.b64decode(data) for name, _, data in links}


def opened(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


def test_a_drawing_is_saved_as_picture_frame_and_json(studio: Studio, panel: Play) -> None:
    assert panel._files.value == ""
    draw(studio, 7)
    saved = files(panel._files.value)
    assert [*saved] == ["digit-7.png", "digit-7-frame.png", "digit-7.json"]
    np.testing.assert_array_equal(opened(saved["digit-7.png"]), studio.picture())
    np.testing.assert_array_equal(opened(saved["digit-7-frame.png"]), studio.prediction.frame)
    record = json.loads(saved["digit-7.json"])
    assert record["weights"] == bundled().weights
    assert record["prediction"]["digit"] == 7
    assert record["prediction"]["probabilities"] == [*studio.prediction.probabilities]
    for stroke, drawn in zip(record["strokes"], studio.traces, strict=True):
        np.testing.assert_allclose(stroke, drawn, atol=0.001)
    assert bundled().predict_strokes([np.array(s) for s in record["strokes"]]).digit == 7


def test_what_is_no_digit_is_named_so(studio: Studio, panel: Play) -> None:
    studio.draw([[[0, 0], [100, 0]], [[0, 300], [300, 300]], [[0, 10], [9, 300]]])
    assert studio.prediction.rejected
    assert "no-digit.png" in files(panel._files.value)


def test_a_picture_is_saved_as_it_is(studio: Studio, panel: Play) -> None:
    studio.show_image(page(3))
    saved = files(downloads_html(studio))
    np.testing.assert_array_equal(opened(saved["digit-3.png"]), page(3))
    record = json.loads(saved["digit-3.json"])
    assert base64.b64decode(record["picture"]) == saved["digit-3.png"]
    assert "strokes" not in record
