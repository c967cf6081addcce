"""``errors``: misread drawings are grouped by computed cause or by pair of digits."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import DIGITS

from digitlib.datasets.pen import PenDrawing
from digitlib.evaluation import errors
from digitlib.evaluation.compare import Predictions

CROSS = [np.array([[0, 0], [10, 10]]), np.array([[0, 10], [10, 0]])]
STAR = np.array([[0, 0], [5, 10], [10, 0], [0, 6], [10, 6], [0, 0]])  # a pentagram


def predictions_of(labels: list[int], seen: list[int], sure: float = 0.6) -> Predictions:
    probabilities = np.full((len(seen), 10), (1 - sure) / 9)
    probabilities[np.arange(len(seen)), seen] = sure
    truth = np.array(labels)
    return Predictions(probabilities, truth, truth == seen, np.zeros(len(seen), bool))


def four(*, stem: bool, writer: int = 1) -> PenDrawing:
    strokes = [np.array([[3, 0], [0, 6], [8, 6]], float)]
    if stem:
        strokes.append(np.array([[5, 3], [5, 10]], float))
    return PenDrawing(strokes, 4, writer)


# --- the drawing -----------------------------------------------------------------------------


# --- groups ----------------------------------------------------------------------------------


def test_groups_follow_from_the_drawing_then_from_the_pair_of_digits() -> None:
    stray = PenDrawing([*DIGITS[0], np.array([[1.5, 1.3]])], 0, 3)
    nines = [PenDrawing(list(DIGITS[9]), 9, 2) for _ in range(3)]
    ones = [PenDrawing(list(DIGITS[1]), 1, 5)]
    drawings = [stray, four(stem=False), four(stem=True), *nines, *ones]
    labels = [digit.label for digit in drawings]
    predictions = {
        "digitnet": predictions_of(labels, [9, 6, 4, 9, 9, 3, 1]),
        "baseline": predictions_of(labels, [9, 4, 9, 3, 3, 3, 7]),
    }
    found = errors.group_errors(drawings, predictions)
    assert found == {
        "9 read as 3": {"digitnet": [5], "baseline": [3, 4, 5]},
        errors.UNCROSSED: {"digitnet": [1], "baseline": []},
        errors.STRAY: {"digitnet": [0], "baseline": [0]},
        errors.OTHER: {"digitnet": [], "baseline": [2, 6]},
    }
    assert next(iter(found)) == "9 read as 3"
    assert list(found)[-1] == errors.OTHER
    assert errors.group_rows(found, 2)["9 read as 3"] == [3, 4]
    table = errors.group_table(found, drawings)
    assert table.loc["9 read as 3"].tolist() == [1, 3, 3, "3 (writer 2)"]
    assert table.loc[errors.OTHER, "of one writer"].startswith("1 ")


# --- pictures --------------------------------------------------------------------------------


def test_mistakes_of_one_writer_hit_fewer_writers_than_chance() -> None:
    writers = np.arange(400) // 20
    clustered, spread = writers == 3, np.arange(400) % 20 == 0
    hit, evenly = errors.writers_hit(clustered, writers), errors.writers_hit(spread, writers)
    assert (hit["mistakes"], hit["writers"]) == (20, 1)
    assert (evenly["mistakes"], evenly["writers"]) == (20, 20)
    assert hit["low"] == evenly["low"] > 1
    # of 20 writers, each is spared with probability C(380, 20) / C(400, 20)
    spared = float(np.prod(1 - 20 / (400 - np.arange(20))))
    assert hit["expected"] == pytest.approx(20 * (1 - spared), rel=0.02)
