"""Canvas pictures and photos made from strokes, and what the recognizer makes of them."""

import numpy as np
import pytest

from digitlib import Recognizer
from digitlib.datasets import picture_kinds, pictures, synthetic
from digitlib.datasets.pendigits import read_pendigits
from digitlib.evaluation.benchmark import predict

SEVEN = [np.array([[0, 0], [60, 0], [25, 100]], float)]
RING = [np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 6.3, 60)])]


def test_canvas_size_brush_and_height_are_as_asked() -> None:
    image = np.asarray(pictures.canvas(SEVEN, size=200, brush=10, height=120, offset=(20, -10)))
    rows, columns = np.nonzero(image < 128)
    assert image.shape == (200, 200)
    assert np.ptp(rows) + 1 == pytest.approx(130, abs=1.5)  # strokes and half a brush each side
    assert np.ptp(columns) + 1 == pytest.approx(82, abs=1.5)
    assert (rows.max() + rows.min() + 1) / 2 == pytest.approx(90, abs=1)
    assert (columns.max() + columns.min() + 1) / 2 == pytest.approx(120, abs=1)


def test_a_photo_follows_from_its_seed() -> None:
    first, second, other = (np.asarray(pictures.photo(SEVEN, seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, second)
    assert first.shape != other.shape or not np.array_equal(first, other)
    assert first.ndim == 3
    assert first.shape[2] == 3


@pytest.mark.needs_pendigits
@pytest.mark.stress
def test_photos_of_unseen_writers_are_read() -> None:
    digits = read_pendigits("validation")[::25]
    recognizer = Recognizer.load()
    right = [
        recognizer.predict(pictures.photo(digit.strokes, seed)).digit == digit.label
        for seed, digit in enumerate(digits)
    ]
    assert np.mean(right) >= 0.93  # 60 of them: a slip or two in the hardest light is no surprise


@pytest.mark.needs_pendigits
def test_a_canvas_picture_is_read_like_its_strokes() -> None:
    digits = read_pendigits("validation")[::30]
    recognizer = Recognizer.load()
    for brush, height in ((6, 60), (6, 250), (14, 150), (28, 150), (28, 240)):
        same = [
            recognizer.predict(pictures.canvas(d.strokes, brush=brush, height=height)).digit
            == recognizer.predict_strokes(d.strokes).digit
            for d in digits
        ]
        assert np.mean(same) >= 0.95, (brush, height)


@pytest.mark.parametrize("kind", picture_kinds.KINDS)
def test_all_kinds_of_pictures_are_read(kind: str) -> None:
    drawings = synthetic.draw_digits(1, 7, synthetic.HAND_STYLES)  # the model card names displays
    given = [picture_kinds.make(kind, drawing.strokes, n) for n, drawing in enumerate(drawings)]
    found = predict(Recognizer.load().predict, given)
    right = [
        each is not None and each.digit == drawing.label
        for each, drawing in zip(found, drawings, strict=True)
    ]
    slips = 4 if kind == "outlined" else 2  # an outline that is filled wrongly is another digit
    assert sum(right) >= len(drawings) - slips  # no kind that fails


@pytest.mark.parametrize("kind", picture_kinds.KINDS)
def test_a_picture_follows_from_its_seed(kind: str) -> None:
    first, again = (np.asarray(picture_kinds.make(kind, RING, 4)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8
    assert 0.003 < (np.abs(first - np.median(first)) > 10).mean() < 0.97  # there is something
