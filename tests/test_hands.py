"""How hands vary: the digit stays, within its limits."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import DIGITS
from numpy.random import default_rng

from digitlib.datasets import hands
from digitlib.models.labels import NO_DIGIT

SEEDS = range(40)


def size(strokes: list[np.ndarray]) -> float:
    return float(np.ptp(np.concatenate(strokes), axis=0).max())


def length(strokes: list[np.ndarray]) -> float:
    return sum(float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes)


@pytest.mark.parametrize("digit", DIGITS)
def test_only_the_random_numbers_decide(digit: int) -> None:
    first, again, other = (hands.vary(DIGITS[digit], digit, default_rng(s)) for s in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not np.array_equal(np.concatenate(first)[:5], np.concatenate(other)[:5])


@pytest.mark.parametrize("digit", DIGITS)
def test_a_varied_drawing_has_about_the_size_and_ink_of_the_digit(digit: int) -> None:
    before = length(DIGITS[digit]) / size(DIGITS[digit])
    for seed in SEEDS:
        varied = hands.vary(DIGITS[digit], digit, default_rng(seed), habits=1)
        assert 0.6 < size(varied) < 1.9
        assert 0.5 * before < length(varied) < 2.2 * before + 0.8
        assert all(np.isfinite(stroke).all() and stroke.shape[1] == 2 for stroke in varied)


@pytest.mark.parametrize("digit", [0, 1, 5, 7])
def test_exits_are_too_short_for_another_digit(digit: int) -> None:
    longest = hands.LONGEST_EXIT[digit]
    for seed in SEEDS:
        random = default_rng(seed)
        changed = hands.add_habits(DIGITS[digit], digit, random, longest=longest, joins=0)
        flag = 0.0 if digit == 1 else 0.2
        assert length(changed) <= length(DIGITS[digit]) + longest + flag + 1e-9


def test_a_one_gets_no_flag_and_a_five_none_of_both() -> None:
    two_strokes = [DIGITS[5][0][40:], DIGITS[5][0][:40]]
    for seed in SEEDS:
        one = hands.add_habits(DIGITS[1], 1, default_rng(seed))
        assert np.array_equal(one[0][: len(DIGITS[1][0])], DIGITS[1][0])
        five = hands.add_habits(two_strokes, 5, default_rng(seed), flags=0, joins=0)
        assert len(five) == 2
        assert np.array_equal(five[0], two_strokes[0])


def test_loops_open_and_close_a_little() -> None:
    ring = DIGITS[0]
    gaps = []
    for seed in range(200):
        (changed,) = hands.change_loops(ring, 0, default_rng(seed))
        gaps.append(np.hypot(*(changed[0] - changed[-1])))
        assert 0.85 * length(ring) < length([changed]) < length(ring) + 0.35
    assert min(gaps) == pytest.approx(0, abs=1e-9)
    assert 0.1 < max(gaps) < 0.4


def test_another_order_has_the_same_ink() -> None:
    points = {tuple(point) for stroke in DIGITS[4] for point in stroke}
    orders = set()
    for seed in range(100):
        strokes = hands.reorder(DIGITS[4], default_rng(seed))
        assert {tuple(point) for stroke in strokes for point in stroke} == points
        assert length(strokes) == pytest.approx(length(DIGITS[4]))
        orders.add(tuple(tuple(stroke[0]) for stroke in strokes))
    assert len(orders) > 6


def test_a_trembling_hand_stays_near_the_line() -> None:
    straight = [np.stack([np.zeros(50), np.linspace(-0.5, 0.5, 50)], axis=1)]
    reached = []
    for seed in SEEDS:
        (shaken,) = hands.add_tremor(straight, default_rng(seed))
        reached.append(np.abs(shaken[:, 0]).max())
        assert 0.7 < np.ptp(shaken[:, 1]) < 1.4
    assert 0.02 < max(reached) < 0.25


def test_pen_widths_are_log_uniform() -> None:
    random = default_rng(0)
    widths = np.array([hands.pen_width(random) for _ in range(4000)])
    assert hands.MIN_WIDTH <= widths.min() < 1.25
    assert 8.2 < widths.max() <= hands.MAX_WIDTH
    assert np.median(widths) == pytest.approx(np.sqrt(hands.MIN_WIDTH * hands.MAX_WIDTH), rel=0.05)


def test_letters_keep_their_habits() -> None:
    kept = hands.vary(DIGITS[4], NO_DIGIT, default_rng(0), habits=1, moved=0, tremor=0)
    assert sum(map(len, kept)) == sum(map(len, DIGITS[4]))
