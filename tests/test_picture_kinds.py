"""Every kind of picture is made as it says, and read."""

import numpy as np
import pytest

from digitlib import Recognizer
from digitlib.datasets import picture_kinds, synthetic

RING = [np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 6.3, 60)])]


@pytest.mark.parametrize("kind", picture_kinds.KINDS)
def test_all_kinds_of_pictures_are_read(kind: str) -> None:
    recognizer = Recognizer.load()
    drawings = synthetic.draw_digits(1, 7)
    wrong = [
        drawing.label
        for seed, drawing in enumerate(drawings)
        if recognizer.predict(picture_kinds.make(kind, drawing.strokes, seed)).digit
        != drawing.label
    ]
    assert len(wrong) <= 0.07 * len(drawings), wrong  # a slip, no kind that fails


@pytest.mark.parametrize("kind", picture_kinds.KINDS)
def test_a_picture_follows_from_its_seed(kind: str) -> None:
    first, again = (np.asarray(picture_kinds.make(kind, RING, 4)) for _ in range(2))
    assert np.array_equal(first, again)
    assert first.dtype == np.uint8
    assert 0.003 < (np.abs(first - np.median(first)) > 10).mean() < 0.97  # there is something
