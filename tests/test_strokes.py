"""Strokes become frames that depend on their shape alone; UCI's files become strokes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from helpers import DIGITS, draw_image
from hypothesis import given, settings
from hypothesis import strategies as st

from digitlib import BlankDrawingError, InputError, Recognizer
from digitlib.datasets.pen import PenDrawing
from digitlib.datasets.pendigits import read_uci
from digitlib.preprocessing import strokes
from digitlib.preprocessing.strokes import render

unit = st.floats(0, 1, width=32)
drawings = st.lists(
    st.lists(st.tuples(unit, unit), min_size=1, max_size=6).map(np.array), min_size=1, max_size=4
)
# Drawings in which something is long; of a smaller one than this, rounding is part.
sizeable = drawings.filter(lambda drawing: np.ptp(np.concatenate(drawing), axis=0).max() > 0.05)


def close(first: np.ndarray, second: np.ndarray, most: int = 3) -> None:
    """Frames equal but for rounding, which may also move them where the center of mass is a tie."""
    shifts = [(y, x) for y in (-1, 0, 1) for x in (-1, 0, 1)]
    found = min(
        int(np.abs(np.roll(first, shift, (0, 1)).astype(int) - second).max()) for shift in shifts
    )
    assert found <= most


def distance_to_lines(points: np.ndarray, drawing: list[np.ndarray]) -> np.ndarray:
    """Distance of each point ``[..., 2]`` to the nearest line: the plain geometry."""
    best = np.full(points.shape[:-1], np.inf)
    for stroke in drawing:
        for start, end in zip(stroke, stroke[1:] if len(stroke) > 1 else stroke, strict=False):
            along = end - start
            length = float(along @ along)
            part = (
                np.clip((points - start) @ along / length, 0, 1) if length else np.zeros_like(best)
            )
            nearest = start + part[..., None] * along
            best = np.minimum(best, np.linalg.norm(points - nearest, axis=-1))
    return best


# --- rendering -----------------------------------------------------------------------------


@given(sizeable, st.sampled_from([1.0, 2.5, 5.0]))
@settings(max_examples=25)
def test_ink_is_the_distance_to_the_line(drawing: list[np.ndarray], width: float) -> None:
    points = np.concatenate(drawing)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = (20 - width) / (high - low).max()
    fitted = [(stroke - (low + high) / 2) * scale + 10 for stroke in drawing]
    centers = np.stack(np.meshgrid(np.arange(20) + 0.5, np.arange(20) + 0.5), axis=-1)
    expected = np.clip(width / 2 + 0.5 - distance_to_lines(centers, fitted), 0, 1)
    frame = draw_image(drawing, width=width)
    # `place` has its own test; here every place of the box is tried.
    boxes = [
        frame[top : top + 20, left : left + 20] / 255.0 for top in range(9) for left in range(9)
    ]
    errors = min((np.abs(box - expected) for box in boxes), key=np.sum)
    assert errors.max() < 0.51 / 255  # rounded to 8 bits


@given(sizeable, st.floats(1e-3, 1e4), st.floats(-1e3, 1e3), st.floats(-1e3, 1e3))
@settings(max_examples=50)
def test_unit_and_position_do_not_matter(
    drawing: list[np.ndarray], scale: float, right: float, down: float
) -> None:
    moved = [stroke * scale + np.array([right, down]) * scale for stroke in drawing]
    close(draw_image(moved), draw_image(drawing))


@given(drawings)
@settings(max_examples=60)
def test_frames_are_as_mnist_has_them(drawing: list[np.ndarray]) -> None:
    assert render(drawing).dtype == np.float32
    assert render(drawing).shape == (4, 28, 28)
    frame = draw_image(drawing)
    assert frame.max() == 255
    rows, columns = (np.flatnonzero(frame.any(axis=axis)) for axis in (1, 0))
    assert np.ptp(rows) < 20
    assert np.ptp(columns) < 20
    if np.ptp(np.concatenate(drawing), axis=0).max() > 0:
        assert max(np.ptp(rows), np.ptp(columns)) >= 18  # the drawing fills the box


def test_a_tap_far_from_the_digit_is_left_out() -> None:
    ring = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 6.3, 40)])
    tap = np.array([[2.4, 2.2], [2.4, 2.3]])

    def kept(*drawing: np.ndarray) -> int:
        return len(strokes.drop_stray_taps(drawing))

    assert kept(ring, tap) == kept(tap, ring) == 1
    # A stroke as near as the dot of an i, or as large as a part of a digit, stays.
    assert kept(ring, tap - 1) == 2
    assert kept(ring, 2.4 + 0.5 * ring) == 2
    assert kept(tap, tap + 5) == 2  # nothing but taps
    assert kept(ring) == 1


def test_the_recogniser_leaves_a_tap_out() -> None:
    ring = np.array([[np.cos(a), np.sin(a)] for a in np.linspace(0, 6.3, 40)])
    tap = np.array([[3.0, 2.8]])
    both, alone = (Recognizer.load().predict_strokes(drawing) for drawing in ([ring, tap], [ring]))
    assert np.array_equal(both.probabilities, alone.probabilities)
    assert alone.digit == 0


@pytest.mark.parametrize("width", [0.4, 0, -1, 10.1, float("nan")])
def test_the_pen_has_a_range(width: float) -> None:
    with pytest.raises(ValueError, match=r"0\.5 to 10 frame px"):
        render(DIGITS[3], width=width)


# --- what is no drawing --------------------------------------------------------------------


@pytest.mark.parametrize("nothing", [[], [[]], [np.empty((0, 2)), []]])
def test_no_points_are_a_blank_drawing(nothing: list) -> None:
    for function in (strokes.validate_strokes, render):
        with pytest.raises(BlankDrawingError, match="draw a digit"):
            function(nothing)


@pytest.mark.parametrize("bad", [np.zeros(4), np.zeros((3, 3)), np.zeros((2, 2, 2)), [[1, 2, 3]]])
def test_strokes_of_another_shape_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match=r"\(n, 2\) of x and y; this one is \("):
        render([DIGITS[1][0], bad])


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1])
def test_strokes_with_nan_are_refused(value: float, axis: int) -> None:
    bad = np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 1.0]])
    bad[1, axis] = value
    for drawing in ([bad], [*DIGITS[4], bad], [np.full((2, 2), value)]):
        for function in (strokes.validate_strokes, render):
            with pytest.raises(ValueError, match="NaN or infinite"):
                function(drawing)
        with pytest.raises(ValueError, match="NaN or infinite"):
            render(strokes.drop_stray_taps(drawing))


@pytest.mark.parametrize(
    ("drawing", "advice"),
    [
        (5, "list of .* strokes, not int"),
        ([[[0, 0], [1, 1j]]], "real numbers, not of complex128"),
        ([np.array([[0, 0], [1, 5]], "M8[s]")], "real numbers, not of datetime64"),
        ([[["0", "1"], ["2", "3"]]], "real numbers, not of <U1"),
        ([[[0, 1], [2]]], "numbers: .*inhomogeneous"),
        ([[[10**400, 1], [2, 3]]], "real numbers, not of object"),
        ([np.array([[0, 0], [1e308, -1e308], [0, 1e308]])], "too large"),
        ([np.array([[0, 0], [0, 1e-320]])], "multiply the coordinates"),
        (list(np.zeros((20_001, 1, 2))), "too busy to find a digit in: it has 20,001 strokes"),
        ([np.zeros((1_000_001, 2))], "too busy to find a digit in: it has 1,000,001 points"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_drawing_is_said(drawing: object, advice: str) -> None:
    with pytest.raises(InputError, match=advice) as caught:
        render(strokes.drop_stray_taps(drawing))
    assert str(caught.value).endswith(".")
    assert not isinstance(caught.value, BlankDrawingError)


# --- UCI's text ----------------------------------------------------------------------------

GOOD = """\
.VERSION 1.0
.HIERARCHY PAGE TEXT LINE WORD DIGIT
.SEGMENT DIGIT 0-1 ? "8"
.COMMENT 8 12 34
.PEN_DOWN
  10  20
  11  25
