"""The wide pad: a row of digits with a box around each."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers import bundled
from test_reading import write
from widget_tree import find, html

from digitlib.datasets import rows
from digitlib.models.reading import ReadDigit, Reading
from digitlib.widgets.answers import boxes_html, number_html
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.studio import Studio


@pytest.fixture(scope="module")
def pad() -> DrawingPad:
    return DrawingPad(bundled(), wide=True)


def test_the_canvas_is_wide(pad: DrawingPad) -> None:
    assert pad.extent == (700, 280)
    assert DrawingPad(bundled(), wide=True, size=500).extent == (500, 200)
    assert pad.picture().shape == (280, 700)


def test_a_number_is_read_with_a_box_around_each_digit(pad: DrawingPad) -> None:
    pad.draw(write("407"))
    assert isinstance(pad.prediction, Reading)
    assert pad.prediction.text == "407"
    page, boxes = html(find(pad, "dp-result")), html(find(pad, "dp-boxes"))
    assert 'data-state="read"' in page
    assert ">407<" in page
    assert page.count("<li") == boxes.count("dp-box") == 3
    lefts = [float(left) for left in re.findall(r"left:([\d.]+)%", boxes)]
    assert lefts == sorted(lefts)
    assert 0 < lefts[0] < lefts[-1] < 100
    pad.clear()
    assert html(find(pad, "dp-boxes")) == ""
    assert 'data-state="empty"' in html(find(pad, "dp-result"))


def test_boxes_lie_on_a_picture_that_is_shown(pad: DrawingPad) -> None:
    page = np.asarray(rows.picture(write("35"), 90))
    pad.show_image(page)
    assert pad.prediction.text == "35"
    high, wide = page.shape
    left = float(re.findall(r"left:([\d.]+)%", html(find(pad, "dp-boxes")))[0]) / 100
    shown = 280 / high * wide  # px of the canvas that the picture takes
    expected = (350 - shown / 2 + pad.prediction.digits[0].box[0] / wide * shown) / 700
    assert left == pytest.approx(expected, abs=0.001)
    pad.show_image(None)


def test_html_says_what_is_not_sure() -> None:
    pad = DrawingPad(bundled(), wide=True)
    pad.draw(write("48"))
    first, second = pad.prediction.digits
    doubtful = ReadDigit(second.prediction, second.box, 0, 0.4, rejected=True)
    reading = Reading((first, doubtful), (), pad.prediction.picture, pad.prediction.extent)
    page = number_html(reading)
    assert ">4?<" in page
    assert "not sure of 1" in page
    assert "closest: 8" in page
    assert boxes_html(reading, reading.extent).count("dp-unsure") == 1
    assert "&lt;b&gt;" in number_html(None, "<b>")
    assert "The number appears here" in number_html(None)


def test_the_studio_is_for_one_digit() -> None:
    with pytest.raises(ValueError, match="one digit"):
        Studio(bundled(), wide=True)
