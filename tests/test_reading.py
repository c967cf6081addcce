"""``Reading``: its text, and how a notebook shows it."""

from __future__ import annotations

import re

import numpy as np
import pytest
from helpers import pictures_in

from digitlib.numbers.reading import Box, ReadDigit, Reading, box_style

PAGE = np.full((50, 200), 255, np.uint8)
EXTENT = 10.0, -20.0, 410.0, 80.0  # of the page in the unit of the boxes, half a pixel


def make_reading(*lines: str, ignored: tuple[Box, ...] = ()) -> Reading:
    """A reading of these lines; ``?`` is a rejected 7. Each box is 20 by 30 units."""
    digits = []
    for number, line in enumerate(lines):
        for place, character in enumerate(line):
            box = 10.0 + 40 * place, 50.0 * number, 30.0 + 40 * place, 50.0 * number + 30
            rejected = character == "?"
            digit, confidence = (7, 0.25) if rejected else (int(character), 0.75)
            digits.append(ReadDigit(digit, box, number, confidence, rejected))
    return Reading(tuple(digits), ignored, PAGE, EXTENT)


@pytest.mark.parametrize(
    ("lines", "text", "rejected", "shown"),
    [
        ([], "", True, "Reading('', 0 digits, 0 rejected)"),
        (["308"], "308", False, "Reading('308', 3 digits, 0 rejected)"),
        (["4?", "05"], "4?\n05", True, r"Reading('4?\n05', 4 digits, 1 rejected)"),
        (["?", "12", "??"], "?\n12\n??", True, r"Reading('?\n12\n??', 5 digits, 3 rejected)"),
    ],
)
def test_the_text_has_a_line_for_each_number(
    lines: list[str], text: str, rejected: bool, shown: str
) -> None:
    reading = make_reading(*lines)
    assert reading.text == str(reading) == text
    assert reading.rejected is rejected
    assert repr(reading) == shown


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        (EXTENT, (0, 0, 100, 100)),
        ((110.0, 5.0, 210.0, 30.0), (25, 25, 25, 25)),
        ((10.0, 30.0, 11.0, 80.0), (0, 50, 0.25, 50)),
    ],
)
def test_boxes_are_placed_in_percent_of_the_picture(box: Box, expected: tuple[float, ...]) -> None:
    style = dict(part.split(":") for part in box_style(box, EXTENT).split(";"))
    assert [*style] == ["left", "top", "width", "height"]
    assert [float(side.removesuffix("%")) for side in style.values()] == [*expected]


def test_html_shows_the_text_and_boxes_over_the_picture() -> None:
    page = make_reading("4?", "5", ignored=((0.0, 60.0, 90.0, 70.0),))._repr_html_()
    assert "4?\n5</div>" in page
    assert re.findall(r"<title>(.*?)</title></rect><text[^>]*>(.?)</text>", page) == [
        ("not a number", ""), ("4: 75.0 %", "4"), ("7: 25.0 %", "?"), ("5: 75.0 %", "5"),
    ]  # fmt: skip
    assert 'viewBox="10.0 -20.0 400.0 100.0"' in page
    assert page.count("stroke-dasharray") == 2
    (picture,) = pictures_in(page)
    assert np.array_equal(picture, PAGE)
    empty = make_reading()._repr_html_()
    assert "no number</div>" in empty
    assert "<rect" not in empty
