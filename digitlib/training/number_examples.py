"""Rows of digits that were read, to fit the weights with which numbers are divided."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.random import RandomState
from numpy.typing import NDArray

from digitlib.datasets import rows, unipen
from digitlib.datasets.pen import PenDrawing
from digitlib.datasets.rows import Row
from digitlib.evaluation.numbers import HEIGHTS, PENS
from digitlib.models.number_reader import ReadLine, read_lines
from digitlib.models.recognizer import Recognizer
from digitlib.preprocessing.ink_pieces import segment_ink
from digitlib.preprocessing.paper import find_ink
from digitlib.preprocessing.read import read_gray
from digitlib.preprocessing.stroke_pieces import segment_strokes

Values = NDArray[np.float64]
# The lines of pieces found in a row, and the map from its x to the x of their bounds.
Segmented = tuple[list[Any], Callable[[Values], Values]]
Segment = Callable[[Row, RandomState], Segmented]

STAGES = "prices", "evidence", "letters", "alone"  # what rows are for; each has rows of its own
GAPS = rows.SPACINGS | rows.TOUCHING
COUNTS = {"just apart": 35, "just touching": 80, "half a stroke in common": 40}  # rows …
OTHERS = 20  # … of the remaining gaps, and of each gap with letters
ALONE = 60  # digits alone
LENGTHS, PAIR = (2, 5), (2, 2)  # digits of a row, and of one in which they touch
LETTERS = 0.15  # of the signs of rows with letters


class Example(NamedTuple):
    """A row that was read.

    Attributes:
        text: what it says, ``?`` for a letter.
        gap: name of the gap between its digits.
        read: its line; None where it was not found to be one.
        spans: left and right end of each digit, in the unit of the candidates' bounds.
    """

    text: str
    gap: str
    read: ReadLine | None
    spans: Values


def segment_strokes_of(row: Row, _: RandomState) -> Segmented:
    """A row as pen strokes."""
    return segment_strokes(row.strokes), lambda x: x


def segment_picture_of(row: Row, random: RandomState) -> Segmented:
    """A row as a picture, of random size and pen."""
    height, pen = random.uniform(*HEIGHTS), random.uniform(*PENS)
    left = np.concatenate(row.strokes)[:, 0].min() - rows.MARGIN
    lines = segment_ink(find_ink(read_gray(rows.picture(row.strokes, height, pen))))
    return lines, lambda x: (x - left) * height


def read_rows(
    segment: Segment, seed: int, part: float, split: str, gap: str, stage: str
) -> list[Example]:
    """Rows of a split with this gap, read.

    Args:
        segment: of strokes or of a picture.
        seed: of the fit.
        part: of the usual number of rows.
        split: of UNIPEN.
        gap: a key of ``GAPS``.
        stage: one of ``STAGES``; each has rows of its own.
    """
    seed = len(STAGES) * seed + STAGES.index(stage)
    recognizer, random = Recognizer.load(), RandomState(seed)
    usual = COUNTS.get(gap, OTHERS)
    wanted = {"letters": OTHERS, "alone": ALONE}.get(stage, usual)
    count = max(round(part * wanted), 1)
    lengths = (1, 1) if stage == "alone" else LENGTHS if gap in rows.SPACINGS else PAIR
    drawings = unipen.read_unipen("unipen", split)
    if stage == "letters":
        drawings = drawings + _letters(split, drawings, LETTERS, random)
    found = []
    for row in rows.make_rows(drawings, count, GAPS[gap], seed, lengths):
        lines, place = segment(row, random)
        ends = [np.concatenate(digit)[:, 0] for digit in row.digits]
        spans = place(np.array([[each.min(), each.max()] for each in ends]))
        read = read_lines(recognizer, lines)[0] if len(lines) == 1 else None
        found.append(Example(row.text, gap, read, spans))
    return found


def _letters(
    split: str, digits: Sequence[PenDrawing], share: float, random: RandomState
) -> list[PenDrawing]:
    """Letters of the same writers, as many as are that share of all."""
    writers = {each.writer for each in digits}
    letters = [each for each in unipen.read_unipen("letters", split) if each.writer in writers]
    count = min(round(share / (1 - share) * len(digits)), len(letters))
    return [letters[number] for number in random.permutation(len(letters))[:count]]
