"""Networks measured: pen data as strokes and as pictures, in groups of writers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import DIGITS

from digitlib.datasets.base import DigitData
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.evaluation import compare
from digitlib.models.card import Card
from digitlib.models.networks import DigitNet
from digitlib.models.recognizer import Recognizer

WRITERS = (4, 4, 4, 8, 8, 8, 8, 9, 9, 9)
DRAWN = [PenDrawing(list(DIGITS[n]), n, WRITERS[n], str(n)) for n in range(10)]


@pytest.fixture(scope="module")
def pens() -> DigitData:
    return pen_data("unipen", "test", DRAWN)


@pytest.fixture(scope="module")
def reader() -> Recognizer:
    """A network that reads stroke direction and order."""
    torch.manual_seed(0)
    return Recognizer.from_model(DigitNet(outputs=11), Card("digitnet", {"outputs": 11}))


@pytest.fixture(scope="module")
def plain() -> Recognizer:
    torch.manual_seed(0)
    return Recognizer.from_model(
        DigitNet(outputs=11, channels=1), Card("digitnet", {"outputs": 11, "channels": 1})
    )


def test_pen_data_are_read_as_strokes_by_networks_that_take_them(
    pens: DigitData, reader: Recognizer
) -> None:
    strokes = compare.predict_data(reader, pens)
    pictures = compare.predict_data(reader, pens, strokes=False)
    drawn = reader.predict_batch(pens.frames()).probabilities
    np.testing.assert_array_equal(strokes.probabilities, drawn)
    without = reader.predict_batch(pens.images).probabilities
    np.testing.assert_array_equal(pictures.probabilities, without)
    assert np.abs(strokes.probabilities - pictures.probabilities).max() > 1e-5


def test_measured_numbers_are_of_strokes_and_beside_them_of_pictures(
    pens: DigitData, reader: Recognizer
) -> None:
    found = compare.measure(reader, pens)
    right = (reader.predict_batch(pens.images).probabilities.argmax(1) == np.arange(10)).mean()
    assert found["pictures"]["accuracy"]["value"] == right
    assert found["accuracy"]["writers"] == found["rejected by writer"]["writers"] == 3
    assert found["count"] == 10


def test_writers_are_groups_where_they_are_known(pens: DigitData, plain: Recognizer) -> None:
    assert compare.known_writers(pens) is not None
    for name, writers in (("styles", pens.writers), ("no_digits", torch.full((10,), -1))):
        data = DigitData(name, "test", pens.images, pens.labels, writers)
        assert compare.known_writers(data) is None
        found = compare.measure(plain, data)
        assert not {"rejected by writer", "pictures"} & {*found}
