"""The views of the panel "Why?": their HTML and the numbers they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from typing import cast

import numpy as np
import pytest
from helpers import DIGITS, bundled, explainer, page, pictures_in
from ipywidgets import HTML, Widget
from widget_tree import find, html

from digitlib.models.explain import Explainer
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.colors import picture_channels
from digitlib.preprocessing.frame import frame_steps, frames_to_images
from digitlib.preprocessing.strokes import PEN_WIDTH, render
from digitlib.widgets.explanation import (
    NEAREST,
    VIEWS,
    ReadDrawing,
    explain,
    explanation_html,
    outline_path,
    place_strokes,
    saliency_picture,
    strokes_svg,
)
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.why import Why
from digitlib.widgets.studio import Studio

SEVEN = [400 * stroke for stroke in DIGITS[7]]
FOUR = [400 * stroke for stroke in DIGITS[4]]


@cache
def four() -> ReadDrawing:
    return ReadDrawing(bundled().predict_strokes(FOUR), FOUR)


def captions(page: str) -> list[str]:
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def test_views_that_are_off_are_not_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("this view is off")

    for name in ("occlusions", "nearest"):
        monkeypatch.setattr(Explainer, name, fail)
    shown = explanation_html(explainer(), four(), ["Feature maps", "Steps"])
    assert re.findall("<h4>([A-Z][a-z ]+) <", shown) == ["Steps", "Feature maps"]
    assert "<section" not in explanation_html(explainer(), four(), [])


def test_the_steps_of_strokes_are_those_of_their_rendering() -> None:
    shown = explanation_html(explainer(), four(), ["Steps"])
    assert captions(shown) == ["strokes", "centered", "frame", "direction", "time"]
    prediction = four().prediction
    frame = prediction.frame
    expected = [frames_to_images(frame), *picture_channels(frame).values()]
    for picture, other in zip(pictures_in(shown), expected, strict=True):
        np.testing.assert_array_equal(picture, other)


def test_the_steps_of_a_picture_are_those_of_frame_steps() -> None:
    picture = page(3)
    prediction = bundled().predict(picture)
    shown = explanation_html(explainer(), ReadDrawing(prediction, picture=picture), ["Steps"])
    names = [name.removesuffix("scale") for name in frame_steps(picture)]
    assert captions(shown) == names[: names.index("frame") + 1]
    np.testing.assert_array_equal(pictures_in(shown)[-1], frames_to_images(prediction.frame))
    assert all(max(each.shape) <= 192 for each in pictures_in(shown))


def test_saliency_is_the_occlusion_of_the_two_most_probable_digits() -> None:
    prediction = four().prediction
    shown = pictures_in(explanation_html(explainer(), four(), ["Saliency"]))
    best = np.argsort(-np.array(prediction.probabilities), kind="stable")[:2]
    for digit, picture in zip(best, shown, strict=True):
        falls = explainer().occlusion(prediction.frame, digit=int(digit))
        np.testing.assert_array_equal(picture, saliency_picture(falls))


def test_the_nearest_digits_have_label_and_source() -> None:
    shown = explanation_html(explainer(), four(), ["Nearest digits"])
    found = explainer().nearest(four().prediction.frame, NEAREST)
    assert captions(shown) == [f"<b>{each.label}</b> {each.source.upper()}" for each in found]
    for picture, digit in zip(pictures_in(shown), found, strict=True):
        np.testing.assert_array_equal(picture, digit.image)


def test_a_notebook_shows_all_views_or_a_sentence() -> None:
    pad = DrawingPad()
    assert "Nothing is drawn yet" in explain(pad).data
    pad.draw(FOUR)
    assert all(f"<h4>{name}" in explain(pad).data for name in VIEWS)
    assert ".dp-explanation" in explain(pad).data


# --- the panel -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studio() -> Studio:
    return Studio(bundled())


@pytest.fixture
def panel(studio: Studio) -> Iterator[Why]:
    studio.draw(FOUR)
    studio.show_panel("Why?")
    yield cast("Why", studio.panels["Why?"])
    studio.recognizer = bundled()
    studio.show_panel("Why?")


def shown(panel: Why) -> list[str]:
    return re.findall("<h4>([A-Z][a-z ]+) <", html(find(panel, "dp-content")))


def test_the_panel_follows_the_drawing_in_one_message(studio: Studio, panel: Why) -> None:
    sent: list[Widget] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Widget, "_send", lambda widget, *_, **__: sent.append(widget))
        studio.draw(SEVEN)
    assert [widget for widget in sent if isinstance(widget, HTML)] == [
        find(studio, "dp-result"),  # the answer comes first, then all views
        find(studio, "dp-save"),
        find(panel, "dp-content"),
    ]
    assert "as 7" in html(find(panel, "dp-content"))
    studio.clear()
    assert html(find(panel, "dp-content")) == ""
    assert "Nothing is drawn yet" in html(find(panel, "dp-message"))
    studio.draw(SEVEN)
    assert html(find(panel, "dp-message")) == ""


def test_another_network_is_explained_or_only_the_steps(studio: Studio, panel: Why) -> None:
    class Other:
        predict = staticmethod(bundled().predict)
        predict_strokes = staticmethod(bundled().predict_strokes)

    studio.recognizer = Recognizer.load()
    assert shown(panel) == [*VIEWS]
    studio.recognizer = Other()
    assert shown(panel) == ["Steps"]
    assert "Only the steps are available" in html(find(panel, "dp-message"))


# --- drawn strokes -------------------------------------------------------------------------


@pytest.mark.parametrize("digit", DIGITS)
def test_placed_strokes_lie_where_the_frame_has_their_ink(digit: int) -> None:
    frame = render(DIGITS[digit])
    placed = place_strokes([100 * stroke + 7 for stroke in DIGITS[digit]], frame)
    points = np.concatenate([dense(stroke) for stroke in placed])
    rows, columns = np.indices((28, 28)) + 0.5
    away = np.hypot(rows[..., None] - points[:, 1], columns[..., None] - points[:, 0]).min(axis=2)
    error = np.clip(PEN_WIDTH / 2 + 0.5 - away, 0, 1) - frame[0]
    shifted = np.roll(frame[0], 1, axis=0) - frame[0]
    assert np.abs(error).mean() < 0.2 * np.abs(shifted).mean()  # rendering cuts corners a little


def dense(stroke: np.ndarray) -> np.ndarray:
    at = np.linspace(0, len(stroke) - 1, 500)
    known = np.arange(len(stroke))
    return np.stack([np.interp(at, known, column) for column in stroke.T], axis=1)


def test_stray_taps_are_pale_and_have_no_place() -> None:
    strokes = [*FOUR, np.array([[1.0, 1.0]]), np.array([[395.0, 900.0]])]
    svg = strokes_svg(strokes, (400, 400))
    assert svg.count("<polyline") == 4
    assert svg.count("dp-stray") == 4 - len(place_strokes(strokes, render(strokes)))
    assert svg.count("dp-stray") >= 1


def test_the_outline_goes_around_the_ink() -> None:
    frame = np.zeros((4, 28, 28), np.float32)
    frame[0, [0, 5, 5], [27, 5, 6]] = 1
    path = outline_path(frame)
    assert set(re.findall(r"M\d+ \d+[hv]1", path)) == {
        *("M27 0h1", "M27 1h1", "M27 0v1", "M28 0v1"),
        *("M5 5h1", "M6 5h1", "M5 6h1", "M6 6h1", "M5 5v1", "M7 5v1"),
    }
    assert outline_path(0 * frame) == ""
