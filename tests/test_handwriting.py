"""The baseline preprocessing, and the sets of digits of ``notebooks/shared.py``."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from helpers import DIGITS, bundled
from PIL import Image, ImageDraw

from digitlib import Recognizer
from digitlib.datasets import pictures
from digitlib.datasets.pen import PenDrawing, pen_data
from digitlib.errors import BlankDrawingError
from digitlib.files import NOTEBOOK_FOLDER
from digitlib.models.card import BASELINE_WEIGHTS
from digitlib.preprocessing.frame import (
    BASELINE_THICKEN,
    baseline_frame,
    frames_to_images,
    to_frame,
)

sys.path.append(str(NOTEBOOK_FOLDER))
import shared

DRAWN = [PenDrawing(list(DIGITS[digit]), digit, 7) for digit in range(10)]
BLANK = Image.new("L", (60, 60), 255)


def test_baseline_preprocessing_pastes_the_box_into_the_middle() -> None:
    page = np.full((100, 80), 255, np.uint8)
    page[20:80, 30:40] = 0  # 60 high: a third as large at 20 px
    frame = baseline_frame(Image.fromarray(page))[0]
    rows, columns = np.nonzero(frame > 0.4)
    assert (rows.min(), rows.max()) == (4, 23)
    assert abs((columns.min() + columns.max()) / 2 - 13.5) <= 0.5
    assert frame.max() == 1


def test_baseline_preprocessing_centers_the_box_and_ours_the_mass() -> None:
    page = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(page)
    pen.rectangle((40, 40, 60, 160), fill=0)  # heavy at the left,
    pen.rectangle((60, 90, 160, 110), fill=0)  # with an arm to the right
    columns = np.arange(28)
    ours, theirs = (frame(page)[0].sum(axis=0) for frame in (to_frame, baseline_frame))
    assert ours @ columns / ours.sum() == pytest.approx(14, abs=0.6)
    assert theirs @ columns / theirs.sum() < 12.5


def test_baseline_preprocessing_widens_by_its_filter_and_enlarges_nothing() -> None:
    page = np.full((40, 40), 255, np.uint8)
    page[10:20, 20] = 0
    frame = baseline_frame(Image.fromarray(page).convert("RGB"))[0]
    grown = BASELINE_THICKEN // 2
    assert (frame > 0).sum() <= 10 * (1 + 2 * grown)  # cut to its box, which it cannot leave
    assert np.ptp(np.nonzero(frame)[0]) + 1 == 10


def test_baseline_preprocessing_refuses_white_paper() -> None:
    with pytest.raises(BlankDrawingError):
        baseline_frame(BLANK)


def test_pictures_become_frames_of_both_preprocessings_and_blank_ones_are_never_right() -> None:
    page = pictures.canvas(DRAWN[2].strokes)
    digits = shared.DigitSet.of_pictures([page, BLANK], [2, 0], [7, 8])
    for name, convert in shared.PREPROCESSINGS.items():
        expected = frames_to_images(convert(page))
        np.testing.assert_array_equal(digits.frames[name][0], expected)
    found = shared.predict_sets({"digitnet": bundled()}, {"canvas": digits})["canvas"]
    assert list(found) == ["digitnet", "digitnet, baseline preprocessing"]
    for each in found.values():
        assert each.right.tolist() == [True, False]
        assert each.accuracy.as_dict()["writers"] == 2


def test_pen_data_is_read_as_strokes() -> None:
    pens = pen_data("unipen", "test", DRAWN)
    networks = {"digitnet": bundled(), "baseline": Recognizer.load(BASELINE_WEIGHTS)}
    found = shared.predict_sets(networks, {"strokes": shared.DigitSet.of_data(pens)})["strokes"]
    for name, network in networks.items():
        expected = network.predict_batch(pens.frames()).probabilities
        np.testing.assert_array_equal(found[name].probabilities, expected)
