"""The views of the panel "Why?": their HTML and the numbers they show."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import cast

import numpy as np
import pytest
from helpers import DIGITS, bundled, explainer, page, pictures_in
from ipywidgets import HTML, Widget
from widget_tree import button, find, html

from digitlib.models.explain import Explainer
from digitlib.models.labels import NO_DIGIT
from digitlib.models.memory import StoredDrawing
from digitlib.models.prediction import Prediction
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.colors import picture_channels
from digitlib.preprocessing.frame import frame_steps, frames_to_images
from digitlib.widgets.explanation import (
    AGAINST,
    FOR,
    NEAREST,
    Part,
    details_html,
    explain,
    outline_path,
    reason,
    saliency_picture,
    similar,
    strongest_part,
    summary_html,
)
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.panels.panel import SHEETS
from digitlib.widgets.panels.why import Why
from digitlib.widgets.studio import Studio

SEVEN = [400 * stroke for stroke in DIGITS[7]]
FOUR = [400 * stroke for stroke in DIGITS[4]]
MORE = ["Steps", "Saliency", "Feature maps"]


@cache
def four() -> Prediction:
    return bundled().predict_strokes(FOUR)


def headings(page: str) -> list[str]:
    return re.findall("<h4>([A-Z][a-z ]+) <", page)


def captions(page: str) -> list[str]:
    return re.findall(r"<figcaption>(.*?)</figcaption>", page)


def views(page: str) -> dict[str, str]:
    """The HTML of each section, by its class."""
    return dict(re.findall(r'<section class="dp-view dp-(\w+)">(.*?)</section>', page))


def test_the_summary_is_sentences_and_nearest_digits() -> None:
    shown = summary_html(explainer(), four())
    assert [*views(shown)] == ["reason", "nearest"]
    assert headings(shown) == []


def test_the_legend_of_saliency_has_the_colors_of_its_map() -> None:
    css = SHEETS.joinpath("why.css").read_text(encoding="utf-8")
    for name, color in {"for": FOR, "against": AGAINST}.items():
        shown = " ".join(map(str, color))
        assert f".dp-{name}::before {{ background: rgb({shown}); }}" in css


def test_the_steps_of_strokes_are_the_channels_of_their_frame() -> None:
    steps = views(details_html(explainer(), four()))["steps"]
    assert captions(steps) == ["frame", "direction", "time"]
    expected = [frames_to_images(four().frame), *picture_channels(four().frame).values()]
    for picture, other in zip(pictures_in(steps), expected, strict=True):
        np.testing.assert_array_equal(picture, other)


def test_the_steps_of_a_picture_are_those_of_frame_steps() -> None:
    picture = page(3)
    prediction = bundled().predict(picture)
    steps = views(details_html(explainer(), prediction, picture))["steps"]
    names = [name.removesuffix("scale") for name in frame_steps(picture)]
    assert captions(steps) == names[: names.index("frame") + 1]
    np.testing.assert_array_equal(pictures_in(steps)[-1], frames_to_images(prediction.frame))
    assert all(max(each.shape) <= 192 for each in pictures_in(steps))


def test_saliency_is_the_occlusion_of_the_two_most_probable_digits() -> None:
    shown = views(summary_html(explainer(), four()) + details_html(explainer(), four()))
    best = np.argsort(-np.array(four().probabilities), kind="stable")[:2]
    for digit, picture in zip(best, pictures_in(shown["saliency"]), strict=True):
        falls = explainer().occlusion(four().frame, digit=int(digit))
        np.testing.assert_array_equal(picture, saliency_picture(falls))
    np.testing.assert_array_equal(*(pictures_in(shown[name])[0] for name in ("reason", "saliency")))


def test_the_nearest_digits_have_their_labels() -> None:
    shown = views(summary_html(explainer(), four()))["nearest"]
    found = explainer().nearest(four().frame, NEAREST)
    assert captions(shown) == [f"<b>{each.label}</b>" for each in found]
    for picture, digit in zip(pictures_in(shown), found, strict=True):
        np.testing.assert_array_equal(picture, digit.image)


def test_a_notebook_shows_everything_or_a_sentence() -> None:
    pad = DrawingPad()
    assert "Draw a digit to see" in explain(pad).data
    pad.draw(FOUR)
    assert headings(explain(pad).data) == MORE
    assert ".dp-explanation" in explain(pad).data
    pad.number = True
    assert "Choose One digit" in explain(pad).data


# --- sentences -----------------------------------------------------------------------------


def part(name: str, digit: int, share: float, *, rejected: bool = False) -> Part:
    shares = np.full(10, (1 - share) / 9, np.float32)
    shares[digit] = share
    return Part(name, (0, 0, 9, 9), shares, rejected)


def test_the_strongest_part_is_the_one_whose_loss_costs_most() -> None:
    found = strongest_part(bundled(), four())
    assert found is not None
    left, top, right, bottom = found.box
    frame = four().frame.copy()
    frame[:, top:bottom, left:right] = 0
    without = bundled().predict_batch(frame[None])
    np.testing.assert_array_equal(found.probabilities, without.probabilities[0])
    assert found.rejected == without.rejected[0]
    assert found.probabilities[4] < four().probabilities[4]


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ([[200, 40], [200, 340]], {"top", "middle", "bottom"}),  # too narrow to be divided across
        ([[40, 200], [340, 200]], {"left", "middle", "right"}),
    ],
)
def test_a_line_has_three_parts(line: list[list[float]], names: set[str]) -> None:
    found = strongest_part(bundled(), bundled().predict_strokes([np.array(line, float)]))
    assert found is not None
    assert found.name in names


def test_a_dot_has_no_part() -> None:
    dot = bundled().predict_strokes([np.array([[9.0, 9.0]])])
    assert strongest_part(bundled(), dot) is None
    assert "<section" in summary_html(explainer(), dot)


def test_sentences_say_what_speaks_for_the_answer_and_what_would_change_it() -> None:
    colors = "The ink in <b>blue</b> supports 4, the ink in <b>red</b> is against it."
    top = "Without the top part, the answer would be 9."
    assert reason(four(), part("top", 9, 0.8)) == f"{colors} {top}"
    broken = reason(four(), part("top", 9, 0.8, rejected=True))
    assert "Without the top part, it wouldn't look like a digit." in broken
    assert "The top part matters most" in reason(four(), part("top", 4, 0.5))
    assert "Even without the left part, the answer would be 4." in reason(
        four(), part("left", 4, 1)
    )
    rejected = replace(four(), score=-5.0, threshold=0.0)
    assert reason(rejected, None).startswith("The network doesn't take this for a digit.")
    stored = StoredDrawing(NO_DIGIT, four().frame, np.zeros(1, np.float32))
    because = reason(replace(four(), because=stored), None)
    assert "You marked a similar drawing as not a digit" in because


def test_similar_digits_are_counted() -> None:
    nearest = explainer().nearest(four().frame, NEAREST)
    same = [replace(each, label=4) for each in nearest]
    some = [replace(same[0], label=9), *same[1:]]
    assert similar(4, same).startswith("All of the 8 most similar digits")
    assert similar(4, some).startswith("7 of the 8")
    assert similar(9, some).endswith("is labeled 9.")
    assert similar(1, some).startswith("None of the 8")


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
    assert "supports 7" in html(find(panel, "dp-content"))
    studio.clear()
    assert html(find(panel, "dp-content")) == ""
    assert "Draw a digit to see" in html(find(panel, "dp-message"))
    studio.draw(SEVEN)
    assert html(find(panel, "dp-message")) == ""
    studio.number = True
    assert "Choose One digit" in html(find(panel, "dp-message"))
    studio.number = False


def test_more_shows_steps_and_maps_below_it_which_are_computed_only_then(
    panel: Why, monkeypatch: pytest.MonkeyPatch
) -> None:
    more, details = button(panel, "More"), find(panel, "dp-more")
    assert headings(html(panel)) == []
    more.value = True
    assert headings(html(details)) == MORE
    assert panel.children.index(more) < panel.children.index(details)
    more.value = False
    assert html(details) == ""

    def fail(*_: object) -> None:
        raise AssertionError("this view is off")

    monkeypatch.setattr(Explainer, "feature_maps", fail)
    panel.refresh()


def test_another_network_is_explained_or_only_the_steps(studio: Studio, panel: Why) -> None:
    class Other:
        predict = staticmethod(bundled().predict)
        predict_strokes = staticmethod(bundled().predict_strokes)

    studio.recognizer = Recognizer.load()
    assert "supports 4" in html(panel)
    studio.recognizer = Other()
    assert headings(html(panel)) == ["Steps"]
    assert "Only the steps are available" in html(find(panel, "dp-message"))


def test_the_outline_goes_around_the_ink() -> None:
    frame = np.zeros((4, 28, 28), np.float32)
    frame[0, [0, 5, 5], [27, 5, 6]] = 1
    path = outline_path(frame)
    assert set(re.findall(r"M\d+ \d+[hv]1", path)) == {
        *("M27 0h1", "M27 1h1", "M27 0v1", "M28 0v1"),
        *("M5 5h1", "M6 5h1", "M5 6h1", "M6 6h1", "M5 5v1", "M7 5v1"),
    }
    assert outline_path(0 * frame) == ""
