"""Whole numbers: CTC, rows of writing, simulated rows, and what the bundled network reads."""

from collections import defaultdict
from itertools import groupby, product
from typing import Any

import numpy as np
import pytest
from helpers import DIGITS, bundled, coverage, write
from PIL import Image, ImageDraw

from digitlib.datasets import pages
from digitlib.errors import BlankDrawingError, InputError
from digitlib.numbers import ctc, finding, reader, rows
from digitlib.preprocessing.strokes import bounding_boxes

INK = pages.Ink([[*DIGITS.items()]], [], np.zeros(0, np.int64), [DIGITS[8]], [])


def paper(text: str, gap: float = 0.25, width: int = 700) -> np.ndarray[Any, Any]:
    """A number in black on white, digits 80 px high, uint8 ``[200, width]``."""
    side = 80 * float(np.ptp(np.concatenate(write(text, gap)), axis=0).max())
    ink = coverage(write(text, gap), page=(200, width), height=side, brush=8)
    return np.rint(255 * (1 - ink)).astype(np.uint8)


def test_runs_are_merged_and_blanks_removed() -> None:
    best = [0, 0, 4, 4, 0, 4, 0, 11, 1]  # --33-3-*0
    columns = np.full((12, len(best)), -5.0, np.float32)
    columns[best, range(len(best))] = np.log([0.9, 0.9, 0.6, 0.8, 0.9, 0.7, 0.9, 0.5, 1.0])
    assert [ctc.greedy(part) for part in (columns, columns[:, :2])] == ["33*0", ""]
    assert [run[:2] for run in ctc.runs(columns)] == [(2, 3), (5, 5), (7, 7), (8, 8)]
    assert [peak for *_, peak in ctc.runs(columns)] == pytest.approx([0.8, 0.7, 0.5, 1.0])


def test_the_probability_of_a_text_is_the_sum_over_its_alignments() -> None:
    texts, random = ["", "3", "33", "3*", "3*3", "3333"], np.random.default_rng(0)
    matrices = [np.log(random.dirichlet(np.ones(12), n).T.astype(np.float32)) for n in (3, 5, 1)]
    found = np.exp(ctc.log_probabilities(matrices, texts))
    for columns, row in zip(matrices, found, strict=True):
        expected = defaultdict[str, float](float)
        for path in product((0, 4, 11), repeat=columns.shape[1]):
            text = "".join(ctc.CHARACTERS[each - 1] for each, _ in groupby(path) if each)
            expected[text] += float(np.exp(columns[path, range(len(path))].sum()))
        assert row == pytest.approx([expected[text] for text in texts], rel=1e-5)
    assert np.exp(ctc.log_probabilities(matrices, [""])) == pytest.approx(found[:, :1])


def test_parts_form_rows() -> None:
    first = [(0, 0, 20, 30), (30, 2, 50, 31), (22, 20, 26, 24)]  # the third part is small
    parts = [*first, (0, 100, 20, 130), (40, 98, 60, 128), (0, 160, 30, 174)]  # the last is print
    assert [sorted(row) for row in finding.group(np.array(parts, float), "drawing")] == [
        [0, 1, 2],
        [3, 4],
    ]


@pytest.mark.parametrize(("ink", "ground"), [(0.1, 0.9), (0.9, 0.1), (0.45, 0.6), (0.6, 0.45)])
def test_ink_becomes_dark(ink: float, ground: float) -> None:
    cover = coverage(write("26"))
    dark = finding.darken((ground + (ink - ground) * cover).astype(np.float32))
    assert dark[cover > 0.9].mean() < dark[cover < 0.1].mean()


def test_inputs_of_the_network_have_one_height() -> None:
    strokes = rows.stroke_row(*np.zeros((2, rows.HEIGHT, 41), np.uint8))
    made = [*map(rows.picture_row, (paper("26"), paper("26")[:, :3])), strokes]
    assert [row.shape[2] - 2 * rows.PADDING for row in made] == [112, rows.MIN_WIDTH, 41]
    assert rows.pad(made).shape == (3, 2, rows.HEIGHT, 128)


@pytest.mark.parametrize("kind", ["clean", "boxes"])
@pytest.mark.parametrize("spacing", pages.SPACINGS)
def test_simulated_rows_are_their_text(spacing: str, kind: str) -> None:
    row = pages.make_row(INK, np.random.default_rng(0), spacing, kind, augment=False)
    assert len(row.paths) == sum(len(DIGITS[int(digit)]) for digit in row.text)
    left, top, right, bottom = row.box  # without thin ink at the edge
    assert row.ink[top:bottom, left:right].sum() >= 0.95 * row.ink.sum() > 0
    assert all(((p >= 0) & (p < row.ink.shape[::-1])).all() for p in row.paths)