.PEN_UP
.DT 100
.PEN_DOWN
  30  5
.PEN_UP

.SEGMENT DIGIT 2 ? "0"
.COMMENT 0 7 1
.PEN_DOWN
  1 2
  3 4
.PEN_UP
"""


def read(folder: Path, text: str) -> list[PenDrawing]:
    path = folder / "pens.txt"
    path.write_text(text, encoding="ascii")
    return read_uci(path)


def test_a_good_file_is_read(tmp_path: Path) -> None:
    first, second = read(tmp_path, GOOD)
    assert (first.label, first.writer) == (8, 12)
    assert (second.label, second.writer) == (0, 7)
    # y points up in the file, and down here
    assert [stroke.tolist() for stroke in first.strokes] == [[[10, -20], [11, -25]], [[30, -5]]]
    assert [stroke.tolist() for stroke in second.strokes] == [[[1, -2], [3, -4]]]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("  11  25", "  11"),
        ("  11  25", "  11  25  3"),
        ("  11  25", "  11  xx"),
        (".COMMENT 8 12 34", ".COMMENT 8 who 34"),
        (".COMMENT 8 12 34", ".COMMENT 8"),
        ('? "8"', '? "x"'),
        ('? "8"', '? "12"'),
        ('? "8"', '? "-1"'),
    ],
)
def test_a_malformed_digit_is_named(tmp_path: Path, old: str, new: str) -> None:
    assert old in GOOD
    with pytest.raises(ValueError, match=r"pens\.txt, digit 1: "):
        read(tmp_path, GOOD.replace(old, new, 1))


def test_rasterize_draws_a_round_soft_edged_brush_where_the_strokes_are() -> None:
    line, dot = np.array([[50.0, 60.0], [150.0, 60.0]]), np.array([[100.0, 20.0]])
    ink = strokes.rasterize([line, dot], (80, 200), 12)
    assert ink.shape == (80, 200)
    assert ink[60, 100] == ink[20, 100] == 1
    assert ink[40, 100] == ink[60, 30] == 0
    assert ink[:40].sum() == pytest.approx(np.pi * 6**2, rel=0.05)
    assert ink[40:].sum() == pytest.approx(100 * 12 + np.pi * 6**2, rel=0.05)
    assert ((ink > 0) & (ink < 1)).any()


# --- several characters ----------------------------------------------------------------------


@pytest.mark.parametrize("first", DIGITS)
@pytest.mark.parametrize("second", [1, 4, 7])
def test_digits_in_a_row_are_several(first: int, second: int) -> None:
    moved = [stroke + np.array([1.1, 0.1]) for stroke in DIGITS[second]]
    assert strokes.side_by_side([*moved, *DIGITS[first]])
    assert not strokes.side_by_side([*DIGITS[first], *(0.3 * stroke for stroke in moved)])


# --- another language ------------------------------------------------------------------------


def plain(drawing: list[np.ndarray], width: float) -> np.ndarray:
    """The box ``[4, 20, 20]`` from loops over plain numbers, as another language would compute it.

    It looks for the nearest line among all.
    """
    every = [(float(x), float(y)) for stroke in drawing for x, y in stroke]
    left, top = min(x for x, _ in every), min(y for _, y in every)
    wide, high = max(x for x, _ in every) - left, max(y for _, y in every) - top
    scale = (20 - width) / max(wide, high) if wide or high else 0.0
    right, down = 10 - wide * scale / 2, 10 - high * scale / 2
    lines, moved = [], 0.0
    for stroke in drawing:
        fitted = [((x - left) * scale + right, (y - top) * scale + down) for x, y in stroke]
        for number, (x, y) in enumerate(fitted):
            whole = number + 1 < len(fitted)  # the last point is a line of no length
            dx, dy = (fitted[number + 1][0] - x, fitted[number + 1][1] - y) if whole else (0, 0)
            length = math.sqrt(dx * dx + dy * dy)
            unit = 1 / max(length, 1e-300)
            lines.append((x, y, dx * unit, dy * unit, length, moved))
            moved += length if whole else 0.5
    total, box = lines[-1][5], np.zeros((4, 20, 20))
    for row, column in np.ndindex(20, 20):
        least = math.inf
        for px, py, ux, uy, length, start in lines:
            x, y = column + 0.5 - px, row + 0.5 - py
            along = y * uy + x * ux
            clipped = min(max(along, 0), length)
            square = round((clipped * (clipped - 2 * along) + (y * y + x * x)) * 2**24)
            if square < least:
                least = square
                off_x, off_y = x - clipped * ux, y - clipped * uy
                ink = width / 2 + 0.5 - math.sqrt(off_x * off_x + off_y * off_y)
                ink = min(max(ink, 0), 1)
                time = (start + clipped) * (2 / total) - 1 if total else 0
                box[:, row, column] = round(ink * 255) / 255, ink * ux, ink * uy, ink * time
    return box


@given(drawings, st.sampled_from([0.5, 1.0, 2.5, 10.0]))
@settings(max_examples=25, deadline=None)
def test_plain_loops_give_the_same_bits(drawing: list[np.ndarray], width: float) -> None:
    frame, box = render(drawing, width=width), plain(drawing, width).astype(np.float32)
    placed = [(top, left) for top in range(9) for left in range(9)]
    assert any((frame[:, y : y + 20, x : x + 20] == box).all() for y, x in placed)


def test_the_digits_have_the_same_bits_in_plain_loops() -> None:
    for drawing in DIGITS.values():
        frame, box = render(drawing), plain(drawing, strokes.PEN_WIDTH).astype(np.float32)
        placed = [(top, left) for top in range(9) for left in range(9)]
        assert any((frame[:, y : y + 20, x : x + 20] == box).all() for y, x in placed)
