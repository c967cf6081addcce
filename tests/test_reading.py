"""``Recognizer.read``: rows of digits from strokes and pictures, divided, ordered, rejected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from helpers import DIGITS, bundled
from numpy.typing import NDArray
from PIL import Image

from digitlib.datasets import number_pages, rows
from digitlib.errors import BlankDrawingError
from digitlib.files import REPOSITORY
from digitlib.models.lattice import FEATURES, Lattice
from digitlib.models.reading import Reading
from digitlib.preprocessing import segmentation
from digitlib.preprocessing.frame import to_frame
from digitlib.preprocessing.rings import fit_circle, on_rings
from digitlib.preprocessing.seams import find_seams

Points = NDArray[np.float64]


def write(text: str, gap: float = 0.25, down: float = 0.0) -> list[Points]:
    """The strokes of a number: clear space of ``gap`` heights between the boxes of its digits."""
    strokes: list[Points] = []
    right = 0.0
    for character in text:
        digit = DIGITS[int(character)]
        points = np.concatenate(digit)
        strokes += [stroke - [points[:, 0].min() - right, -down] for stroke in digit]
        right += float(np.ptp(points[:, 0])) + gap
    return strokes


def picture(strokes: Sequence[Points], height: float = 80) -> Image.Image:
    return rows.picture(strokes, height)


# --- strokes -------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["26", "0123456789", "4455", "1111"])
def test_strokes_far_apart(text: str) -> None:
    reading = bundled().read(write(text))
    assert reading.text == text
    assert not reading.rejected
    lefts = [each.box[0] for each in reading.digits]
    assert lefts == sorted(lefts)


def test_overlapping_boxes_are_told_apart() -> None:
    strokes = write("74", gap=-0.2)
    first, second = DIGITS[7][0], strokes[1]
    assert second[:, 0].min() < first[:, 0].max() - 0.1  # the boxes do overlap
    assert bundled().read(strokes).text == "74"


def test_digits_of_two_strokes_stay_whole() -> None:
    bar = np.array([[0.2, 0.0], [0.75, 0.0]])
    body = DIGITS[5][0][1:]  # without the bar at its top
    right = np.array([1.2, 0.0])
    last = [stroke + 2 * right for stroke in DIGITS[4]]
    assert bundled().read([*write("4"), body + right, bar + right, *last]).text == "454"


def test_the_order_of_strokes_does_not_matter() -> None:
    strokes = write("40714")
    mixed = [strokes[i] for i in np.random.RandomState(0).permutation(len(strokes))]
    assert bundled().read(mixed).text == "40714"


def test_the_pen_is_not_lifted() -> None:
    first, second = DIGITS[2][0], DIGITS[6][0] + [1.1, 0.0]
    reading = bundled().read([np.concatenate([first, second])])
    assert reading.text == "26"
    assert len(reading.digits) == 2


def test_two_lines_of_strokes() -> None:
    assert bundled().read([*write("305", down=2.0), *write("17")]).text == "17\n305"


def test_one_drawing_alone_is_as_predicted() -> None:
    for digit in range(10):
        reading = bundled().read(DIGITS[digit])
        alone = bundled().predict_strokes(DIGITS[digit])
        (place,) = reading.digits
        assert (place.digit, place.rejected) == (alone.digit, alone.rejected)
        assert place.prediction.confidence == pytest.approx(alone.confidence, abs=1e-5)
        assert np.array_equal(place.prediction.frame, alone.frame)


def test_no_strokes_are_blank() -> None:
    with pytest.raises(BlankDrawingError):
        bundled().read([])


def test_a_stroke_with_nan_is_an_error() -> None:
    with pytest.raises(ValueError, match="NaN"):
        bundled().read([np.array([[0, 0], [np.nan, 1]])])


# --- pictures ------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["26", "0123456789", "4455"])
def test_pictures_far_apart(text: str) -> None:
    reading = bundled().read(picture(write(text)))
    assert reading.text == text
    assert not reading.rejected


def test_white_on_black_is_read_too() -> None:
    page = 255 - np.asarray(picture(write("583")))
    assert bundled().read(page).text == "583"


def test_one_picture_alone_is_as_predicted() -> None:
    for digit in range(10):
        page = picture(DIGITS[digit])
        (place,) = bundled().read(page).digits
        assert np.array_equal(place.prediction.frame, to_frame(page))
        alone = bundled().predict(page)
        assert (place.digit, place.rejected) == (alone.digit, alone.rejected)


def test_two_lines_of_a_picture() -> None:
    assert bundled().read(picture([*write("305", down=2.0), *write("17")])).text == "17\n305"


def test_a_touching_pair_is_taken_apart_or_rejected() -> None:
    read = []
    for text in ("26", "35", "08", "93", "74", "62"):
        strokes = write(text, gap=-0.01)
        text_read = bundled().read(picture(strokes)).text
        assert text_read == text or "?" in text_read, f"{text} was read as {text_read}"
        read.append(text_read == text)
    assert sum(read) >= 4


def test_boxes_are_in_pixels_of_the_picture() -> None:
    page = np.full((900, 2600), 255, np.uint8)
    for left, digit in ((300, 3), (1400, 8)):
        ink = rows.rasterize([stroke * 400 for stroke in DIGITS[digit]], (420, 420), 30)
        page[200:620, left : left + 420] = np.rint(255 * (1 - ink))
    first, second = bundled().read(page).digits
    assert (first.digit, second.digit) == (3, 8)
    for place, left in ((first, 300), (second, 1400)):
        low, top, _, bottom = place.box
        assert abs(low - left) < 60
        assert abs(top - 200) < 20
        assert abs(bottom - 610) < 25


def test_a_blank_page_is_an_error() -> None:
    with pytest.raises(BlankDrawingError):
        bundled().read(np.full((200, 300), 255, np.uint8))


@pytest.mark.parametrize("seed", range(6))
def test_a_page_with_only_a_coffee_ring_has_no_number(seed: int) -> None:
    page = number_pages.page(None, seed, ruled=False, printed=False)
    reading = bundled().read(page)
    assert reading.text == ""
    assert reading.rejected


@pytest.mark.parametrize("seed", range(4))
def test_a_number_beside_ring_ruling_and_print(seed: int) -> None:
    assert bundled().read(number_pages.page(write("2637"), seed)).text == "2637"


def circle(start: float, stop: float, stretch: float = 1.0) -> Points:
    angle = np.linspace(2 * np.pi * start, 2 * np.pi * stop, 300)
    return np.stack([50 + 40 * np.cos(angle), 60 + 40 * stretch * np.sin(angle)], axis=1)


def test_arcs_of_one_circle_are_a_ring_and_a_zero_is_none() -> None:
    line = np.stack([np.arange(30.0), np.arange(30.0) * 2], axis=1)
    arcs = [circle(0, 0.2), line, circle(0.3, 0.5), circle(0.6, 0.8)]
    assert on_rings(arcs).tolist() == [True, False, True, True]
    assert on_rings([circle(0, 1)]).all()
    assert not on_rings([circle(0, 1, 1.3)]).any()
    assert not on_rings([circle(0, 0.1)]).any()


def test_a_circle_is_fitted() -> None:
    assert fit_circle(circle(0.1, 0.4)) == pytest.approx((50, 60, 40))


# --- readings ------------------------------------------------------------------------------


def test_the_table_has_a_row_for_each_digit() -> None:
    reading = bundled().read(write("308"))
    table = reading.table()
    assert [row["read"] for row in table] == ["3", "0", "8"]
    assert all(0.9 < row["confidence"] <= 1 for row in table)
    assert str(reading) == "308"
    assert repr(reading) == "Reading('308', 3 digits, 0 rejected)"


def test_html_has_a_box_for_each_digit() -> None:
    page = bundled().read(picture(write("308")))._repr_html_()
    assert page.count('class="dr-box dr-digit"') == 3
    assert page.count("<tr>") == 4
    lefts = [float(left) for left in re.findall(r'dr-digit" style="left:([\d.]+)%', page)]
    assert lefts == sorted(lefts)
    assert 0 < lefts[0] < lefts[-1] < 100


def test_html_escapes() -> None:
    from digitlib.models.reading_display import Mark, page_html, table_html

    gray = np.zeros((10, 10), np.uint8)
    mark = Mark("<b>&", "digit", (0, 0, 1, 1))
    assert "&lt;b&gt;&amp;" in page_html(gray, (0, 0, 10, 10), [mark])
    assert "<b>&" not in table_html([{"read": "<b>&"}])


def test_html_of_an_empty_reading() -> None:
    nothing = Reading((), (), np.zeros((10, 10), np.uint8), (0, 0, 10, 10))
    assert "no number" in nothing._repr_html_()
    assert "<table>" not in nothing._repr_html_()


# --- best path -----------------------------------------------------------------------------


def lattice_of(spans: Sequence[tuple[int, int]], count: int) -> Lattice:
    start, stop = np.array(spans).T
    features = np.zeros((len(spans), len(FEATURES)))
    return Lattice(count, start, stop, features, np.zeros(len(spans), int))


def test_the_best_way_is_the_cheapest_of_all() -> None:
    random = np.random.RandomState(0)
    spans = [(a, b) for a in range(6) for b in range(a + 1, min(a + 3, 6) + 1)]
    prices = random.uniform(0, 5, len(spans))
    by_span = dict(zip(spans, range(len(spans)), strict=True))
    ways: list[list[int]] = []
    for mask in range(2**5):  # a border or none after each of the first five pieces
        borders = [0, *(i + 1 for i in range(5) if mask >> i & 1), 6]
        way = [by_span.get(span) for span in pairwise(borders)]
        if None not in way:
            ways.append(way)  # type: ignore[arg-type]
    weights = np.array([np.exp(-prices[way].sum()) for way in ways])
    lattice = lattice_of(spans, 6)
    assert lattice.best_way(prices) == ways[int(weights.argmax())]
    shares, total = lattice.shares(prices)
    assert total == pytest.approx(np.log(weights.sum()))
    for index in range(len(spans)):
        expected = sum(w for w, way in zip(weights, ways, strict=True) if index in way)
        assert shares[index] == pytest.approx(expected / weights.sum())


def test_a_single_piece_has_the_whole_share() -> None:
    lattice = lattice_of([(0, 1)], 1)
    assert lattice.best_way(np.array([30.0])) == [0]
    assert lattice.shares(np.array([30.0]))[0] == pytest.approx([1.0])


# --- geometry ------------------------------------------------------------------------------


def test_lines_take_bars_and_leave_small_things_far_away() -> None:
    bounds = np.array([
        [0, 0, 5, 10], [8, 1, 13, 11], [14, 1, 17, 1.5],  # two digits and the bar of the second
        [0, 30, 1, 31],  # a dot far below
        [0, 15, 5, 25],  # a second line
    ])  # fmt: skip
    found = [set(line.tolist()) for line in segmentation.find_lines(bounds)]
    assert found == [{0, 1, 2}, {4}, {3}]


def test_a_seam_goes_where_there_is_least_ink() -> None:
    ink = np.zeros((40, 60), np.float32)
    ink[:, :20] = ink[:, 40:] = 1
    ink[18:21, 20:40] = 1  # a bridge, 3 px thick
    seams = [each for each in find_seams(ink, 40, 3) if each.crossed < 1.5]
    assert seams
    for seam in seams:
        assert (abs(seam.columns - 29.5) < 13).all()
        assert seam.crossed == pytest.approx(1.0, abs=0.1)


def test_a_narrow_component_has_no_seam() -> None:
    assert find_seams(np.ones((40, 10), np.float32), 40, 3) == []


# --- README --------------------------------------------------------------------------------


def test_the_example_in_the_readme_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    (example,) = [block for block in blocks if "recognizer.read(" in block]
    monkeypatch.chdir(tmp_path)
    picture(write("42")).save("form.png")
    exec(example, {"recognizer": bundled()})
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "42"
    assert [line.split()[0] for line in printed[1:]] == ["4", "2"]
