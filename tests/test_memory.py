"""The memory of corrections: the formula, the recognizer's methods, files, and its measurement."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import DIGITS, bundled, page
from test_recognizer import Fixed, tiny

from digitlib import Recognizer
from digitlib.errors import DataDamagedError, WeightsError
from digitlib.evaluation import corrections
from digitlib.models.labels import NO_DIGIT
from digitlib.models.memory import SHARPNESS, STRENGTH, move, similarity_weights

MIRRORED = [stroke * [-1, 1] for stroke in DIGITS[7]]


@pytest.fixture
def recognizer() -> Recognizer:
    return Recognizer(bundled().network)


def test_probabilities_and_scores_move_as_the_formulas_say() -> None:
    new, stored = np.array([[1.0, 0.0]]), np.array([[0.8, 0.6], [1.0, 0.0], [0.0, 1.0]])
    k = STRENGTH * np.exp(-SHARPNESS * np.array([0.2, 0.0, 1.0]))
    weights, labels = similarity_weights(new, stored), np.array([3, NO_DIGIT, 3])
    moved, scores = move(np.full((1, 10), 0.1), np.array([1.5]), 1.0, weights, labels)
    expected = 0.1 + (k[0] + k[2]) * np.eye(10)[3]
    np.testing.assert_allclose(moved[0], expected / expected.sum())
    doubt = 1 / (1 + np.exp(0.5))
    odds = (1 - doubt + k[0]) / (doubt + k[1] ** 2 / STRENGTH)
    np.testing.assert_allclose(scores, 1 + np.log(odds))


def test_a_correction_counts_until_it_is_forgotten(recognizer: Recognizer) -> None:
    before = recognizer.predict_strokes(MIRRORED)
    stored = recognizer.remember(MIRRORED, 7)
    recognizer.remember(page(2), 2)
    found = recognizer.predict_strokes([stroke * [1.1, 1] + 3 for stroke in MIRRORED])
    assert (before.label, found.label, found.because) == (NO_DIGIT, 7, stored)
    assert "like the 7 you corrected" in found._repr_html_()
    np.testing.assert_array_equal(stored.frame, before.frame)
    other = recognizer.predict_strokes(DIGITS[5])
    assert (other.label, other.because, other.confidence > 0.9) == (5, None, True)
    recognizer.forget(stored)
    assert [each.label for each in recognizer.memory] == [2]
    recognizer.forget()
    assert recognizer.predict_strokes(MIRRORED).probabilities == before.probabilities


def test_the_last_label_of_the_same_drawing_decides(recognizer: Recognizer) -> None:
    for width in (1.05, 1.1, 1.15):
        recognizer.remember([stroke * [width, 1] for stroke in DIGITS[4]], 4)
    for label in (NO_DIGIT, 9, 4, NO_DIGIT):
        stored = recognizer.remember(recognizer.predict_strokes(DIGITS[4]), label)
        found = recognizer.predict_strokes(DIGITS[4])
        assert (found.label, found.because) == (label, None if label == 4 else stored)
    assert recognizer.predict(page(3)).label == 3


def test_batches_use_the_memory_only_on_request(recognizer: Recognizer) -> None:
    stored = recognizer.remember(MIRRORED, 7)
    frames = stored.frame[None]
    assert recognizer.predict_batch(frames).rejected.all()
    single = recognizer.predict_strokes(MIRRORED)
    found = recognizer.predict_batch(frames, memory=True)
    np.testing.assert_allclose(found.probabilities[0], single.probabilities, rtol=1e-5)
    np.testing.assert_allclose(found.scores[0], single.score, rtol=1e-5)


@pytest.mark.parametrize("drawings", [[], [(MIRRORED, 7), (page(4), NO_DIGIT)]])
def test_any_network_loads_a_file(
    drawings: list[Any], recognizer: Recognizer, tmp_path: Path
) -> None:
    for drawing, label in drawings:
        recognizer.remember(drawing, label)
    recognizer.memory.save(tmp_path / "memory.npz")
    other = tiny(11)
    other.remember(page(1), 1)
    other.memory.load(tmp_path / "memory.npz")
    assert [each.label for each in other.memory] == [label for _, label in drawings]
    for first, second in zip(recognizer.memory, other.memory, strict=True):
        np.testing.assert_array_equal(first.frame, second.frame)
        assert np.linalg.norm(second.embedding) == pytest.approx(1)


@pytest.mark.parametrize(
    "change",
    [
        {"labels": np.array([11], np.uint8)},
        {"labels": np.zeros(0, np.uint8)},
        {"labels": np.array([None])},  # would be unpickled
        {"frames": np.full((1, 4, 28, 28), np.nan, np.float32)},
        {"frames": np.zeros((1, 4, 28, 28))},
    ],
)
def test_a_damaged_file_changes_nothing(
    change: dict[str, Any], recognizer: Recognizer, tmp_path: Path
) -> None:
    good = {"frames": np.zeros((1, 4, 28, 28), np.float32), "labels": np.ones(1, np.uint8)}
    np.savez(tmp_path / "memory.npz", **(good | change))
    (tmp_path / "text.npz").write_text("7")
    recognizer.remember(page(1), 1)
    for name in ("memory.npz", "text.npz", "missing.npz"):
        with pytest.raises(DataDamagedError, match=f"{name} isn't a file of stored drawings"):
            recognizer.memory.load(tmp_path / name)
    assert len(recognizer.memory) == 1


def test_wrong_labels_and_networks_are_refused(recognizer: Recognizer) -> None:
    with pytest.raises(ValueError, match=r"A label is 0 to 9, or 10 .*, not \{12\}"):
        recognizer.remember(page(1), 12)
    with pytest.raises(WeightsError, match="no linear layer"):
        Recognizer.from_model(Fixed([0.0] * 10)).remember(page(1), 1)


def test_errors_and_changes_are_counted_by_writer() -> None:
    """Writer 1's third and fourth drawing are 7s that look like each other, read as 1s."""
    labels, writers = np.array([1, 2, 7, 7, 1, 2]), np.array([1, 1, 1, 1, 2, 2])
    embeddings, shares = np.eye(4)[[0, 1, 2, 2, 0, 1]], np.eye(10)[[1, 2, 1, 1, 1, 2]]
    outputs = corrections.Outputs(shares, np.ones(6), embeddings, labels, writers, 0.0)
    errors = corrections.count_errors(outputs, 2)
    assert errors["all others stored"].tolist() == [[2, 0], [0, 0]]
    assert errors["as errors happen"].tolist() == [[2, 1], [0, 0]]
    assert not errors["three per digit stored"].any()
    left = corrections.remaining(errors["as errors happen"])
    assert (left["before"], left["value"], left["better writers"]) == (2, 0.5, 1)
    assert corrections.changes(outputs, outputs)["made wrong"] == 0
