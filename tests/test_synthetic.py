"""Drawings made from rules: drawable, varied, rightly labeled, the same for the same seed."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from helpers import DIGITS, bundled, draw_image
from hypothesis import given
from hypothesis import strategies as st

from digitlib.datasets import non_digits, synthetic
from digitlib.datasets.base import NO_DIGIT
from digitlib.datasets.pen import PenDrawing


def same(first: list[PenDrawing], second: list[PenDrawing]) -> bool:
    return len(first) == len(second) and all(
        a.label == b.label
        and len(a.strokes) == len(b.strokes)
        and all(map(np.array_equal, a.strokes, b.strokes))
        for a, b in zip(first, second, strict=True)
    )


def pen(digit: int, writer: int = 3) -> PenDrawing:
    return PenDrawing([stroke * 100 + 30 for stroke in DIGITS[digit]], digit, writer)


# --- lines ---------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.floats(-5, 5)), min_size=2, max_size=8),
    st.integers(0, 4),
)
def test_smoothing_keeps_ends_and_stays_inside(corners: list, rounds: int) -> None:
    points = np.array(corners)
    smoothed = synthetic.smooth(points, rounds)
    np.testing.assert_array_equal(smoothed[[0, -1]], points[[0, -1]])
    assert (smoothed >= points.min(axis=0) - 1e-9).all()
    assert (smoothed <= points.max(axis=0) + 1e-9).all()


# --- digits --------------------------------------------------------------------------------


def test_digit_styles_are_counted_labelled_and_numbered() -> None:
    digits = synthetic.draw_digits(4, seed=1)
    assert [(digit.label, digit.writer) for digit in digits] == [
        (label, number)
        for number, (label, _) in enumerate(synthetic.DIGIT_STYLES)
        for _ in range(4)
    ]
    assert same(digits, synthetic.draw_digits(4, seed=1))
    assert not same(digits, synthetic.draw_digits(4, seed=2))


def test_digit_styles_vary_and_can_be_drawn() -> None:
    digits = synthetic.draw_digits(20, seed=0)
    for number in range(len(synthetic.DIGIT_STYLES)):
        frames = {draw_image(d.strokes).tobytes() for d in digits if d.writer == number}
        assert len(frames) >= 5, synthetic.DIGIT_STYLES[number]
    for digit in digits:
        points = np.concatenate(digit.strokes)
        assert np.isfinite(points).all()
        assert 0.9 < np.ptp(points, axis=0).max() < 1.7  # about 1 by 1


def test_digit_styles_look_like_their_digits() -> None:
    # By the bundled network: a style with a wrong label would nearly always be misread.
    digits = synthetic.draw_digits(20, seed=77)
    frames = np.stack([draw_image(digit.strokes) for digit in digits])
    read = bundled().probabilities(frames).argmax(axis=1)
    right = read == np.array([digit.label for digit in digits])
    for number, style in enumerate(synthetic.DIGIT_STYLES[:-10]):  # without those of a display
        assert right[20 * number : 20 * number + 20].mean() >= 0.5, style


def test_modified_digits_get_the_right_label() -> None:
    changed = [
        synthetic.modify_digits([pen(digit)], seed) for digit in range(10) for seed in range(5)
    ]
    labels = Counter((i // 5, d.label) for i, one in enumerate(changed) for d in one)
    assert labels == {(0, 0): 5, (6, 9): 5, (7, 7): 5, (9, 6): 5}
    assert all(d.writer == 3 for one in changed for d in one)


def test_sevens_get_and_lose_their_bar() -> None:
    (with_bar,) = synthetic.modify_digits([pen(7)], 0)
    assert len(with_bar.strokes) == 2
    stem, bar = with_bar.strokes
    np.testing.assert_array_equal(stem, pen(7).strokes[0])
    assert stem[:, 1].min() < bar[:, 1].mean() < stem[:, 1].max()
    (without,) = synthetic.modify_digits([with_bar], 0)
    assert [stroke.tolist() for stroke in without.strokes] == [stem.tolist()]


# --- no digits -----------------------------------------------------------------------------


OUTLINES = non_digits.LETTERS | non_digits.SHAPES | non_digits.SYMBOLS


@pytest.mark.parametrize("outline", OUTLINES.values(), ids=OUTLINES)
def test_every_outline_can_be_drawn(outline: str) -> None:
    drawing = non_digits.parse_outline(outline)
    assert draw_image(drawing).max() == 255
    points = np.concatenate(drawing)
    assert points.min() >= -0.01
    assert points.max() <= 1.2


def test_no_digits_are_counted_and_labelled() -> None:
    pens = [pen(digit) for digit in range(10)]
    made = non_digits.draw_non_digits(non_digits.LETTERS, 3, 0, pens)
    assert len(made) == 3 * (len(non_digits.LETTERS) + 4 + 12)
    assert {digit.label for digit in made} == {NO_DIGIT}
    assert len(non_digits.draw_non_digits(non_digits.SYMBOLS, 3, 0)) == 3 * (
        len(non_digits.SYMBOLS) + 4
    )
    assert same(made, non_digits.draw_non_digits(non_digits.LETTERS, 3, 0, pens))
    assert not same(made, non_digits.draw_non_digits(non_digits.LETTERS, 3, 1, pens))