@pytest.mark.parametrize("text", ["26", "0123456789", "4455"])
def test_it_reads_strokes_and_pictures(text: str) -> None:
    strokes, picture = write(text, gap=0.5), paper(text, gap=0.5, width=1000)
    sources: list[Any] = [strokes, strokes[::-1], picture, 255 - picture]
    sources += [[scale * stroke for stroke in strokes] for scale in (1e-300, 1e100)]
    assert [bundled().read(source).text for source in sources] == [text] * len(sources)


def test_space_is_added_where_a_stroke_begins_a_digit() -> None:
    ends = [(0, 1), (0.9, 1.9), (1.2, 1.6), (1.9, 1.9), (0.2, 0.3), (2.5, 3)]
    strokes = [np.array([[left, 0.0], [right, 1.0]]) for left, right in ends]
    moved, shifts = reader.spread(strokes, 0.5)
    by = [after[0, 0] - before[0, 0] for before, after in zip(strokes, moved, strict=True)]
    assert by == pytest.approx([0, 0.5, 0.5, 0.5, 0.5, 1])
    assert np.array(shifts) == pytest.approx(np.array([(0, 0), (1.4, 0.5), (3.5, 1)]))


def test_boxes_are_where_the_strokes_are_in_all_views() -> None:
    strokes = write("4276", gap=-0.08)
    expected = [finding.union(bounding_boxes(write(text, gap=-0.08))) for text in ("4", "4276")]
    boxes = np.array([digit.box for digit in bundled().read(strokes).digits])
    assert len(boxes) == 4
    assert boxes[0, :3:2] == pytest.approx(expected[0][:3:2], abs=0.25)
    assert boxes[-1, 2] == pytest.approx(expected[1][2], abs=0.15)
    assert (np.diff(boxes[:, 0]) > 0).all()
    for space in reader.SPACES:  # each view alone
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(reader, "SPACES", (space,))
            alone = np.array([digit.box for digit in bundled().read(strokes).digits])
        assert alone[:, 0] == pytest.approx(boxes[:, 0], abs=0.25)


def test_it_reads_lines() -> None:
    assert bundled().read(np.concatenate([paper("26"), paper("4455")])).text == "26\n4455"
    assert bundled().read(write("26") + write("4455", down=2.5)).text == "26\n4455"


def test_letters_are_no_numbers() -> None:
    page = Image.new("L", (420, 160), 255)
    ImageDraw.Draw(page).text((30, 40), "KRAHWM", 0, pages.font("DejaVuSans", 64))
    reading = bundled().read(page)
    assert reading.text == ""
    assert reading.rejected
    assert len(reading.ignored) == 1


def test_thin_round_zeros_are_no_rings() -> None:
    turn = np.exp(1j * np.linspace(0, 2 * np.pi, 60))
    zeros = [np.stack([x + turn.real, turn.imag], axis=1) for x in (0, 2.6)]
    ink = coverage(zeros, page=(200, 300), height=180, brush=4)
    assert bundled().read((255 - 255 * ink).astype(np.uint8)).text == "00"


def test_boxes_are_in_pixels_of_a_picture_that_was_reduced() -> None:
    page = paper("26", gap=0.8).repeat(4, axis=0).repeat(4, axis=1)
    boxes = np.array([digit.box for digit in bundled().read(page).digits])
    ink = [np.flatnonzero(half.min(axis=0) < 128) for half in np.split(page, 2, axis=1)]
    expected = [[part[0] + at, part[-1] + at] for part, at in zip(ink, (0, 1400), strict=True)]
    assert boxes[:, [0, 2]] == pytest.approx(np.array(expected), abs=40)


def test_numbers_are_found_beside_ruling_print_and_a_ring() -> None:
    random = np.random.default_rng(1)
    for row in [pages.make_row(INK, random, "usual", augment=False) for _ in range(3)]:
        assert bundled().read(pages.make_page(row, random)).text == row.text
    assert bundled().read(pages.make_page(None, random)).text == ""


@pytest.mark.parametrize(("source", "error", "message"), [
    (np.full((50, 90), 255, np.uint8), BlankDrawingError, "more light"),
    ([], BlankDrawingError, "no strokes"),
    ([np.array([[0.0, 0.0], [np.nan, 1.0]])], InputError, "NaN|finite"),
    ([np.array([[n, 0.0], [n, 1.0]]) for n in range(3000)], InputError, "3,000 strokes"),
])  # fmt: skip
def test_other_input_is_refused(source: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        bundled().read(source)
