"""The wide pad: a row of digits, read live, with a box around each."""

from __future__ import annotations

import re

import numpy as np
import pytest
from digitlib.widgets.number_html import boxes_html, contain, number_html
from helpers import bundled
from test_reading import write

from digitlib.datasets import rows
from digitlib.models.reading import ReadDigit, Reading
from digitlib.widgets.examples import NUMBERS
from digitlib.widgets.pad import DrawingPad
from digitlib.widgets.studio import Studio


@pytest.fixture(scope="module")
def pad() -> DrawingPad:
    return DrawingPad(bundled(), wide=True)


def test_the_canvas_is_wide(pad: DrawingPad) -> None:
    assert pad._canvas.extent == pad._layer.extent == (700, 280)
    assert DrawingPad(bundled(), wide=True, size=500)._canvas.extent == (500, 200)
    assert pad.picture().shape == (280, 700)


def test_a_number_is_read_with_a_box_around_each_digit(pad: DrawingPad) -> None:
    pad.draw(write("407"))
    assert isinstance(pad.prediction, Reading)
    assert pad.prediction.text == "407"
    page, boxes = pad._answer.widget.value, pad._answer.over[0].value
    assert 'data-state="read"' in page
    assert ">407<" in page
    assert page.count("<li") == boxes.count("dp-box") == 3
    lefts = [float(left) for left in re.findall(r"left:([\d.]+)%", boxes)]
    assert lefts == sorted(lefts)
    assert 0 < lefts[0] < lefts[-1] < 100
    pad.clear()
    assert pad._answer.over[0].value == ""
    assert 'data-state="empty"' in pad._answer.widget.value


def test_it_is_read_while_the_pen_is_down(pad: DrawingPad) -> None:
    pad.draw(write("4"))
    pad._canvas.apply("page", [{"do": "begin", "points": [(600.0, 60.0)]}])
    pad._edited()
    assert 'data-pen="down"' in pad._answer.widget.value
    pad._canvas.apply("page", [{"do": "end"}])
    pad._edited()
    assert 'data-pen="up"' in pad._answer.widget.value
    pad.clear()


def test_examples_are_numbers(pad: DrawingPad) -> None:
    read = {}
    for text, strokes in NUMBERS.items():
        pad.draw(strokes)
        read[text] = pad.prediction.text
    assert read == {text: text for text in NUMBERS}
    pad.clear()


def test_boxes_lie_on_a_picture_that_is_shown(pad: DrawingPad) -> None:
    page = np.asarray(rows.picture(write("35"), 90))
    pad.show_image(page)
    assert pad.prediction.text == "35"
    high, wide = page.shape
    left = float(re.findall(r"left:([\d.]+)%", pad._answer.over[0].value)[0]) / 100
    shown = 280 / high * wide  # px of the canvas that the picture takes
    expected = (350 - shown / 2 + pad.prediction.digits[0].box[0] / wide * shown) / 700
    assert left == pytest.approx(expected, abs=0.001)
    pad.show_image(None)


def test_a_picture_is_contained_in_the_canvas() -> None:
    assert contain((0, 0, 100, 100), (0, 0, 500, 200)) == (-75, 0, 175, 100)
    assert contain((0, 0, 1000, 100), (0, 0, 500, 200)) == (0, -150, 1000, 250)


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
