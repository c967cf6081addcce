"""``Recognizer.read`` refuses what is too busy, before it takes time; the rest is read as ever."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import DIGITS, bundled

from digitlib.errors import InputError
from digitlib.preprocessing import stroke_pieces
from digitlib.preprocessing.limits import check_busy

SIDE = 640
Y, X = np.ogrid[:SIDE, :SIDE]
AWAY = np.hypot(Y - SIDE / 2, X - SIDE / 2)


def random_strokes(count: int, length: int, step: float) -> list[np.ndarray]:
    random = np.random.default_rng(0)
    return [random.random((length, 2)) + np.array([step * number, 0]) for number in range(count)]


def test_what_is_at_the_limit_is_read_and_what_is_beyond_is_refused_in_one_sentence() -> None:
    check_busy("picture", 7, 7, "parts")
    with pytest.raises(InputError, match=r"it has 7,000 parts; the limit is 7\. Crop it"):
        check_busy("picture", 7000, 7, "parts")
    with pytest.raises(InputError, match="Clear it, and draw less"):
        check_busy("drawing", 8, 7, "strokes")


@pytest.mark.parametrize(
    ("dark", "parts"),
    [
        ((Y % 4 < 1) & (X % 4 < 1), "25,600 parts of ink"),
        (AWAY % 12 < 3, "layers of ink"),
        ((Y % 24 < 12) & (X % 24 < 12), "possible digits"),
        ((Y % 11 < 2) | (X % 11 < 2), "possible digits"),
    ],
    ids=["dots", "rings", "squares", "grid"],
)
def test_busy_pictures_are_refused(dark: np.ndarray, parts: str) -> None:
    shades = np.full((SIDE + 60, SIDE + 60), 255, np.uint8)
    shades[30:-30, 30:-30][dark] = 0
    with pytest.raises(InputError, match=f"too busy to find a digit in: .*{parts}"):
        bundled().read(shades)


@pytest.mark.parametrize(
    ("drawing", "parts"),
    [
        (random_strokes(2001, 1, 1), "2,001 strokes"),
        (random_strokes(2000, 25, 3), "parts of digits"),
        (random_strokes(600, 5, 0.05), "possible digits"),
        (random_strokes(40, 1250, 0.05), "points in them"),
    ],
    ids=["strokes", "pieces", "candidates", "points"],
)
def test_busy_drawings_are_refused(drawing: list[np.ndarray], parts: str) -> None:
    with pytest.raises(InputError, match=f"too busy to find a digit in: .*{parts}"):
        bundled().read(drawing)


def test_coordinates_whose_squares_are_infinite_are_refused() -> None:
    with pytest.raises(InputError, match="too large for its numbers"):
        bundled().read([1e155 * stroke for stroke in DIGITS[3]])
    assert bundled().read([1e140 * stroke for stroke in DIGITS[3]]).text == "3"


def test_long_strokes_are_thinned_to_the_limit_and_short_ones_stay() -> None:
    short, long = np.zeros((30, 2)), np.linspace(0, 1, 400_000).reshape(-1, 2)
    kept, thinned = stroke_pieces.thin([short, long])
    assert kept is short
    assert len(kept) + len(thinned) <= stroke_pieces.MAX_POINTS
    assert thinned[0].tolist() == long[0].tolist()
    assert thinned[-1].tolist() == long[-1].tolist()
    drawing = [short, long[:40_000]]
    assert stroke_pieces.thin(drawing) is drawing
