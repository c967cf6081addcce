"""The wide pad: a row of digits with a box around each."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from helpers import bundled, write
from widget_tree import find, html

from digitlib.models.prediction import Prediction
from digitlib.numbers.reading import ReadDigit, Reading
from digitlib.widgets.answers import boxes_html, number_html
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.studio import Studio


class FakeRecognizer:
    """Reads 4 and a rejected 8 in each drawing and picture."""

    def predict_strokes(self, drawing: Any, /) -> Prediction:
        raise NotImplementedError

    def predict(self, image: Any, /) -> Prediction:
        raise NotImplementedError

    def read(self, source: Any, /) -> Reading:
        picture = source if isinstance(source, np.ndarray) else np.zeros((280, 700), np.uint8)
        digits = (
            ReadDigit(4, (70.0, 28.0, 140.0, 84.0), 0, 0.9, rejected=False),
            ReadDigit(8, (210.0, 28.0, 280.0, 84.0), 0, 0.4, rejected=True),
        )
        high, wide = picture.shape
        return Reading(digits, (), picture, (0.0, 0.0, float(wide), float(high)))


@pytest.fixture
def pad() -> DrawingPad:
    return DrawingPad(FakeRecognizer(), wide=True)


def lefts(boxes: str) -> list[float]:
    return [float(left) for left in re.findall(r"left:([\d.]+)%", boxes)]


def test_the_canvas_is_wide(pad: DrawingPad) -> None:
    assert pad.extent == (700, 280)
    assert DrawingPad(FakeRecognizer(), wide=True, size=500).extent == (500, 200)
    assert pad.picture().shape == (280, 700)


def test_a_number_is_shown_with_a_box_around_each_digit(pad: DrawingPad) -> None:
    pad.draw(write("48"))
    assert isinstance(pad.prediction, Reading)
    page, boxes = html(find(pad, "dp-result")), html(find(pad, "dp-boxes"))
    assert 'data-state="rejected"' in page
    assert page.count("<li") == boxes.count("dp-box") == 2
    assert lefts(boxes) == [10, 30]
    pad.clear()
    assert html(find(pad, "dp-boxes")) == ""
    assert 'data-state="empty"' in html(find(pad, "dp-result"))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((280, 700), [10, 30]),
        ((560, 1400), [5, 15]),
        ((280, 350), [25 + 10, 25 + 30]),  # between blank sides
        ((140, 700), [10, 30]),  # between a blank top and bottom
    ],
)
def test_boxes_are_placed_on_a_picture(
    pad: DrawingPad, shape: tuple[int, int], expected: list[float]
) -> None:
    pad.show_image(np.full(shape, 255, np.uint8))
    assert lefts(html(find(pad, "dp-boxes"))) == expected


def test_html_marks_rejected_digits() -> None:
    reading = FakeRecognizer().read([])
    page = number_html(reading)
    assert ">4?<" in page
    assert "not sure of 1" in page
    assert "closest: 8" in page
    assert boxes_html(reading, reading.extent).count("dp-unsure") == 1
    assert "&lt;b&gt;" in number_html(None, "<b>")
    assert "The number appears here" in number_html(None)


def test_the_bundled_network_reads_a_number() -> None:
    pad = DrawingPad(bundled(), wide=True)
    pad.draw(write("407"))
    assert pad.prediction.text == "407"
    page = html(find(pad, "dp-result"))
    assert 'data-state="read"' in page
    assert ">407<" in page
    found = lefts(html(find(pad, "dp-boxes")))
    assert found == sorted(found)
    assert 0 < found[0] < found[-1] < 100


def test_the_studio_is_for_one_digit() -> None:
    with pytest.raises(ValueError, match="one digit"):
        Studio(bundled(), wide=True)
